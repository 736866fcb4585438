"""An honest server that refuses, hangs up or talks too much by chance."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

from tests.support.script import close_server, turns

REFUSALS = (
    *("421 4.3.2 bye", "450 4.2.0 later", "451 4.3.0 local", "452 4.5.3 too many recipients"),
    *("503 5.5.1 order", "530 5.7.0 sign in", "550 5.1.1 no", "552 5.3.4 big", "554 5.7.1 spam"),
)


class GoneError(Exception):
    """The server has had enough of this connection."""


@dataclass
class Envelope:
    """What a server has taken of a mail so far."""

    has_sender: bool = False
    taken: list[str] = field(default_factory=list)


@dataclass
class Server:
    """Refuses, hangs up or talks too much by chance, and knows whom it has delivered to."""

    random: Random
    keywords: tuple[str, ...]
    kindness: float = 0.7  # how often it says what one would like to hear
    delivered: Counter[str] = field(default_factory=Counter)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(GoneError, asyncio.IncompleteReadError, ConnectionError):
            writer.write(b"220 chaos\r\n")
            await self._session(reader, writer)
        writer.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        envelope = Envelope()
        while True:
            line = (await reader.readuntil(b"\r\n")).decode()
            match line.split()[0].upper():
                case "EHLO":
                    lines = [*(f"250-{each}" for each in self.keywords), "250 OK", ""]
                    writer.write("\r\n".join(lines).encode())
                case "RSET":
                    envelope = Envelope()
                    writer.write(b"250 ok\r\n")
                case "QUIT":
                    raise GoneError
                case "DATA" | "BDAT":
                    if await self._content(line, envelope, reader, writer):
                        envelope = Envelope()
                case _:
                    self._address(line, envelope, writer)
            await writer.drain()

    def _address(self, line: str, envelope: Envelope, writer: asyncio.StreamWriter) -> None:
        if line.startswith("MAIL"):
            envelope.has_sender = self._answer(writer, "250 ok")
        elif not envelope.has_sender:
            writer.write(b"503 5.5.1 MAIL first\r\n")
        elif self._answer(writer, "250 ok"):
            envelope.taken.append(line.removeprefix("RCPT TO:<").partition(">")[0])

    async def _content(
        self,
        line: str,
        envelope: Envelope,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Read content, and return whether the transaction is over."""
        if line.startswith("BDAT"):
            await reader.readexactly(int(line.split()[1]))
        if not envelope.taken:
            writer.write(b"554 5.5.1 no valid recipients\r\n")
            return line.startswith("BDAT")
        if line.startswith("DATA"):
            if not self._answer(writer, "354 go on"):
                return False
            await writer.drain()
            await reader.readuntil(b"\r\n.\r\n")
        self._finish(writer, envelope.taken)
        return True

    def _answer(self, writer: asyncio.StreamWriter, good: str) -> bool:
        """Say `good` or something else, and return whether it was."""
        chance = self.random.random()
        if chance < self.kindness:
            writer.write(f"{good}\r\n".encode())
            return True
        if chance < self.kindness + (1 - self.kindness) / 6:
            raise GoneError
        refusal = self.random.choice(REFUSALS)
        writer.write(f"{refusal}\r\n".encode())
        if refusal.startswith("421"):
            raise GoneError
        return False

    def _finish(self, writer: asyncio.StreamWriter, taken: list[str]) -> None:
        if self.random.random() < 2 * self.kindness - 1.4:
            self.delivered.update(taken)
            writer.write(b"250 2.0.0 queued\r\n")
            return
        chance = self.random.random()
        if chance < 0.2:
            self._answer(writer, self.random.choice(REFUSALS[:1]))
            raise GoneError
        if chance < 0.4:
            writer.write(f"{self.random.choice(REFUSALS[1:])}\r\n".encode())
            return
        self.delivered.update(taken)
        if chance < 0.6:
            raise GoneError  # delivered, and nobody is told
        writer.write(b"250 2.0.0 queued\r\n")
        if chance < 0.65:
            raise GoneError
        if chance < 0.7:
            writer.write(b"250 2.0.0 queued\r\n")


@contextlib.asynccontextmanager
async def running(server: Server) -> AsyncIterator[int]:
    """Serve on loopback; at the end, all conversations are over."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await server.serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            writer.transport.abort()
            tasks.discard(task)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        await close_server(listening)
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tuple(tasks))
        await listening.wait_closed()
        await turns()
