"""What is read from the bytes of real servers, of servers made by hand, and of no servers."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nexomailer_cli.printable import printable
from nexomailer_cli.probe.hello import Hello, read_hello
from nexomailer_cli.transport.tls_session import MAX_EVIDENCE
from tests.support import certificates
from tests.support.lab import handshakes
from tests.support.shaking import shake_hands

RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
PRIME = bytes([0xC7]) * 128
CHANGE_CIPHER_SPEC = bytes([20, 3, 3, 0, 1, 1])


def heard(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes:
    return shake_hands(server, client).received


@pytest.fixture
def server(tmp_path: Path) -> ssl.SSLContext:
    return certificates.healthy(tmp_path).server_context()


@pytest.fixture
def client(tmp_path: Path) -> ssl.SSLContext:
    return certificates.healthy(tmp_path).client_context()


def test_a_healthy_server_says_version_and_group(
    server: ssl.SSLContext, client: ssl.SSLContext
) -> None:
    seen = read_hello(heard(server, client))
    assert seen in (
        Hello(version="TLSv1.3", group="X25519"),
        Hello(version="TLSv1.3", group="X25519MLKEM768"),  # from OpenSSL 3.5 on
    )


def test_a_server_that_wants_another_group_costs_a_round_trip(
    server: ssl.SSLContext, client: ssl.SSLContext
) -> None:
    server.set_ecdh_curve("secp384r1")
    seen = read_hello(heard(server, client))
    assert seen == Hello(version="TLSv1.3", group="P-384", hello_retry=True)


@pytest.mark.parametrize(
    ("curve", "group", "weak"),
    [("prime256v1", "P-256", False), ("X25519", "X25519", False), ("secp521r1", "P-521", False)],
)
def test_the_curve_of_tls_1_2(
    curve: str, group: str, weak: bool, server: ssl.SSLContext, client: ssl.SSLContext
) -> None:
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    server.set_ecdh_curve(curve)
    seen = read_hello(heard(server, client))
    assert seen == Hello(version="TLSv1.2", group=group, weak_group=weak)


def test_diffie_hellman_without_curves_tells_its_size(tmp_path: Path) -> None:
    chain = certificates.healthy_rsa(tmp_path)
    server = handshakes.weak_dh(chain.server_context(), tmp_path)
    client = chain.client_context()
    client.set_ciphers("DHE:@SECLEVEL=0")
    seen = read_hello(heard(server, client))
    assert seen == Hello(version="TLSv1.2", group="DH 1024", weak_group=True)


@pytest.mark.parametrize("wanted", [True, False])
def test_up_to_tls_1_2_a_client_certificate_is_asked_for_in_clear(
    wanted: bool, tmp_path: Path, server: ssl.SSLContext, client: ssl.SSLContext
) -> None:
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    if wanted:
        server.verify_mode = ssl.CERT_REQUIRED
        server.load_verify_locations(certificates.healthy(tmp_path).authority)
    seen = read_hello(heard(server, client))
    assert seen.wants_certificate is wanted
    assert seen.alert == (40 if wanted else None)


def test_a_server_without_a_common_version_says_so(
    server: ssl.SSLContext, client: ssl.SSLContext
) -> None:
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    client.minimum_version = ssl.TLSVersion.TLSv1_3
    assert read_hello(heard(server, client)) == Hello(alert=70)


@pytest.mark.parametrize("number", [0, 40, 42, 70, 80, 112, 115, 116, 120])
def test_every_alert_is_a_number(number: int) -> None:
    assert read_hello(alert(number)) == Hello(alert=number)


def test_a_warning_before_the_hello_is_no_refusal() -> None:
    known = record(22, message(2, hello(version=b"\x03\x03")))
    assert read_hello(alert(112, level=1) + known).alert is None
    assert read_hello(alert(112, level=1)).alert == 112


def test_what_follows_the_change_to_encryption_is_not_read_as_clear() -> None:
    old = record(22, message(2, hello(version=b"\x03\x03")))
    new = record(22, message(2, hello(group=0x1D)))
    for flight in (old + CHANGE_CIPHER_SPEC, new):
        assert read_hello(flight + alert(40)).alert is None


def test_after_a_retry_the_meaningless_change_is_passed_over() -> None:
    retry = record(22, message(2, hello(RETRY, group=0x18)))
    final = record(22, message(2, hello(group=0x18)))
    expected = Hello(version="TLSv1.3", group="P-384", hello_retry=True)
    assert read_hello(retry) == expected
    assert read_hello(retry + CHANGE_CIPHER_SPEC + final) == expected
    assert read_hello(retry + CHANGE_CIPHER_SPEC + alert(47)).alert == 47


@pytest.mark.parametrize(
    ("number", "name"), [(0x11EC, "X25519MLKEM768"), (0x0100, "ffdhe2048"), (0x4A4A, "0x4a4a")]
)
def test_groups_that_this_openssl_may_not_have(number: int, name: str) -> None:
    assert read_hello(record(22, message(2, hello(group=number)))).group == name


def test_a_small_group_is_weak() -> None:
    small = len(PRIME).to_bytes(2) + PRIME + b"\0\1\2" + b"\0\1\2"
    exchanges = {b"\3\0\x15\4abcd": "P-224", small: "DH 1024"}
    for exchange, name in exchanges.items():
        seen = read_hello(record(22, message(12, exchange)))
        assert (seen.group, seen.weak_group) == (name, True)


def test_a_large_prime_is_not_taken_for_a_curve() -> None:
    prime = bytes([0xFF]) * 768  # its length begins as a curve does: 03 00
    seen = read_hello(record(22, message(12, len(prime).to_bytes(2) + prime)))
    assert (seen.group, seen.weak_group) == ("DH 6144", False)


@pytest.mark.parametrize(
    ("received", "line"),
    [
        (b"220 mail.example.com ESMTP\r\n", "220 mail.example.com ESMTP"),
        (b"421-4.7.0 busy\r\n421 4.7.0 go\r\n", "421-4.7.0 busy"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        (b"* OK IMAP4rev1", "* OK IMAP4rev1"),
        (b"\r\n\r\n220 late\r\n", "220 late"),
        (b"220 \x1b]0;owned\x07\xff\r\n", "220 \\x1b]0;owned\\x07\\xff"),
        (b"A" * 9000, "A" * 512),
    ],
)
def test_a_server_without_tls_is_quoted(received: bytes, line: str) -> None:
    assert read_hello(received) == Hello(text=line)


def test_messages_may_be_spread_over_records_and_cut_off() -> None:
    flight = message(2, hello(version=b"\x03\x03")) + message(12, b"\3\0\x1d\x20" + b"k" * 32)
    records = b"".join(record(22, bytes([octet])) for octet in flight)
    assert read_hello(records) == Hello(version="TLSv1.2", group="X25519")
    for length in range(len(records)):
        assert read_hello(records[:length]).text is None


@given(st.binary(max_size=2000))
@example(b"")
@example(b"\x16")
@example(b"\x16\x03\x01\xff\xff\x02\xff\xff\xff")
@example(b"\x16\x03\x03\x00\x04\x02\x00\x00\x00")
def test_any_bytes_can_be_read(received: bytes) -> None:
    for start in (b"", b"\x16\x03\x03", b"\x16\x03\x03\x00\x80\x02\x00\x00\x60\x03\x03"):
        seen = read_hello(start + received)
        assert seen.text is None or seen.text == printable(seen.text)


@pytest.mark.parametrize(
    "unit",
    [
        b"\x16\x03\x03\x00\x00",
        b"\x15\x03\x03\x00\x02\x01\x00",
        b"\x16\x03\x03\x00\x04\x0c\x00\x00\x00",
        b"\x16\x03\x03\x00\x01\x02",
    ],
)
def test_the_work_is_bounded(unit: bytes) -> None:
    started = time.process_time()
    read_hello(unit * (16 * MAX_EVIDENCE // len(unit)))
    assert time.process_time() - started < 1


def record(kind: int, payload: bytes) -> bytes:
    return bytes([kind, 3, 3]) + len(payload).to_bytes(2) + payload


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3) + body


def alert(number: int, *, level: int = 2) -> bytes:
    return record(21, bytes([level, number]))


def hello(
    random: bytes = b"r" * 32, *, version: bytes = b"\x03\x04", group: int | None = None
) -> bytes:
    extensions = extension(43, version) if version == b"\x03\x04" else b""
    if group is not None:
        extensions += extension(51, group.to_bytes(2) + b"\0\x01k")
    head = b"\x03\x03" + random + b"\x20" + b"s" * 32 + b"\x13\x01\0"
    return head + len(extensions).to_bytes(2) + extensions


def extension(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2) + len(data).to_bytes(2) + data
