"""The way to a server: straight, through a proxy, or by a Unix socket.

With blocking sockets, for one mail and for the probe; `pool.route` has the same on the event loop.
"""

from __future__ import annotations

import socket
import time
from functools import partial
from typing import TYPE_CHECKING

from nexomailer_cli.errors import TransportError
from nexomailer_cli.transport.race import interleaved, race
from nexomailer_cli.transport.resolving import resolve
from nexomailer_cli.transport.unreachable import beyond, unconnected, unopened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nexomailer_cli.config.proxy import Proxy
    from nexomailer_cli.transport.terms import Terms


def reach(terms: Terms, until: float) -> socket.socket:
    """Return a socket that leads to the server; raise TransportError with what is in the way.

    Raises TimeoutError at `until`, a moment of `time.monotonic`.
    """
    if terms.socket_path:
        return open_unix(terms.socket_path)
    try:
        if terms.proxy is not None:
            return _through(terms.proxy, terms, until)
        return _dial(terms.host, terms.port, terms, until)
    except TimeoutError:
        raise
    except OSError as error:  # there are too many open files to wait on another one
        raise unconnected(terms.host, terms.port, error) from error


def open_unix(path: str) -> socket.socket:
    """Return a socket connected to `path`; raise TransportError where there is no server.

    That is known at once: where too many wait to be accepted the system says so.
    """
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError as error:
        raise unopened(path, error) from error
    sock.setblocking(False)
    try:
        sock.connect(path)
    except OSError as error:
        sock.close()
        raise unopened(path, error) from error
    return sock


def _dial(host: str, port: int, terms: Terms, until: float) -> socket.socket:
    addresses = resolve(host, port, terms.family, left(until)).addresses
    run = race(addresses, left(until), terms.source_address)
    if run.sock is not None:
        return run.sock
    left(until)
    raise unconnected(host, port, run.error, terms.source_address)


def _through(proxy: Proxy, terms: Terms, until: float) -> socket.socket:
    if proxy.looks_up:
        hosts: Sequence[str] = (terms.host,)
    else:
        found = resolve(terms.host, terms.port, terms.family, left(until)).addresses
        hosts = tuple(each.text for each in interleaved(found))

    def to_proxy() -> socket.socket:
        try:
            return _dial(proxy.host, proxy.port, terms, until)
        except TransportError as error:
            raise beyond(error) from error

    _, sock = through(proxy, hosts, terms.port, to_proxy, partial(left, until))
    return sock


def through(
    proxy: Proxy,
    hosts: Sequence[str],
    port: int,
    to_proxy: Callable[[], socket.socket],
    seconds: Callable[[], float],
) -> tuple[str, socket.socket]:
    """Return the first of `hosts` that the proxy gets to, and a socket that leads there.

    `to_proxy` connects to the proxy, `seconds` says how long the proxy may then take.
    """
    # Imported here: few have a proxy.
    from nexomailer_cli.transport.tunnel import tunnel_blocking

    *earlier, last = hosts
    for host in (*earlier, last):
        sock = to_proxy()
        try:
            tunnel_blocking(sock, proxy, host, port, seconds())
        except TransportError as error:
            sock.close()
            # Another of the server's addresses may do.
            if error.reason != "proxy-no-way" or host == last:
                raise
        except BaseException:
            sock.close()
            raise
        else:
            return host, sock
    raise AssertionError("the last one was returned or raised")


def left(until: float) -> float:
    """Return the seconds until a moment of `time.monotonic`; raise TimeoutError if it is past."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
