"""Whether a certificate is for a host (RFC 9525), to explain what OpenSSL has decided.

OpenSSL's word counts wherever it has one; it has none where it stopped at something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.idn import to_ascii
from nexomailer_cli.probe.certificate_link import canonical_ip

if TYPE_CHECKING:
    from nexomailer_cli.probe.stage_data import Certificate


def is_address(host: str) -> bool:
    """Return whether a target is an IP address, bracketed or not, and not a name."""
    from ipaddress import ip_address

    try:
        ip_address(_bare(host))
    except ValueError:
        return False
    return True


def is_for(certificate: Certificate, host: str) -> bool:
    """Return whether one of the certificate's names is `host`, a name or an IP address.

    A final dot does not count: it is DNS' way to write a name, and no certificate's. The
    common name counts where there are no DNS names, as with OpenSSL and against RFC 9525.
    """
    if is_address(host):
        return canonical_ip(_bare(host)) in certificate.ip_addresses
    labels = _labels(host)
    return any(_fits(_labels(name), labels) for name in presented(certificate))


def presented(certificate: Certificate) -> tuple[str, ...]:
    """Return the names that a certificate is for: DNS names, or else the common name."""
    common = certificate.subject.get("CN", "")
    return certificate.dns_names or ((common,) if common else ())


def _bare(host: str) -> str:
    return host.removeprefix("[").removesuffix("]").partition("%")[0]


def _labels(name: str) -> tuple[str, ...]:
    return tuple(_ascii(name).rstrip(".").lower().split("."))


def _ascii(name: str) -> str:
    if name.isascii():
        return name
    try:
        return to_ascii(name)
    except ValueError:
        return name


def _fits(pattern: tuple[str, ...], labels: tuple[str, ...]) -> bool:
    """Compare label by label; an asterisk is one whole label, the first of three or more."""
    if pattern[0] == "*" and len(pattern) > 2:
        return bool(labels[0]) and pattern[1:] == labels[1:]
    return pattern == labels
