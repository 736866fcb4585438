"""A certificate for this machine, made on the spot.

A fresh authority signs one certificate for `localhost`, `127.0.0.1` and `::1` and is
then forgotten: its key is never written anywhere, and its name constraints let it
vouch for nothing but loopback, should somebody add it to a trust store.

Does not know what the certificate is for, nor where its files end up.
"""

from __future__ import annotations

import secrets
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

if TYPE_CHECKING:
    from pathlib import Path

NAMES: tuple[x509.GeneralName, ...] = (
    x509.DNSName("localhost"),
    x509.IPAddress(ip_address("127.0.0.1")),
    x509.IPAddress(ip_address("::1")),
)
_REACH: tuple[x509.GeneralName, ...] = (
    x509.DNSName("localhost"),
    x509.IPAddress(ip_network("127.0.0.1/32")),
    x509.IPAddress(ip_network("::1/128")),
)

# A server that was forgotten for months still works; 825 days is what Apple accepts.
LIFETIME = timedelta(days=365)
# A clock in a container or a virtual machine may be a little behind.
LENIENCY = timedelta(hours=1)


class Identity(Struct, frozen=True):
    """A server's certificate and key, and the authority to trust; all PEM."""

    authority: bytes
    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Identity(***)"


def make_identity() -> Identity:
    """Make an authority and a certificate for this machine, signed by it.

    Both satisfy `ssl.VERIFY_X509_STRICT`, which Python 3.13 turned on by default.
    """
    authority_key = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    # A name of its own: two authorities of one name confuse whoever trusts both.
    name = _name(f"nexomailer sandbox {secrets.token_hex(4)}")
    authority = _authority(name, authority_key)
    return Identity(
        authority=authority.public_bytes(serialization.Encoding.PEM),
        certificate=_certificate(authority, authority_key, key.public_key()).public_bytes(
            serialization.Encoding.PEM
        ),
        key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def server_context(identity: Identity, *, folder: Path) -> ssl.SSLContext:
    """Build the TLS context of a server.

    OpenSSL takes keys from files only, so the key lies in `folder`, which must be
    nobody else's, for as long as it takes to read it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    file = folder / "server.pem"
    file.touch(0o600, exist_ok=False)
    try:
        file.write_bytes(identity.certificate + identity.key)
        context.load_cert_chain(file)
    finally:
        file.unlink()
    return context


def _authority(name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    public_key = key.public_key()
    return (
        _draft(name, issuer=name, key=public_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(_REACH, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(key, hashes.SHA256())
    )


def _certificate(
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePublicKey,
) -> x509.Certificate:
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    server_only = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return (
        _draft(_name("localhost"), issuer=authority.subject, key=key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(server_only, critical=False)
        .add_extension(x509.SubjectAlternativeName(NAMES), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _draft(
    name: x509.Name, *, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LENIENCY)
        .not_valid_after(now + LIFETIME)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
