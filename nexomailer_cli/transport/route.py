"""The way to a server: straight, through a proxy, or by a Unix socket."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING

from nexomailer_cli.errors import TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.transport.dial import dial, resolved

if TYPE_CHECKING:
    from nexomailer_cli.config.proxy import Proxy
    from nexomailer_cli.transport.terms import Terms

# Whatever else is wrong with a path, there is no server to be found at it.
_SOCKET_REASONS = {
    errno.EACCES: "socket-denied",
    errno.EPERM: "socket-denied",
    errno.ENOENT: "socket-missing",
    errno.ENOTDIR: "socket-missing",
}


async def reach(terms: Terms) -> socket.socket:
    """Return a socket that leads to the server; raise TransportError with what is in the way."""
    if terms.socket_path:
        return await _behind(terms.socket_path)
    if terms.proxy is not None:
        return await _through(terms.proxy, terms)
    return await dial(terms.host, terms.port, family=terms.family, source=terms.source_address)


async def _behind(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, path)
    except OSError as error:
        sock.close()
        raise unopened(path, error) from error
    except BaseException:
        sock.close()
        raise
    return sock


def unopened(path: str, error: OSError) -> TransportError:
    """Return the TransportError for a Unix socket that does not open."""
    number = error.errno or errno.EIO
    reason = _SOCKET_REASONS.get(number, "socket-refused")
    message = f"cannot connect to {path}: {os.strerror(number).lower()}"
    return TransportError(printable(message), phase=Phase.CONNECT, reason=reason)


async def _through(proxy: Proxy, terms: Terms) -> socket.socket:
    # Imported here: few have a proxy.
    from nexomailer_cli.transport.tunnel import tunnel

    error: TransportError | None = None
    for host in await _known_to(proxy, terms):
        sock = await _dial_proxy(proxy, terms)
        try:
            await tunnel(sock, proxy, host, terms.port)
        except TransportError as caught:
            sock.close()
            if caught.reason != "proxy-no-way":
                raise
            error = caught  # another of the server's addresses may do
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    assert error is not None
    raise error


async def _known_to(proxy: Proxy, terms: Terms) -> tuple[str, ...]:
    """Return what the proxy is asked for: the name, or every address that it has here."""
    if proxy.looks_up:
        return (terms.host,)
    return await resolved(terms.host, terms.port, terms.family)


async def _dial_proxy(proxy: Proxy, terms: Terms) -> socket.socket:
    try:
        return await dial(proxy.host, proxy.port, family=terms.family, source=terms.source_address)
    except TransportError as error:
        raise beyond(error) from error


def beyond(error: TransportError) -> TransportError:
    """Return what keeps us from the proxy as what keeps us from the server."""
    if error.reason == "bad-source":
        return error
    return TransportError(f"the proxy: {error}", phase=error.phase, reason="proxy-unreachable")


def own_literal(sock: socket.socket) -> str:
    """Return the address literal of RFC 5321 section 4.1.3 for our end of `sock`."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return "[127.0.0.1]"  # a Unix socket has no other
    address = sock.getsockname()[0].partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
