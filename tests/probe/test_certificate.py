"""The chain as values: the same from OpenSSL and from its bytes, also after a refusal."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from nexomailer_cli.probe.certificate import (
    built_chain,
    examined,
    glanced,
    received_chain,
    received_infos,
)
from nexomailer_cli.probe.stage_data import Certificate, KeyData
from tests.support import certificates
from tests.support.shaking import shake_hands

NOW = datetime.now(UTC)
ALL = {"healthy": certificates.healthy, **certificates.FAULTY}


@pytest.mark.parametrize("name", ALL)
def test_openssl_and_the_bytes_tell_the_same(name: str, tmp_path: Path) -> None:
    chain = ALL[name](tmp_path)
    tls = shake_hands(chain.server_context(), chain.client_context()).tls
    deep = examined(chain.der, NOW)
    assert len(deep) == len(chain.der)
    assert glanced(received_infos(tls), received_chain(tls), NOW) == tuple(map(shallow, deep))


def shallow(certificate: Certificate) -> Certificate:
    return structs.replace(certificate, key=None, signature=None, ca=None, spki_sha256=None)


def test_everything_worth_showing_is_read(tmp_path: Path) -> None:
    chain = certificates.healthy(tmp_path, "mail.example.org")
    leaf, issuer = examined(chain.der, NOW)
    found = x509.load_der_x509_certificate(chain.der[0])
    key = found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert leaf == Certificate(
        position=0,
        subject={"O": "nexomailer tests", "CN": "mail.example.org"},
        issuer={"O": "nexomailer tests", "CN": "Test Intermediate"},
        dns_names=("mail.example.org",),
        ip_addresses=(),
        not_before=f"{found.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
        not_after=f"{found.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        days_left=(found.not_valid_after_utc - NOW).days,
        self_issued=False,
        serial=found.serial_number.to_bytes((found.serial_number.bit_length() + 7) // 8).hex(),
        sha256=hashlib.sha256(chain.der[0]).hexdigest(),
        key=KeyData(type="EC", bits=256, curve="P-256"),
        signature="ecdsa-with-SHA256",
        ca=False,
        spki_sha256=hashlib.sha256(key).hexdigest(),
    )
    assert (issuer.position, issuer.ca, issuer.self_issued) == (1, True, False)
    assert msgspec.json.decode(msgspec.json.encode(leaf), type=Certificate) == leaf


def test_the_built_chain_has_our_root(tmp_path: Path) -> None:
    chain = certificates.wrong_name(tmp_path)
    seen = shake_hands(chain.server_context(), chain.client_context())
    assert seen.code == 62
    root = ssl.PEM_cert_to_DER_cert(chain.authority.read_text())
    assert built_chain(seen.tls) == (*chain.der, root)


def test_before_a_handshake_there_is_no_chain() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
    assert (received_chain(tls), built_chain(tls), received_infos(tls)) == ((), (), ())


def test_where_only_the_public_way_is_left_the_chain_is_still_received() -> None:
    class Later:
        def get_unverified_chain(self) -> list[bytes]:
            return [b"one", b"two"]

    assert received_chain(Later()) == (b"one", b"two")  # type: ignore[arg-type]


def test_a_strange_address_is_shown_as_openssl_tells_it() -> None:
    name = ((("commonName", "a"),),)
    info = {
        "subject": name,
        "issuer": name,
        "notBefore": "Nov 25 03:29:00 2025 GMT",
        "notAfter": "Nov 25 03:29:00 2035 GMT",
        "serialNumber": "0A",
        "subjectAltName": (("IP Address", "<invalid>"), ("email", "a@example.org")),
    }
    (found,) = glanced((info,), (b"0",), NOW)
    assert (found.ip_addresses, found.dns_names) == (("<invalid>",), ())
    assert (found.serial, found.not_after) == ("0a", "2035-11-25T03:29:00Z")


@pytest.mark.parametrize("infos", [(), ({},), ({"subject": (), "issuer": ()},)])
def test_where_openssl_says_too_little_the_bytes_are_read(
    infos: tuple[dict[str, object], ...], tmp_path: Path
) -> None:
    sent = certificates.healthy(tmp_path).der[:1]
    assert glanced(infos, sent, NOW) == examined(sent, NOW)


def test_a_glance_costs_no_import_of_cryptography(tmp_path: Path) -> None:
    code = (
        "import sys; from nexomailer_cli.probe import certificate, certificate_checks\n"
        "from datetime import datetime, UTC\n"
        "name = ((('commonName', 'a'),),)\n"
        "info = {'subject': name, 'issuer': name, 'notBefore': 'Nov 25 03:29:00 2025 GMT',"
        " 'notAfter': 'Nov 25 03:29:00 2035 GMT', 'serialNumber': '01'}\n"
        "chain = certificate.glanced((info,), (b'0',), datetime.now(UTC))\n"
        "print(certificate_checks.warnings(chain)[0].reason, 'cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cert-cn-only", "False"]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: rsa.generate_private_key(65537, 1024), KeyData(type="RSA", bits=1024, curve=None)),
        (
            lambda: ec.generate_private_key(ec.SECP384R1()),
            KeyData(type="EC", bits=384, curve="P-384"),
        ),
        (
            lambda: ec.generate_private_key(ec.BrainpoolP256R1()),
            KeyData(type="EC", bits=256, curve="brainpoolP256r1"),
        ),
        (ed25519.Ed25519PrivateKey.generate, KeyData(type="Ed25519", bits=None, curve=None)),
        (lambda: dsa.generate_private_key(1024), KeyData(type="DSA", bits=1024, curve=None)),
    ],
)
def test_keys_of_every_kind_have_a_name(make: Callable[[], object], expected: KeyData) -> None:
    (found,) = examined((signed(key=make()),), NOW)
    assert found.key == expected


def test_an_unknown_key_is_named_by_its_number_and_the_rest_is_read() -> None:
    plain = signed(key=ed25519.Ed25519PrivateKey.generate())
    # The object identifier of Ed25519, 1.3.101.112, becomes that of nothing.
    (found,) = examined((plain.replace(b"\x06\x03\x2b\x65\x70", b"\x06\x03\x2b\x65\x01"),), NOW)
    assert found.key == KeyData(type="1.3.101.1", bits=None, curve=None)
    assert (found.spki_sha256, found.signature) == (None, "1.3.101.1")
    assert found.subject == {"CN": "x"}


def test_names_are_made_harmless_where_they_enter() -> None:
    attributes = [
        x509.NameAttribute(NameOID.COMMON_NAME, "evil\x1b[2J\nPASS"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "one"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "two\u202e"),
        x509.NameAttribute(x509.ObjectIdentifier("1.2.3.4"), "three"),
        x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@example.org"),
    ]
    (found,) = examined((signed(attributes, names=(x509.DNSName("a\r\nb.example"),)),), NOW)
    assert found.subject == {
        "CN": "evil\\x1b[2J\\x0aPASS",
        "OU": "one, two\\u202e",
        "1.2.3.4": "three",
        "emailAddress": "a@example.org",
    }
    assert found.dns_names == ("a\\x0d\\x0ab.example",)


def test_addresses_are_written_as_rfc_5952_says(tmp_path: Path) -> None:
    chain = certificates.healthy(tmp_path, "2001:db8::7")
    tls = shake_hands(chain.server_context(), chain.client_context(), "2001:db8::7").tls
    (leaf, _) = glanced(received_infos(tls), received_chain(tls), NOW)
    assert leaf.ip_addresses == ("2001:db8::7",)
    assert examined(chain.der, NOW)[0].ip_addresses == ("2001:db8::7",)


def test_what_cannot_be_read_is_left_out_and_the_rest_keeps_its_place(tmp_path: Path) -> None:
    chain = certificates.healthy(tmp_path).der
    assert [each.position for each in examined((b"\x30\x00", *chain), NOW)] == [1, 2]


@given(st.data())
def test_a_damaged_certificate_raises_nothing(data: st.DataObject) -> None:
    der = bytearray(DAMAGED)
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    for found in examined((bytes(der[: data.draw(st.integers(0, len(der)))]), bytes(der)), NOW):
        msgspec.json.encode(found)


def signed(
    attributes: list[x509.NameAttribute[str]] | None = None,
    *,
    names: tuple[x509.GeneralName, ...] = (),
    key: object | None = None,
) -> bytes:
    own = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(attributes or [x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateBuilder(
        subject_name=name,
        issuer_name=name,
        public_key=own.public_key(),  # type: ignore[attr-defined]
        serial_number=1,
        not_valid_before=NOW,
        not_valid_after=NOW + timedelta(days=1),
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    algorithm = None if isinstance(own, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(own, algorithm).public_bytes(Encoding.DER)  # type: ignore[arg-type]


DAMAGED = signed(names=(x509.DNSName("mail.example.org"), x509.IPAddress(ip_address("192.0.2.7"))))
