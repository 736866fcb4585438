"""Faulty certificate chains, made on the spot: every way in which a server's can be wrong.

    chain = certificates.expired(tmp_path)
    server = chain.server_context()
    client = chain.client_context()  # trusts what a user would trust, and is strict

A chain is made once per process. `FAULTY` has them all by name. They differ from `healthy` in
the one thing that the function names.
"""

from __future__ import annotations

import functools
import ssl
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from msgspec import Struct, structs

HEALTHY_DAYS = (-1, 90)
ISSUER_URL = "http://authority.example/intermediate.der"
PRODUCT = "Zscaler Inc."

_PEM = serialization.Encoding.PEM
_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Chain(Struct, frozen=True):
    """What a server sends, with its key, and the authority that a client would trust.

    `served` is one PEM file for `load_cert_chain`, `authority` one for `load_verify_locations`;
    `der` is the chain as it goes over the wire.
    """

    host: str
    served: Path
    authority: Path
    der: tuple[bytes, ...]

    def server_context(self) -> ssl.SSLContext:
        """A server's context that holds even what OpenSSL would rather not."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.load_cert_chain(self.served)
        return context

    def client_context(self, *, strict: bool = True) -> ssl.SSLContext:
        """A client's context that trusts `authority` alone, as Python 3.13 has it by default."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=self.authority)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if strict:
            context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context


class _Plan(Struct, frozen=True, kw_only=True):
    """How a certificate is to be; the defaults are beyond reproach."""

    name: str
    organization: str = "nexomailer tests"
    days: tuple[int, int] = HEALTHY_DAYS
    hosts: tuple[str, ...] = ()
    is_authority: bool = False
    critical: bool = True
    key_usage: bool = True
    key_identifiers: bool = True
    subject_key: bool = True
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH
    issuer_url: str = ""
    rsa_bits: int = 0


class _Party(Struct, frozen=True):
    certificate: x509.Certificate
    key: _Key


class _Made(Struct, frozen=True):
    sent: tuple[x509.Certificate, ...]
    key: _Key
    authority: x509.Certificate


_Maker = Callable[[str], _Made]
Factory = Callable[..., Chain]
FAULTY: dict[str, Factory] = {}


def _chain(make: _Maker) -> Factory:
    made = functools.cache(make)

    @functools.wraps(make)
    def write(folder: Path, host: str = "localhost") -> Chain:
        return _written(made(host), folder / make.__name__, host)

    return write


def _faulty(make: _Maker) -> Factory:
    FAULTY[make.__name__] = factory = _chain(make)
    return factory


def _written(made: _Made, folder: Path, host: str) -> Chain:
    folder.mkdir(parents=True, exist_ok=True)
    chain = Chain(
        host=host,
        served=folder / "served.pem",
        authority=folder / "authority.pem",
        der=tuple(each.public_bytes(serialization.Encoding.DER) for each in made.sent),
    )
    chain.served.write_bytes(
        b"".join(each.public_bytes(_PEM) for each in made.sent) + _pem(made.key)
    )
    chain.authority.write_bytes(made.authority.public_bytes(_PEM))
    return chain


@_chain
def healthy(host: str) -> _Made:
    """A root that is trusted, an intermediate and a server's certificate, the latter two sent."""
    return _three(host)


@_chain
def healthy_rsa(host: str) -> _Made:
    """The same with an RSA key, which some ciphers want."""
    return _three(host, leaf={"rsa_bits": 2048})


@_faulty
def expired(host: str) -> _Made:
    return _three(host, leaf={"days": (-100, -10)})


@_faulty
def expired_and_wrong_name(host: str) -> _Made:
    return _three("elsewhere.example", leaf={"days": (-100, -10)})


@_faulty
def intermediate_expired(host: str) -> _Made:
    return _three(host, intermediate={"days": (-100, -10)})


@_faulty
def not_yet_valid(host: str) -> _Made:
    return _three(host, leaf={"days": (10, 100)})


@_faulty
def expires_soon(host: str) -> _Made:
    return _three(host, leaf={"days": (-80, 5)})


@_faulty
def wrong_name(host: str) -> _Made:
    return _three("*.hoster.example", leaf={"hosts": ("*.hoster.example", "hoster.example")})


@_faulty
def names_no_address(host: str) -> _Made:
    """For a target such as 127.0.0.1: the certificate has names only."""
    return _three("localhost", leaf={"hosts": ("localhost",)})


@_faulty
def self_signed(host: str) -> _Made:
    alone = _issued(_Plan(name=host, hosts=(host,)))
    return _Made((alone.certificate,), alone.key, _stranger())


@_faulty
def self_signed_expired_and_wrong_name(host: str) -> _Made:
    alone = _issued(_Plan(name="elsewhere.example", hosts=("elsewhere.example",), days=(-9, -3)))
    return _Made((alone.certificate,), alone.key, _stranger())


@_faulty
def unknown_authority(host: str) -> _Made:
    """A private authority's certificate alone, which does not say where its issuer is found."""
    leaf = _issued(_Plan(name=host, hosts=(host,)), by=_root())
    return _Made((leaf.certificate,), leaf.key, _stranger())


@_faulty
def root_sent(host: str) -> _Made:
    root = _root()
    leaf = _issued(_Plan(name=host, hosts=(host,)), by=root)
    return _Made((leaf.certificate, root.certificate), leaf.key, _stranger())


@_faulty
def missing_intermediate(host: str) -> _Made:
    made = _three(host, leaf={"issuer_url": ISSUER_URL})
    return structs.replace(made, sent=made.sent[:1])


@_faulty
def intercepted(host: str) -> _Made:
    """What a product that reads TLS sends: its own certificate for the server's name."""
    product = _Plan(name="Zscaler Intermediate Root CA", organization=PRODUCT, is_authority=True)
    leaf = _issued(_Plan(name=host, hosts=(host,), issuer_url=ISSUER_URL), by=_issued(product))
    return _Made((leaf.certificate,), leaf.key, _stranger())


@_faulty
def weak_key(host: str) -> _Made:
    return _three(host, leaf={"rsa_bits": 1024})


@_faulty
def self_signed_with_weak_key(host: str) -> _Made:
    alone = _issued(_Plan(name=host, hosts=(host,), rsa_bits=1024))
    return _Made((alone.certificate,), alone.key, _stranger())


@_faulty
def weak_signature(host: str) -> _Made:
    """Signed with SHA-1, which `cryptography` refuses and the openssl command does not."""
    root, key = _root(), ec.generate_private_key(ec.SECP256R1())
    return _Made((_signed_with_sha1(host, key, root),), key, root.certificate)


@_faulty
def common_name_only(host: str) -> _Made:
    return _three(host, leaf={"hosts": ()})


@_faulty
def for_clients(host: str) -> _Made:
    return _three(host, leaf={"purpose": ExtendedKeyUsageOID.CLIENT_AUTH})


@_faulty
def without_key_identifiers(host: str) -> _Made:
    """Strictness: code 85."""
    return _three(host, leaf={"key_identifiers": False})


@_faulty
def constraints_not_critical(host: str) -> _Made:
    """Strictness: code 89."""
    return _three(host, intermediate={"critical": False})


@_faulty
def without_key_usage(host: str) -> _Made:
    """Strictness: code 92."""
    return _three(host, intermediate={"key_usage": False})


@_faulty
def without_subject_key(host: str) -> _Made:
    """Strictness: code 86."""
    return _three(host, intermediate={"subject_key": False})


@_faulty
def root_not_strict(host: str) -> _Made:
    """Strictness: code 89, for a root that only the client has."""
    root = _issued(_Plan(name="Old Root", is_authority=True, critical=False, key_usage=False))
    leaf = _issued(_Plan(name=host, hosts=(host,)), by=root)
    return _Made((leaf.certificate,), leaf.key, root.certificate)


def _three(
    host: str,
    *,
    leaf: dict[str, object] | None = None,
    intermediate: dict[str, object] | None = None,
) -> _Made:
    root = _root()
    middle = _Plan(name="Test Intermediate", is_authority=True)
    end = _Plan(name=host, hosts=(host,))
    issuer = _issued(structs.replace(middle, **(intermediate or {})), by=root)
    server = _issued(structs.replace(end, **(leaf or {})), by=issuer)
    return _Made((server.certificate, issuer.certificate), server.key, root.certificate)


@functools.cache
def _root() -> _Party:
    return _issued(_Plan(name="Test Root", is_authority=True))


def _stranger() -> x509.Certificate:
    """An authority that has vouched for nobody: something must be trusted."""
    return _issued(_Plan(name="Another Root", is_authority=True)).certificate


def _issued(plan: _Plan, *, by: _Party | None = None) -> _Party:
    key = _key(plan)
    now = datetime.now(UTC).replace(microsecond=0)
    name = _name(plan)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.certificate.subject if by else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=plan.days[0]))
        .not_valid_after(now + timedelta(days=plan.days[1]))
    )
    signer = by.key if by else key
    for extension, critical in _extensions(plan, key, signer):
        builder = builder.add_extension(extension, critical)
    return _Party(builder.sign(signer, hashes.SHA256()), key)


def _key(plan: _Plan) -> _Key:
    if plan.rsa_bits:
        return rsa.generate_private_key(65537, plan.rsa_bits)
    return ec.generate_private_key(ec.SECP256R1())


def _name(plan: _Plan) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, plan.organization),
            x509.NameAttribute(NameOID.COMMON_NAME, plan.name),
        ]
    )


def _extensions(plan: _Plan, key: _Key, signer: _Key) -> list[tuple[x509.ExtensionType, bool]]:
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=plan.is_authority, path_length=None), plan.critical),
    ]
    if plan.key_usage:
        found.append((_usage(plan.is_authority), True))
    if plan.key_identifiers and plan.subject_key:
        found.append((x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
    if plan.key_identifiers:
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        found.append((issuer, False))
    if not plan.is_authority:
        found.append((x509.ExtendedKeyUsage([plan.purpose]), False))
    if plan.hosts:
        found.append((x509.SubjectAlternativeName([_host(each) for each in plan.hosts]), False))
    if plan.issuer_url:
        found.append((_issuer_at(plan.issuer_url), False))
    return found


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _issuer_at(url: str) -> x509.AuthorityInformationAccess:
    place = x509.UniformResourceIdentifier(url)
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)]
    )


def _usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


_OLD_EXTENSIONS = """\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {kind}:{host}
"""


def _signed_with_sha1(host: str, key: _Key, by: _Party) -> x509.Certificate:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "key.pem").write_bytes(_pem(key))
        (folder / "root.pem").write_bytes(by.certificate.public_bytes(_PEM) + _pem(by.key))
        kind = "DNS" if isinstance(_host(host), x509.DNSName) else "IP"
        extensions = _OLD_EXTENSIONS.format(kind=kind, host=host)
        (folder / "extensions").write_text(extensions, "utf-8")
        _openssl(folder, f"req -new -key key.pem -subj /CN={host} -out request.pem")
        _openssl(
            folder,
            "x509 -req -in request.pem -CA root.pem -CAcreateserial -sha1 -days 90 "
            "-extfile extensions -out signed.pem",
        )
        return x509.load_pem_x509_certificate((folder / "signed.pem").read_bytes())


def _openssl(folder: Path, arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)


def _pem(key: _Key) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
