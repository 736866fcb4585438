"""What a server's bytes say in clear during a TLS handshake, before encryption begins.

OpenSSL keeps most of it to itself: the group of the key exchange, the number of an alert, the
text that a server sent where TLS was expected. Knows bytes only; believes none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.printable import printable
from nexomailer_cli.transport.tls_session import MAX_EVIDENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 512  # octets, RFC 5321 section 4.5.3.1.5

# Content types, RFC 8446 section 5.1.
_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE = 20, 21, 22
_CONTENT_TYPES = frozenset(range(20, 25))
# Handshake types, RFC 8446 section 4 and RFC 5246 section 7.4.
_SERVER_HELLO, _SERVER_KEY_EXCHANGE, _CERTIFICATE_REQUEST = 2, 12, 13
# Extensions, RFC 8446 section 4.2.
_SUPPORTED_VERSIONS, _KEY_SHARE = 43, 51
_FATAL = 2
_NAMED_CURVE = 3  # RFC 8422 section 5.4

# SHA-256 of "HelloRetryRequest", which stands where a ServerHello is random (RFC 8446, 4.1.3).
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")

_VERSIONS = {0x300: "SSLv3", 0x301: "TLSv1", 0x302: "TLSv1.1", 0x303: "TLSv1.2", 0x304: "TLSv1.3"}

# https://www.iana.org/assignments/tls-parameters, as OpenSSL and RFC 8446 call them.
_GROUPS = {
    0x0013: "P-192",
    0x0015: "P-224",
    0x0016: "secp256k1",
    0x0017: "P-256",
    0x0018: "P-384",
    0x0019: "P-521",
    0x001A: "brainpoolP256r1",
    0x001B: "brainpoolP384r1",
    0x001C: "brainpoolP512r1",
    0x001D: "X25519",
    0x001E: "X448",
    0x0100: "ffdhe2048",
    0x0101: "ffdhe3072",
    0x0102: "ffdhe4096",
    0x0103: "ffdhe6144",
    0x0104: "ffdhe8192",
    0x11EB: "SecP256r1MLKEM768",
    0x11EC: "X25519MLKEM768",
    0x11ED: "SecP384r1MLKEM1024",
}
_WEAK_GROUPS = frozenset({"P-192", "P-224"})
_ENOUGH_DH_BITS = 2048


class Hello(Struct, frozen=True, kw_only=True):
    """What could be read; `None` is what was not seen.

    `version` is the one that the server chose. `group` is that of the key exchange, such as
    `X25519` or `DH 1024`; `weak_group` says that it is below 2048 or 256 bits. `hello_retry`:
    the server wanted another group than we had guessed, which costs a round trip. `alert` is
    a number of RFC 8446 section 6. `wants_certificate` is seen up to TLS 1.2 only. `text` is
    the first line, harmless to show, of a server that does not speak TLS at all.
    """

    version: str | None = None
    group: str | None = None
    weak_group: bool = False
    hello_retry: bool = False
    wants_certificate: bool = False
    alert: int | None = None
    text: str | None = None


def read_hello(received: bytes) -> Hello:
    """Return what the server's bytes say, from its first one on.

    Any bytes will do, cut off anywhere; no more than `MAX_EVIDENCE` are looked at.
    """
    received = received[:MAX_EVIDENCE]
    if not _may_be_tls(received):
        return Hello(text=_first_line(received))
    flight = _Flight()
    for content_type, payload in _records(received):
        if not flight.takes(content_type, payload):
            break
    return flight.seen()


class _Flight:
    """The server's records in clear, one after the other."""

    def __init__(self) -> None:
        self._messages = bytearray()
        self._read = 0
        self._version: str | None = None
        self._group: str | None = None
        self._alert: int | None = None
        self._hello_retry = False
        self._wants_certificate = False
        self._encrypted = False

    def takes(self, content_type: int, payload: bytes) -> bool:
        """Return whether what follows is in clear too."""
        if content_type == _HANDSHAKE:
            self._messages += payload
            # A warning, such as a name that the server does not know, ended nothing.
            self._alert = None
            self._read_messages()
        elif content_type == _ALERT and len(payload) == 2:
            self._alert = payload[1]
            return payload[0] != _FATAL
        # One of these after a HelloRetryRequest means nothing (RFC 8446, D.4).
        elif content_type != _CHANGE_CIPHER_SPEC or not self._hello_retry:
            return False
        return not self._encrypted

    def seen(self) -> Hello:
        return Hello(
            version=self._version,
            group=self._group,
            weak_group=_is_weak(self._group),
            hello_retry=self._hello_retry,
            wants_certificate=self._wants_certificate,
            alert=self._alert,
        )

    def _read_messages(self) -> None:
        while len(self._messages) >= self._read + 4:
            start = self._read + 4
            end = start + int.from_bytes(self._messages[start - 3 : start])
            if end > len(self._messages):
                return
            self._take_message(self._messages[start - 4], bytes(self._messages[start:end]))
            self._read = end

    def _take_message(self, kind: int, body: bytes) -> None:
        if kind == _SERVER_HELLO:
            self._take_hello(body)
        elif kind == _SERVER_KEY_EXCHANGE:
            self._group = _exchanged_group(body)
        elif kind == _CERTIFICATE_REQUEST:
            self._wants_certificate = True

    def _take_hello(self, body: bytes) -> None:
        # version(2) random(32) session(1+n) cipher(2) compression(1) extensions(2+n)
        extensions = dict(_extensions(body[38 + _at(body, 34) :]))
        version = extensions.get(_SUPPORTED_VERSIONS, body[:2])
        self._version = _VERSIONS.get(int.from_bytes(version[:2]), self._version)
        if share := extensions.get(_KEY_SHARE):
            self._group = _group_name(share)
        if body[2:34] == _RETRY:
            self._hello_retry = True
        elif self._version == "TLSv1.3":
            self._encrypted = True


def _may_be_tls(received: bytes) -> bool:
    kind, major = received[:1], received[1:2]
    return (not kind or kind[0] in _CONTENT_TYPES) and major in (b"", b"\x03")


def _first_line(received: bytes) -> str:
    line = received[:MAX_LINE].lstrip(b"\r\n").partition(b"\n")[0].rstrip(b"\r")
    return printable(line.decode("utf-8", "backslashreplace"))


def _records(received: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while len(received) >= at + 5 and _may_be_tls(received[at : at + 2]):
        end = at + 5 + int.from_bytes(received[at + 3 : at + 5])
        yield received[at], received[at + 5 : end]
        at = end


def _extensions(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the extensions of a block that begins with its length."""
    at = 2
    while len(block) >= at + 4:
        end = at + 4 + int.from_bytes(block[at + 2 : at + 4])
        yield int.from_bytes(block[at : at + 2]), block[at + 4 : end]
        at = end


def _exchanged_group(body: bytes) -> str | None:
    """Name the group of a ServerKeyExchange (RFC 5246 section 7.4.3, RFC 8422 section 5.4).

    The bytes do not say which of the two it is. A prime of DH that began like a curve known
    here would have to begin with zeros, which no prime is written with.
    """
    curve = _GROUPS.get(int.from_bytes(body[1:3]))
    if _at(body, 0) == _NAMED_CURVE and curve:
        return curve
    length = int.from_bytes(body[:2])
    prime = int.from_bytes(body[2 : 2 + length])
    return f"DH {prime.bit_length()}" if prime and len(body) >= 2 + length else None


def _group_name(share: bytes) -> str:
    number = int.from_bytes(share[:2])
    return _GROUPS.get(number, f"0x{number:04x}")


def _is_weak(group: str | None) -> bool:
    if group is None:
        return False
    kind, _, bits = group.partition(" ")
    return group in _WEAK_GROUPS or (kind == "DH" and int(bits) < _ENOUGH_DH_BITS)


def _at(data: bytes, index: int) -> int:
    return data[index] if index < len(data) else 0
