"""A server with moods: what it says depends on how many messages it has taken."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from tests.support.script import close_server, turns

OK = "250 2.0.0 Ok"
DEAD = "dead"  # hangs up instead of answering, and on whoever connects


@dataclass
class Moody:
    """A running server. Its mood at each MAIL is `OK`, `DEAD` or the words of a refusal."""

    mood: Callable[[int], str] = lambda _taken: OK
    port: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    contents: dict[str, bytes] = field(default_factory=dict)  # the last one of each recipient

    def now(self) -> str:
        mood = self.mood(self.accepted.total())
        self.asked[mood] += 1
        return mood


@contextlib.asynccontextmanager
async def moody(mood: Callable[[int], str] = lambda _taken: OK) -> AsyncIterator[Moody]:
    """Serve on loopback."""
    server = Moody(mood)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await _converse(server, reader, writer)
        finally:  # also when it is cancelled: the test is over, and somebody still connected
            writer.transport.abort()
            tasks.discard(task)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        await close_server(listening)
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listening.wait_closed()
        await turns()


async def _converse(
    server: Moody, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    if server.mood(server.accepted.total()) == DEAD:
        server.asked[DEAD] += 1
        return
    recipients: list[str] = []
    mood = OK
    writer.write(b"220 moody.test ESMTP\r\n")
    while line := (await reader.readline()).decode():
        verb = line.split()[0].upper()
        if verb == "MAIL":
            mood = server.now()
            recipients.clear()
        elif verb == "RCPT":
            recipients.append(line.partition("<")[2].partition(">")[0])
        if mood == DEAD:
            return
        answer = _answer(verb, mood)
        writer.write(f"{answer}\r\n".encode())
        if answer.startswith("354"):
            content = await reader.readuntil(b"\r\n.\r\n")
            server.accepted.update(recipients)
            server.contents |= dict.fromkeys(recipients, content)
            await asyncio.sleep(0.002)
            writer.write(f"{OK}\r\n".encode())


def _answer(verb: str, mood: str) -> str:
    if verb == "EHLO":
        return "250-moody.test\r\n250 PIPELINING"
    if verb == "MAIL":
        return mood
    if verb in ("RCPT", "DATA") and mood != OK:
        return "503 5.5.1 what for?"
    return "354 go on" if verb == "DATA" else "250 ok"
