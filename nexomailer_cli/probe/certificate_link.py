"""One certificate of a chain, read to its last extension. The only file that does so.

Whoever holds a key chooses what stands in a certificate, so whatever cannot be read is left
out, and says nothing more.
"""

from __future__ import annotations

import hashlib
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from nexomailer_cli.printable import printable
from nexomailer_cli.probe.stage_data import Certificate, KeyData

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryptography import x509

    Extension = TypeVar("Extension", bound=x509.ExtensionType)

# RFC 4514 section 3; the long names are the same in OpenSSL and `cryptography`.
_SHORT = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}
# As `hello` calls them.
_CURVES = {"secp224r1": "P-224", "secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}

_SERVER_AUTH = "1.3.6.1.5.5.7.3.1"


def prepare() -> None:
    """Load what reads certificates: it takes 40 ms that are not the server's."""
    import cryptography.x509  # noqa: F401


class Link(Struct, frozen=True, kw_only=True):
    """A certificate, and what is of use only to judge it.

    `serves` is false where the extended key usage is for something else than TLS servers.
    `tells_issuer` says that it has an address where its issuer's certificate can be fetched
    (caIssuers, RFC 5280 section 4.2.2.1).
    """

    certificate: Certificate
    has_begun: bool
    signature_hash: str | None
    serves: bool
    tells_issuer: bool
    has_authority_key: bool
    has_subject_key: bool
    has_key_usage: bool
    has_critical_constraints: bool


def links(chain_der: tuple[bytes, ...], now: datetime) -> tuple[Link, ...]:
    """Return those certificates of a chain that can be read; `position` tells which."""
    read = (_link(position, der, now) for position, der in enumerate(chain_der))
    return tuple(link for link in read if link)


def distinguished(attributes: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return a name with RFC 4514's short keys; of several values of a key, one text."""
    found: dict[str, str] = {}
    for long, value in attributes:
        key = _SHORT.get(long, printable(long))
        found[key] = f"{found[key]}, {printable(value)}" if key in found else printable(value)
    return found


def canonical_ip(text: str) -> str:
    """Return an address as RFC 5952 writes it, and what is none as it is."""
    from ipaddress import ip_address

    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return printable(text)


def iso(moment: datetime) -> str:
    """Return a time of UTC in ISO 8601, to the second."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _link(position: int, der: bytes, now: datetime) -> Link | None:
    from cryptography import x509

    # The library warns on standard error of what it will refuse some day, and what it raises
    # for bytes of an enemy's choice is not part of its contract.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _read(position, x509.load_der_x509_certificate(der), now)
        except Exception:
            return None


def _read(position: int, found: x509.Certificate, now: datetime) -> Link:
    from cryptography import x509

    constraints = _extension(found, x509.BasicConstraints)
    authority_key = _extension(found, x509.AuthorityKeyIdentifier)
    return Link(
        certificate=_shown(position, found, now),
        has_begun=found.not_valid_before_utc <= now,
        signature_hash=_signature_hash(found),
        serves=_serves(found),
        tells_issuer=_tells_issuer(found),
        has_authority_key=authority_key is not None and authority_key.key_identifier is not None,
        has_subject_key=_extension(found, x509.SubjectKeyIdentifier) is not None,
        has_key_usage=_extension(found, x509.KeyUsage) is not None,
        has_critical_constraints=constraints is not None
        and found.extensions.get_extension_for_class(x509.BasicConstraints).critical,
    )


def _shown(position: int, found: x509.Certificate, now: datetime) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    names = _extension(found, x509.SubjectAlternativeName)
    constraints = _extension(found, x509.BasicConstraints)
    return Certificate(
        position=position,
        subject=distinguished(_attributes(found.subject)),
        issuer=distinguished(_attributes(found.issuer)),
        dns_names=tuple(map(printable, names.get_values_for_type(x509.DNSName) if names else ())),
        ip_addresses=tuple(map(str, names.get_values_for_type(x509.IPAddress) if names else ())),
        not_before=iso(found.not_valid_before_utc),
        not_after=iso(found.not_valid_after_utc),
        days_left=(found.not_valid_after_utc - now).days,
        self_issued=found.subject == found.issuer,
        serial=_hexadecimal(found.serial_number),
        sha256=hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest(),
        key=_key(found),
        signature=_oid_name(found.signature_algorithm_oid),
        ca=bool(constraints and constraints.ca),
        spki_sha256=_pin(found),
    )


def _extension(found: x509.Certificate, kind: type[Extension]) -> Extension | None:
    from cryptography import x509

    try:
        return found.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _attributes(name: x509.Name) -> Iterator[tuple[str, str]]:
    for attribute in name:
        value = attribute.value
        yield (
            _oid_name(attribute.oid),
            value if isinstance(value, str) else value.hex(),
        )


def _oid_name(oid: x509.ObjectIdentifier) -> str:
    # There is no public way to the names that the library itself shows.
    name = str(getattr(oid, "_name", "Unknown OID"))
    return oid.dotted_string if name == "Unknown OID" else name


def _hexadecimal(number: int) -> str:
    digits = f"{abs(number):x}"
    return f"{'-' if number < 0 else ''}{'0' * (len(digits) % 2)}{digits}"


def _key(found: x509.Certificate) -> KeyData:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    try:
        key: Any = found.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return KeyData(type=_oid_name(found.public_key_algorithm_oid), bits=None, curve=None)
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve = _CURVES.get(key.curve.name, key.curve.name)
        return KeyData(type="EC", bits=key.key_size, curve=curve)
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey):
        kind = "RSA" if isinstance(key, rsa.RSAPublicKey) else "DSA"
        return KeyData(type=kind, bits=key.key_size, curve=None)
    # Ed25519 and the like have one size, and its name says which.
    return KeyData(type=type(key).__name__.removesuffix("PublicKey"), bits=None, curve=None)


def _signature_hash(found: x509.Certificate) -> str | None:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        algorithm = found.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    return algorithm.name if algorithm else None


def _pin(found: x509.Certificate) -> str | None:
    """Return SHA-256 of the public key as it stands in the certificate (RFC 7671, `3 1 1`)."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        key = found.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return None
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()


def _serves(found: x509.Certificate) -> bool:
    from cryptography import x509

    # OpenSSL does not take anyExtendedKeyUsage for it either.
    purposes = _extension(found, x509.ExtendedKeyUsage)
    return purposes is None or _SERVER_AUTH in {each.dotted_string for each in purposes}


def _tells_issuer(found: x509.Certificate) -> bool:
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID

    access = _extension(found, x509.AuthorityInformationAccess)
    return any(
        each.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        # Windows' private authorities write an ldap: address, which is no use outside.
        and str(each.access_location.value).startswith(("http://", "https://"))
        for each in access or ()
    )
