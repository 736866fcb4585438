"""A place on loopback where each connection is served on a thread of its own, blocking.

Blocking, because asyncio's TLS puts no alert on the wire; on threads, because the command
under test has the thread of the test.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ssl import SSLContext
from threading import Event, Thread

from tests.support import secrecy

# No test waits as long; a server that does is stuck.
PATIENCE = 10.0


@dataclass
class Place:
    """A running server: where it is, and everything that was said to it, in lines."""

    address: str
    port: int
    heard: list[str] = field(default_factory=list)
    connections: int = 0

    @property
    def verbs(self) -> list[str]:
        """The first word of every line heard."""
        return [line.split()[0].upper() for line in self.heard if line.strip()]


class Wire:
    """One connection, from the server's side."""

    def __init__(self, peer: socket.socket, place: Place) -> None:
        self.socket = peer
        self.place = place
        self._unread = bytearray()

    def line(self) -> str:
        """Read one line; raise ConnectionError where there is none any more."""
        while b"\n" not in self._unread:
            self._unread += self.more()
        line, _, rest = bytes(self._unread).partition(b"\n")
        self._unread = bytearray(rest)
        text = line.decode("utf-8", "replace").rstrip("\r")
        secrecy.KEPT.overhear(text, self.place.heard)
        self.place.heard.append(text)
        return text

    def more(self) -> bytes:
        """Read what is there; raise ConnectionError at the end."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError
        return data

    def say(self, text: str) -> None:
        """Send a reply; line ends become CRLF and one is added."""
        self.send(text.replace("\n", "\r\n").encode() + b"\r\n")

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def upgrade(self, context: SSLContext) -> None:
        """Become a TLS server; raise ssl.SSLError, an OSError, where that fails."""
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def hang(self) -> None:
        """Say nothing more until the client goes away."""
        while self.socket.recv(65536):
            pass

    def reset(self) -> None:
        """Cut the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Handler = Callable[[Wire], None]


@contextlib.contextmanager
def serving(*handlers: Handler, address: str = "127.0.0.1", port: int = 0) -> Iterator[Place]:
    """Serve one connection with each handler; the last one also serves all further ones."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (
        socket.create_server((address, port), family=family, backlog=16) as listener,
        hosting(listener, handlers) as place,
    ):
        yield place


@contextlib.contextmanager
def hosting(
    listener: socket.socket, handlers: Sequence[Handler], door: Event | None = None
) -> Iterator[Place]:
    """Serve a listener of one's own, once the `door` is open."""
    place = Place(*listener.getsockname()[:2])
    closing = Event()
    served: list[Thread] = []

    def host() -> None:
        if door:
            door.wait(PATIENCE)
        while not closing.is_set() and (guest := _accepted(listener)):
            handler = handlers[min(place.connections, len(handlers) - 1)]
            place.connections += 1
            served.append(Thread(target=_serve, args=(handler, Wire(guest, place)), daemon=True))
            served[-1].start()

    thread = Thread(target=host, daemon=True)
    thread.start()
    try:
        yield place
    finally:
        closing.set()
        if door:
            door.set()
        # close() alone does not wake who waits in accept().
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)
        for guest in served:
            guest.join(PATIENCE)


def _accepted(listener: socket.socket) -> socket.socket | None:
    try:
        return listener.accept()[0]
    except OSError:
        return None


def _serve(handler: Handler, wire: Wire) -> None:
    wire.socket.settimeout(PATIENCE)
    try:
        # Clients go away as they like, and TLS fails as it should.
        with contextlib.suppress(OSError):
            handler(wire)
    finally:
        wire.socket.close()
