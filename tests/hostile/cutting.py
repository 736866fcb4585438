"""A server over TLS that ends, or falls silent, at one exact point, and knows what it has stored.

What it stores it stores before it goes: whoever sends that message again delivers it twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from threading import Event

# Where in a session, in this order. `content` is in the middle of it, `end` after its dot.
STEPS = (
    *("greet", "ehlo", "starttls", "tls", "auth", "mail", "rcpt", "data", "content", "end"),
    *("rset", "quit"),
)
WAYS = ("close", "reset", "421", "hang")
BYE = b"421 4.3.2 closing\r\n"
# Of a content, before it is cut. The rest does not fit into the buffers between both sides.
PART = 10_000


class GoneError(Exception):
    """The server has ended this conversation."""


@dataclass
class Cutter:
    """A running server: the first `times` connections that get to `step` are cut there."""

    step: str
    way: str
    tls: ssl.SSLContext
    keywords: tuple[str, ...] = ()
    times: int = 1_000_000
    port: int = 0
    stored: Counter[str] = field(default_factory=Counter)
    cuts: int = 0
    is_cut: Event = field(default_factory=Event)

    def is_due(self, step: str) -> bool:
        """Whether to end now; what is asked for is counted."""
        if step != self.step or self.cuts >= self.times:
            return False
        self.cuts += 1
        self.is_cut.set()
        return True


class _Guest:
    """One conversation."""

    def __init__(
        self, server: Cutter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._is_secure = False
        self._recipients: list[str] = []

    async def converse(self) -> None:
        await self._reach("greet")
        self._say("220 cutter.test ESMTP")
        while line := (await self._reader.readline()).decode():
            verb = line.split()[0].lower() if line.strip() else ""
            await self._reach(verb)
            await self._obey(verb, line)

    async def _reach(self, step: str) -> None:
        if self._server.is_due(step):
            await self._end()

    async def _end(self) -> None:
        match self._server.way:
            case "hang" if self._server.step == "content":
                self._writer.transport.pause_reading()  # type: ignore[attr-defined]
                await asyncio.Event().wait()
            case "hang":
                while await self._reader.read(65536):
                    pass
            case "421":
                self._writer.write(BYE)
                with contextlib.suppress(TimeoutError, ConnectionError):
                    # Closing at once would be a reset, were anything of the client's unread.
                    await asyncio.wait_for(self._drained(), 0.3)
            case "reset":
                linger = struct.pack("ii", 1, 0)
                wire = self._writer.get_extra_info("socket")
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._writer.transport.abort()
            case _:
                pass  # whoever serves closes
        raise GoneError

    async def _drained(self) -> None:
        await self._writer.drain()
        while await self._reader.read(65536):
            pass

    async def _obey(self, verb: str, line: str) -> None:
        match verb:
            case "ehlo":
                self._announce()
            case "starttls":
                await self._upgrade()
            case "auth":
                self._say("235 2.7.0 welcome")
            case "rcpt":
                self._address(line.partition("<")[2].partition(">")[0])
            case "data":
                self._say("354 go on")
                await self._take(None)
            case "bdat":
                await self._take(int(line.split()[1]))
            case "quit":
                self._say("221 bye")
                raise GoneError
            case _:
                self._recipients.clear()
                self._say("250 2.0.0 ok")

    def _announce(self) -> None:
        offered = ("AUTH PLAIN", *self._server.keywords) if self._is_secure else ("STARTTLS",)
        lines = ["cutter.test", *offered]
        self._say(*(f"250-{each}" for each in lines[:-1]), f"250 {lines[-1]}")

    async def _upgrade(self) -> None:
        self._say("220 2.0.0 go")
        await self._reach("tls")
        await self._writer.start_tls(self._server.tls)
        self._is_secure = True

    def _address(self, recipient: str) -> None:
        if recipient.startswith("no"):
            self._say("550 5.1.1 nobody of that name")
            return
        self._recipients.append(recipient)
        self._say("250 2.1.5 ok")

    async def _take(self, size: int | None) -> None:
        if self._server.step == "content" and self._server.is_due("content"):
            await self._reader.readexactly(PART)
            await self._end()
        if size is None:
            # A lone dot is the whole content where nobody was taken.
            if (await self._reader.readuntil(b"\n")) != b".\r\n":
                await self._reader.readuntil(b"\r\n.\r\n")
        else:
            await self._reader.readexactly(size)
        is_cut = self._server.is_due("end")
        if not (is_cut and self._server.way == "421"):
            self._server.stored.update(self._recipients)
        if is_cut:
            await self._end()
        self._say("250 2.0.0 Ok: queued as 4F2A")

    def _say(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode())


@contextlib.asynccontextmanager
async def cutting(server: Cutter) -> AsyncIterator[Cutter]:
    """Serve on loopback, with little room for what is not read."""
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writers.append(writer)
        gone = (GoneError, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)
        with contextlib.suppress(*gone, asyncio.CancelledError):
            await _Guest(server, reader, writer).converse()
        writer.close()
        tasks.discard(task)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**23)
    listener = listening.sockets[0]
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    server.port = listener.getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tuple(tasks))
        await listening.wait_closed()
        for writer in writers:
            writer.transport.abort()  # a polite end of TLS may still be under way
            with contextlib.suppress(OSError):
                await writer.wait_closed()
