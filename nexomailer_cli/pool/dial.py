"""From a name to a connected socket, by whichever address answers first.

aiosmtplib tries one address after the other and waits for a dead one until its
time-out; a half-configured IPv6 then costs every message that wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

from nexomailer_cli.transport.unreachable import unconnected, unresolved

if TYPE_CHECKING:
    from collections.abc import Sequence

# RFC 8305 section 5 recommends 250 ms.
STAGGER_SECONDS = 0.25


async def dial(
    host: str,
    port: int,
    *,
    family: socket.AddressFamily = socket.AF_UNSPEC,
    source: str | None = None,
) -> socket.socket:
    """Return a socket connected to `host`; raise TransportError with the system's reason.

    `source` is the address of this machine to connect from, one of `family`.
    """
    try:
        addresses = await _resolve(host, port, family)
        return await _connect(addresses, _local(source, family))
    except (socket.gaierror, UnicodeError) as error:
        raise unresolved(host, error) from error
    except OSError as error:
        raise unconnected(host, port, error, source) from error


async def resolved(host: str, port: int, family: socket.AddressFamily) -> tuple[str, ...]:
    """Return the addresses of a host; raise TransportError with the resolver's reason."""
    try:
        addresses = await _resolve(host, port, family)
    except (socket.gaierror, UnicodeError) as error:
        raise unresolved(host, error) from error
    return tuple(dict.fromkeys(each[4][0] for each in addresses))


async def _resolve(host: str, port: int, family: socket.AddressFamily) -> Sequence[Any]:
    # An address needs no resolver, nor the thread that it runs in.
    for known in (socket.AF_INET, socket.AF_INET6):
        if family in (known, socket.AF_UNSPEC):
            with contextlib.suppress(OSError, ValueError):
                socket.inet_pton(known, host)
                return [_stream(known, host, port)]
    return await _ask_resolver(host, port, family)


def _local(source: str | None, family: socket.AddressFamily) -> Sequence[Any] | None:
    return [_stream(family, source, 0)] if source else None


def _stream(family: socket.AddressFamily, host: str, port: int) -> Any:
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)


async def _ask_resolver(host: str, port: int, family: socket.AddressFamily) -> Sequence[Any]:
    """Call getaddrinfo in a thread that nobody waits for.

    asyncio waits at its end for the threads of its own, and a resolver that is out of order
    can take half a minute: longer than a deadline, and than anybody who presses Ctrl-C.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[Any]] = loop.create_future()

    def tell(result: Sequence[Any] | Exception) -> None:
        if answer.done():
            return
        if isinstance(result, Exception):
            answer.set_exception(result)
        else:
            answer.set_result(result)

    def resolve() -> None:
        result: Sequence[Any] | Exception
        try:
            result = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            result = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
            loop.call_soon_threadsafe(tell, result)

    threading.Thread(target=resolve, name="resolver", daemon=True).start()
    return await answer


async def _connect(addresses: Sequence[Any], local: Sequence[Any] | None) -> socket.socket:
    if len(addresses) == 1 and local is None:
        return await _connect_to(addresses[0])
    # Imported here: the package takes time, and many hosts have one address.
    from aiohappyeyeballs import start_connection

    return await start_connection(
        addresses,
        local_addr_infos=local,
        happy_eyeballs_delay=STAGGER_SECONDS if len(addresses) > 1 else None,
        interleave=1,
    )


async def _connect_to(address: Any) -> socket.socket:
    family, kind, protocol, _, where = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, where)
    except BaseException:
        sock.close()
        raise
    return sock
