"""MX and SRV records, which the system's resolver does not tell: the one place with dnspython.

Knows what records say, not what follows from it. An empty answer is an answer; everything else
that goes wrong is a TransportError with the resolver codes that getaddrinfo would give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from msgspec import Struct

from nexomailer_cli.errors import TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.outcome import Phase

if TYPE_CHECKING:
    from dns.resolver import Resolver

SECONDS = 5.0  # for a question, all name servers together


class MailExchanger(Struct, frozen=True):
    """An MX record (RFC 5321 section 5.1): the lowest preference comes first."""

    preference: int
    host: str


class Service(Struct, frozen=True):
    """An SRV record (RFC 2782): the lowest priority comes first, then the highest weight."""

    priority: int
    weight: int
    port: int
    host: str


def mail_exchangers(domain: str, resolver: Resolver | None = None) -> tuple[MailExchanger, ...]:
    """Return the MX records of `domain`, best first; a host may be empty (RFC 7505)."""
    answers = _ask(domain, "MX", resolver)
    found = {MailExchanger(each.preference, _host(each.exchange)) for each in answers}
    return tuple(sorted(found, key=lambda each: (each.preference, each.host)))


def services(name: str, resolver: Resolver | None = None) -> tuple[Service, ...]:
    """Return the SRV records of `name`, best first; a host may be empty: not available."""
    answers = _ask(name, "SRV", resolver, is_optional=True)
    found = {Service(each.priority, each.weight, each.port, _host(each.target)) for each in answers}
    return tuple(sorted(found, key=lambda each: (each.priority, -each.weight, each.host)))


def _ask(
    name: str, kind: str, resolver: Resolver | None, *, is_optional: bool = False
) -> tuple[Any, ...]:
    from dns import exception
    from dns import resolver as resolving

    try:
        asking = resolver or resolving.Resolver()
        # A name that ends in a dot is searched for nowhere else.
        answer = asking.resolve(f"{name}.", kind, lifetime=SECONDS, raise_on_no_answer=False)
    except resolving.NXDOMAIN:
        if is_optional:
            return ()
        _fail(name, "there is no such domain", "EAI_NONAME")
    except (resolving.NoNameservers, exception.Timeout, resolving.NoResolverConfiguration):
        _fail(name, f"the name servers do not say what its {kind} records are", "EAI_AGAIN")
    except (exception.DNSException, OSError) as error:
        _fail(name, f"its {kind} records cannot be read: {type(error).__name__}", "EAI_FAIL")
    return tuple(answer.rrset or ())


def _host(name: Any) -> str:
    return printable(name.to_text(omit_final_dot=True).rstrip(".").lower())


def _fail(name: str, message: str, reason: str) -> NoReturn:
    raise TransportError(f"{printable(name)}: {message}", phase=Phase.CONNECT, reason=reason)
