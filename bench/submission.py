"""A healthy server that people sign in at, and that takes no mail: with STARTTLS, or TLS at once.

Postfix's sink answers AUTH with 250, which swaks does not take for a yes (RFC 4954 section 6).
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING

from starttls import serving, upgraded

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

_GREETING = b"220 mail.example.org ESMTP\r\n"
_BEFORE_TLS = (
    b"250-mail.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"
    b"250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 STARTTLS\r\n"
)
_SECURED = _BEFORE_TLS.replace(b"STARTTLS", b"AUTH PLAIN LOGIN")
_ANSWERS = {
    b"EHLO": _SECURED,
    b"AUTH": b"235 2.7.0 Authentication successful\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}


@contextlib.contextmanager
def submission(certificate: Path, *, host: str) -> Iterator[dict[str, int]]:
    """Run both; yield the port for each kind of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with (
        serving(host, _with(context, _starttls)) as starttls,
        serving(host, _with(context, _tls)) as tls,
    ):
        yield {"starttls": starttls, "tls": tls}


def _with(
    context: ssl.SSLContext, serve: Callable[[socket.socket, ssl.SSLContext], None]
) -> Callable[[socket.socket], None]:
    return lambda client: serve(client, context)


def _starttls(client: socket.socket, context: ssl.SSLContext) -> None:
    client.sendall(_GREETING)
    if upgraded(client, _BEFORE_TLS):
        with context.wrap_socket(client, server_side=True) as secured:
            _answer(secured)


def _tls(client: socket.socket, context: ssl.SSLContext) -> None:
    with context.wrap_socket(client, server_side=True) as secured:
        secured.sendall(_GREETING)
        _answer(secured)


def _answer(client: ssl.SSLSocket) -> None:
    while said := client.recv(4096)[:4].upper():
        client.sendall(_ANSWERS.get(said, b"502 5.5.2 Not here\r\n"))
        if said == b"QUIT":
            return
