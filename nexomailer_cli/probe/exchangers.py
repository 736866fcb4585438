"""The mail exchangers of a domain: where its mail is taken, for `test-connection --mx`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.errors import TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.probe.dns_records import mail_exchangers
from nexomailer_cli.smtp.outcome import Phase

if TYPE_CHECKING:
    from dns.resolver import Resolver

EXCHANGER_PORT = 25  # RFC 5321 section 4.5.4.2
MOST = 10  # exchangers; who writes a hundred into DNS wants us to knock at somebody's doors


def exchangers(domain: str, resolver: Resolver | None = None) -> tuple[str, ...]:
    """Return the hosts that take mail for `domain`, the preferred one first.

    A domain without MX records takes its mail itself (RFC 5321 section 5.1). Raises
    TransportError: `null-mx` for a domain that takes none (RFC 7505), or why DNS does not say.
    """
    records = mail_exchangers(domain, resolver)
    if not records:
        return (domain,)
    # RFC 7505 section 3: the empty name stands alone; beside others it means nothing.
    hosts = tuple(dict.fromkeys(each.host for each in records if each.host))
    if not hosts:
        message = f"{printable(domain)} declares that it takes no mail"
        raise TransportError(message, phase=Phase.CONNECT, reason="null-mx")
    return hosts[:MOST]
