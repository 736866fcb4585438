"""From a mail domain to the server that its people send through.

Known services come first, then what the domain says in DNS (RFC 6186, RFC 8314 section 5.1).
Guessing `smtp.` and the like is left to people: a guess would be given their password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.config.presets import find_preset, preset_of_domain
from nexomailer_cli.errors import UsageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from dns.resolver import Resolver

# Implicit TLS first (RFC 8314 section 3.3).
_SERVICES = (("_submissions._tcp", True), ("_submission._tcp", False))


class Submission(Struct, frozen=True):
    """Where mail is submitted, and how that is known: `preset:gmail` or `srv`."""

    host: str
    port: int
    is_implicit: bool
    origin: str

    def belongs_to(self, domain: str) -> bool:
        """Whether the domain itself vouches for the host, or we do.

        What DNS says can be forged on the way, and a certificate for the forger's own host
        proves nothing (RFC 6186 section 6).
        """
        own = self.host == domain or self.host.endswith(f".{domain}")
        return own or self.origin.startswith("preset:")


def submission_of(domain: str, resolver: Resolver | None = None) -> Submission:
    """Return where the people of `domain` submit their mail.

    Raises UsageError if nothing says so, and TransportError if DNS does not answer.
    """
    name = preset_of_domain(domain)
    preset = find_preset(name)
    if preset is not None:
        return Submission(preset.host, preset.port, preset.secure, f"preset:{name}")
    found = _announced(domain, resolver)
    if found is None:
        raise UsageError(
            f"nothing says through which server the people of {printable(domain)} send",
            hint="Name the server, such as smtp.example.com:587; or ask for the servers that take"
            " the domain's mail: --mx with the domain.",
        )
    return found


def _announced(domain: str, resolver: Resolver | None) -> Submission | None:
    from nexomailer_cli.probe.dns_records import services

    for name, is_implicit in _SERVICES:
        for each in services(f"{name}.{domain}", resolver):
            # RFC 2782: a lone dot says that there is no such service.
            if each.host and each.port:
                return Submission(each.host, each.port, is_implicit, "srv")
    return None
