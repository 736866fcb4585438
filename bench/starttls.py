"""STARTTLS before a sink that cannot: answers until TLS stands, then passes everything on.

stunnel's own STARTTLS waits 200 ms before its greeting, for a client that would speak
first, and every program would be measured with that. One thread per connection.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_EHLO = b"250-sink.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 STARTTLS\r\n"


@contextlib.contextmanager
def starttls_front(certificate: Path, *, host: str, target: int) -> Iterator[int]:
    """Lead to the sink at `target`; yield the port to use."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(host, lambda client: _lead(client, (host, target), context)) as port:
        yield port


@contextlib.contextmanager
def serving(host: str, serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Hand every client to `serve`, each in a thread of its own; yield the port to use."""
    with socket.create_server((host, 0)) as listener:
        accepting = threading.Thread(target=_accept, args=(listener, serve), daemon=True)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _accept(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, serve), daemon=True).start()


def _serve(client: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    # A client that hangs up without a word is no concern of a bench.
    with client, contextlib.suppress(OSError):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        serve(client)


def upgraded(client: socket.socket, ehlo: bytes) -> bool:
    """Answer until TLS is asked for and granted; return whether it was."""
    while (said := client.recv(4096).upper()) and not said.startswith(b"STARTTLS"):
        client.sendall(ehlo if said.startswith(b"EHLO") else b"221 Bye\r\n")
    if said:
        client.sendall(b"220 Go ahead\r\n")
    return bool(said)


def _lead(client: socket.socket, sink: tuple[str, int], context: ssl.SSLContext) -> None:
    with socket.create_connection(sink) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(server.recv(4096))
        if upgraded(client, _EHLO):
            with context.wrap_socket(client, server_side=True) as secured:
                _pass_on(secured, server)


def _pass_on(client: ssl.SSLSocket, server: socket.socket) -> None:
    while True:
        readable, _, _ = select.select([client, server], [], [])
        source, sink = (client, server) if client in readable else (server, client)
        data = source.recv(65536)  # TLS records are smaller: nothing stays behind unseen
        if not data:
            return
        sink.sendall(data)
