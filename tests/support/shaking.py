"""A TLS handshake with a real server, kept for examination however it ends."""

from __future__ import annotations

import contextlib
import socket
import ssl
from threading import Thread

from msgspec import Struct


class Shaken(Struct, frozen=True):
    """The client's side of TLS, all that the server sent, and what the client complained of."""

    tls: ssl.SSLObject
    received: bytes
    error: ssl.SSLError | None

    @property
    def code(self) -> int:
        """OpenSSL's verification code, 0 if it had none to complain of."""
        error = self.error
        return error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else 0

    @property
    def message(self) -> str:
        return getattr(self.error, "verify_message", "")


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost") -> Shaken:
    """Shake hands over a pair of sockets; the client's TLS is in memory, as the probe's is."""
    ours, theirs = socket.socketpair()
    thread = Thread(target=_serve, args=(server, theirs))
    thread.start()
    with ours:
        ours.settimeout(10)
        shaken = _greet(client, ours, host)
    thread.join()
    return shaken


def _serve(context: ssl.SSLContext, sock: socket.socket) -> None:
    sock.settimeout(10)
    with sock, contextlib.suppress(OSError), context.wrap_socket(sock, server_side=True) as tls:
        tls.recv(1)


def _greet(context: ssl.SSLContext, sock: socket.socket, host: str) -> Shaken:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=host)
    received = b""
    while True:
        error = _step(tls)
        with contextlib.suppress(BrokenPipeError):  # what the server said last is still to be read
            sock.sendall(outgoing.read())
        if not isinstance(error, ssl.SSLWantReadError):
            return Shaken(tls, received, error)
        heard = _heard(sock)
        received += heard
        incoming.write(heard) if heard else incoming.write_eof()


def _heard(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65536)
    except ConnectionResetError:
        return b""


def _step(tls: ssl.SSLObject) -> ssl.SSLError | None:
    try:
        tls.do_handshake()
    except ssl.SSLError as error:
        return error
    return None
