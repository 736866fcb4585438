"""A SOCKS5 and an HTTP CONNECT proxy of our own, which note what they were asked."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tests.support.script import turns

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


@dataclass
class Proxy:
    """A running proxy. `names` is its own resolver: where its targets are, all on loopback."""

    names: Mapping[str, str] = field(default_factory=dict)
    account: str = ""  # user:password, if it wants one
    port: int = 0
    asked: list[str] = field(default_factory=list)  # host:port, as the client named it
    logins: list[str] = field(default_factory=list)
    ways: list[Writer] = field(default_factory=list)  # to servers

    def place(self, scheme: str, account: str = "") -> str:
        """Return the URL that leads here."""
        return f"{scheme}://{account + '@' if account else ''}127.0.0.1:{self.port}"


Serve = Callable[[Proxy, Reader, Writer], Awaitable[None]]


@contextlib.asynccontextmanager
async def proxying(
    serve: Serve, names: Mapping[str, str] | None = None, account: str = ""
) -> AsyncIterator[Proxy]:
    """Serve on loopback."""
    proxy = Proxy(names or {}, account)
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serve(proxy, reader, writer)
        writer.transport.abort()
        tasks.discard(task)

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    proxy.port = listening.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        await turns()  # who has just connected is to be seen: by an open server, as asyncio has it
        listening.close()
        await turns()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for way in proxy.ways:
            way.transport.abort()
        await listening.wait_closed()
        await turns()


def socks5(*, reply: int | None = None, method: bytes | None = None) -> Serve:
    """Serve RFC 1928 and 1929; `reply` and `method` are answers that it gives in any case."""

    async def serve(proxy: Proxy, reader: Reader, writer: Writer) -> None:
        if (await reader.readexactly(1)) != b"\x05":
            return
        offered = await reader.readexactly((await reader.readexactly(1))[0])
        wanted = b"\x02" if proxy.account else b"\x00"
        chosen = method or (wanted if wanted in offered else b"\xff")
        writer.write(b"\x05" + chosen)
        if chosen == b"\x02" and not await _signed_in(proxy, reader, writer):
            return
        host, port = await _wanted(reader)
        proxy.asked.append(f"{host}:{port}")
        server = await _opened(proxy, host, port)
        code = reply if reply is not None else 0 if server else 5
        writer.write(bytes([5, code, 0, 1, 127, 0, 0, 1, 0, 0]))
        if server and not code:
            await _relay((reader, writer), server)

    return serve


async def _signed_in(proxy: Proxy, reader: Reader, writer: Writer) -> bool:
    await reader.readexactly(1)
    words = []
    for _ in range(2):
        length = (await reader.readexactly(1))[0]
        words.append((await reader.readexactly(length)).decode())
    proxy.logins.append(":".join(words))
    is_right = proxy.logins[-1] == proxy.account
    writer.write(b"\x01\x00" if is_right else b"\x01\x01")
    return is_right


async def _wanted(reader: Reader) -> tuple[str, int]:
    kind = (await reader.readexactly(4))[3]
    if kind == 3:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    else:
        host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
    return host, int.from_bytes(await reader.readexactly(2))


def http(status: str = "", *, answer: bytes = b"", octet_by_octet: bool = False) -> Serve:
    """Serve CONNECT; `status` is refused with, `answer` said whatever was asked."""

    async def serve(proxy: Proxy, reader: Reader, writer: Writer) -> None:
        header = (await reader.readuntil(b"\r\n\r\n")).decode()
        if answer:
            writer.write(answer)
            return
        lines = header.split("\r\n")
        proxy.asked.append(lines[0].split(" ")[1])
        host, _, port = proxy.asked[-1].rpartition(":")
        assert f"Host: {proxy.asked[-1]}" in lines
        said = status or _signed_in_by_http(proxy, lines)
        server = None if said else await _opened(proxy, host.strip("[]"), int(port))
        if server is None:
            said = said or "502 Bad Gateway"
            writer.write(f"HTTP/1.1 {said}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        # The server's greeting in the same segment as the header: both are to be understood.
        greeting = await server[0].readuntil(b"\r\n")
        whole = b"HTTP/1.0 200 Connection established\r\nProxy-Agent: own\r\n\r\n" + greeting
        for piece in [bytes([each]) for each in whole] if octet_by_octet else [whole]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        await _relay((reader, writer), server)

    return serve


def _signed_in_by_http(proxy: Proxy, lines: list[str]) -> str:
    prefix = "Proxy-Authorization: Basic "
    given = next((line for line in lines if line.startswith(prefix)), "")
    login = base64.b64decode(given.removeprefix(prefix)).decode()
    if login:
        proxy.logins.append(login)
    return "" if login == proxy.account else "407 Proxy Authentication Required"


async def _opened(proxy: Proxy, host: str, port: int) -> tuple[Reader, Writer] | None:
    try:
        way = await asyncio.open_connection(proxy.names.get(host, host), port)
    except OSError:
        return None
    proxy.ways.append(way[1])
    return way


async def _relay(client: tuple[Reader, Writer], server: tuple[Reader, Writer]) -> None:
    async def copy(reader: Reader, writer: Writer) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    await asyncio.gather(copy(client[0], server[1]), copy(server[0], client[1]))
