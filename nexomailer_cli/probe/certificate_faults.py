"""What can be wrong with a single certificate, each fault for itself.

Whose certificate it is, and whether anybody trusts it, is not known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.probe.certificate_link import Link
    from nexomailer_cli.probe.stage_data import Certificate, KeyData

SOON_DAYS = 14
MAX_NAME = 100

# What is not safe any more; OpenSSL's security level 2 refuses RSA of that size too.
_ENOUGH_BITS = {"RSA": 2048, "DSA": 2048, "EC": 256}
_BROKEN_HASHES = frozenset({"md5", "sha1"})


class CertificateProblem(Struct, frozen=True):
    """A trouble: its reason for `diagnosis.Evidence`, and what it was seen by."""

    reason: str
    detail: str


def expiry(link: Link) -> Iterator[CertificateProblem]:
    """Valid no longer."""
    shown = link.certificate
    if shown.days_left < 0:
        reason = "cert-intermediate-expired" if shown.position else "X509_10"
        yield _about(link, reason, f"was valid until {shown.not_after}")


def beginning(link: Link) -> Iterator[CertificateProblem]:
    """Not valid yet."""
    if not link.has_begun:
        yield _about(link, "X509_9", f"is valid from {link.certificate.not_before}")


def purpose(link: Link) -> Iterator[CertificateProblem]:
    """For something else than servers."""
    if not link.serves:
        yield _about(link, "X509_26", "is not for TLS servers")


def weak_key(link: Link) -> Iterator[CertificateProblem]:
    """A key that is too short."""
    key = link.certificate.key
    if key and _is_weak(key):
        code = 67 if link.certificate.position else 66
        yield _about(link, f"X509_{code}", f"has an {key.type} key of {key.bits} bits")


def _is_weak(key: KeyData) -> bool:
    return key.bits is not None and key.bits < _ENOUGH_BITS.get(key.type, 0)


def weak_signature(link: Link) -> Iterator[CertificateProblem]:
    """A signature that can be forged."""
    # A root is trusted because it is there, not for its signature.
    if link.signature_hash in _BROKEN_HASHES and not link.certificate.self_issued:
        yield _about(link, "X509_68", f"is signed with {link.certificate.signature}")


def laxity(link: Link) -> Iterator[CertificateProblem]:
    """What RFC 5280 demands and only VERIFY_X509_STRICT insists on."""
    for code, words in _lacking(link):
        yield _about(link, f"X509_{code}", words)


def _lacking(link: Link) -> Iterator[tuple[int, str]]:
    if not link.has_authority_key and not link.certificate.self_issued:
        yield 85, "has no authority key identifier"
    if not link.certificate.ca:
        return
    if not link.has_subject_key:
        yield 86, "has no subject key identifier"
    if not link.has_critical_constraints:
        yield 89, "has basic constraints that are not critical"
    if not link.has_key_usage:
        yield 92, "has no key usage"


def warnings(leaf: Certificate) -> Iterator[CertificateProblem]:
    """What does no harm yet, or only elsewhere."""
    if not leaf.dns_names and not leaf.ip_addresses:
        yield CertificateProblem("cert-cn-only", f"subject: {named(leaf.subject)}")
    if 0 <= leaf.days_left < SOON_DAYS:
        yield CertificateProblem("cert-expires-soon", f"valid until {leaf.not_after}")


def _about(link: Link, reason: str, words: str) -> CertificateProblem:
    shown = link.certificate
    return CertificateProblem(reason, f"{shown.position} ({named(shown.subject)}) {words}")


def named(name: dict[str, str]) -> str:
    """Return the organization and common name of a subject or an issuer, in few words."""
    return ", ".join(f"{key}={short(name[key])}" for key in ("O", "CN") if key in name) or "unnamed"


def short(text: str) -> str:
    """Return a name that leaves room for others."""
    return text if len(text) <= MAX_NAME else f"{text[:MAX_NAME]}…"
