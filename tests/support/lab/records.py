"""TLS records made by hand: what OpenSSL as a server would not do."""

from __future__ import annotations

import struct

from tests.support.lab.place import Handler, Wire

FATAL = 2
TLS_1_0 = 0x0301
TLS_1_2 = 0x0303


def after_hello(handler: Handler) -> Handler:
    """Read the ClientHello, and then something happens."""

    def handle(wire: Wire) -> None:
        wire.more()
        handler(wire)

    return handle


def alert(number: int) -> Handler:
    """Answer the ClientHello with a fatal alert (RFC 8446 section 6)."""

    def handle(wire: Wire) -> None:
        wire.more()
        wire.send(bytes([21, 3, 3, 0, 2, FATAL, number]))
        wire.hang()

    return handle


def server_hello(version: int) -> Handler:
    """Answer with a ServerHello that lacks renegotiation_info (RFC 5746)."""

    def handle(wire: Wire) -> None:
        wire.more()
        wire.send(_record(_server_hello(version)))
        wire.hang()

    return handle


def _server_hello(version: int) -> bytes:
    random, session_id = b"\x17" * 32, b""
    ecdhe_rsa_aes128_gcm = 0xC02F
    body = struct.pack("!H32sB", version, random, len(session_id))
    return body + struct.pack("!HB", ecdhe_rsa_aes128_gcm, 0) + b"\0\0"


def _record(body: bytes) -> bytes:
    handshake = b"\x02" + len(body).to_bytes(3, "big") + body
    return struct.pack("!BHH", 22, TLS_1_2, len(handshake)) + handshake
