"""The way to a server: straight, through a proxy, or by a Unix socket."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from nexomailer_cli.errors import TransportError
from nexomailer_cli.pool.dial import dial, resolved
from nexomailer_cli.transport.unreachable import beyond, unopened

if TYPE_CHECKING:
    from nexomailer_cli.config.proxy import Proxy
    from nexomailer_cli.transport.terms import Terms


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
