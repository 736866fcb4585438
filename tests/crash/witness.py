"""A server that writes down every message it has accepted, before it says so.

    python -m tests.crash.witness LOG [--chunking] [--delay SECONDS] [--grey N]

Prints its port. What it has written is what was delivered, whoever is killed afterwards.
With --grey it puts off every Nth address that it meets, the first time.
In a test it may stand still at one point of a conversation, once, until it is let go.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from threading import Event

_MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)

GREETING, CONTENT, END = "GREETING", "CONTENT", "END"


@dataclass
class Pause:
    """Where the server stands still: before it answers this, after so many messages.

    `is_reached` is set when it does; `go_on` lets it go, from any thread.
    """

    at: str = ""
    after: int = 0
    is_reached: Event = field(default_factory=Event)
    go_on: Callable[[], object] = lambda: None

    def takes(self, point: str, taken: int) -> bool:
        """Whether it is here, for the first time."""
        return point == self.at and taken >= self.after and not self.is_reached.is_set()


@dataclass
class Habits:
    """How the server is, the same for all of its connections."""

    log: int
    delay: float = 0.002
    chunking: bool = False
    pause: Pause = field(default_factory=Pause)
    grey: int = 0
    taken: int = 0
    met: set[str] = field(default_factory=set)

    def puts_off(self, who: str) -> bool:
        """Whether this one has to come again."""
        is_new = who not in self.met
        self.met.add(who)
        return is_new and self.grey > 0 and len(self.met) % self.grey == 0


class Witness(asyncio.Protocol):
    """One connection."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self._buffer = bytearray()
        self._content = bytearray()
        self._recipients: list[str] = []
        self._is_data = False
        self._is_closed = False
        self._is_thinking = False
        self._searched = 0  # octets in which there is no end of content
        self._left = -1  # octets of a chunk still to come

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._wire = transport
        self._consider(GREETING, lambda: self._say("220 witness.test ESMTP"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closed = True

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        while self._step():
            pass

    def _consider(self, point: str, answer: Callable[[], None]) -> None:
        """Answer, unless this is where to stand still."""
        if self._habits.pause.takes(point, self._habits.taken):
            self._is_thinking = True
            self._wire.pause_reading()
            loop = asyncio.get_running_loop()
            self._habits.pause.go_on = lambda: loop.call_soon_threadsafe(self._wake, answer)
            self._habits.pause.is_reached.set()
        else:
            answer()

    def _wake(self, answer: Callable[[], None]) -> None:
        self._is_thinking = False
        if not self._is_closed:
            self._wire.resume_reading()
        answer()
        self._go_on()

    def _step(self) -> bool:
        if self._is_thinking:
            return False
        if self._is_data:
            return self._take_data()
        if self._left >= 0:
            return self._take_chunk()
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return False
        self._buffer = bytearray(rest)
        self._obey(line.decode("utf-8", "replace"))
        return True

    def _take_data(self) -> bool:
        at = self._buffer.find(b"\r\n.\r\n", self._searched)
        if at < 0:
            self._searched = max(0, len(self._buffer) - 4)
            return self._read_on()
        self._searched = 0
        self._content = self._buffer[: at + 2]
        del self._buffer[: at + 5]
        self._is_data = False
        self._accept()
        return True

    def _take_chunk(self) -> bool:
        if len(self._buffer) < self._left:
            return self._read_on()
        self._content = self._buffer[: self._left]
        del self._buffer[: self._left]
        self._left = -1
        self._accept()
        return True

    def _read_on(self) -> bool:
        if self._buffer:
            self._consider(CONTENT, lambda: None)
        return False

    def _obey(self, line: str) -> None:
        verb, _, argument = line.upper().partition(" ")
        self._consider(verb, lambda: self._answer(verb, argument, line))

    def _answer(self, verb: str, argument: str, line: str) -> None:
        match verb:
            case "EHLO":
                words = ["witness.test", "PIPELINING", *["CHUNKING"] * self._habits.chunking]
                self._say("\r\n".join(f"250-{word}" for word in words), "250 8BITMIME")
            case "RCPT":
                self._take_recipient(line.partition("<")[2].partition(">")[0])
            case "DATA":
                self._is_data = bool(self._recipients)
                self._say("354 go on" if self._is_data else "554 5.5.1 no valid recipients")
            case "BDAT":
                self._left = int(argument.split()[0])
            case "QUIT":
                self._say("221 bye")
                self._wire.close()
            case _:
                if verb == "RSET":
                    self._recipients.clear()
                self._say("250 ok")

    def _take_recipient(self, who: str) -> None:
        if self._habits.puts_off(who):
            self._say("451 4.7.1 Greylisted")
        else:
            self._recipients.append(who)
            self._say("250 ok")

    def _accept(self) -> None:
        """Write down what was delivered; the answer comes a little later, as from a disk."""
        found = _MESSAGE_ID.search(self._content)
        identity = found[1].decode() if found else "-"
        lines = "".join(f"{identity} {each}\n" for each in self._recipients)
        self._recipients.clear()
        os.write(self._habits.log, lines.encode())
        self._is_thinking = True
        self._consider(END, self._take_time)
        self._habits.taken += 1

    def _take_time(self) -> None:
        self._is_thinking = True
        asyncio.get_running_loop().call_later(self._habits.delay, self._accepted)

    def _accepted(self) -> None:
        self._is_thinking = False
        self._say("250 2.0.0 Ok")
        self._go_on()

    def _say(self, *lines: str) -> None:
        if not self._is_closed:
            self._wire.write("".join(f"{line}\r\n" for line in lines).encode())


@asynccontextmanager
async def witnessing(habits: Habits) -> AsyncIterator[int]:
    """Serve on loopback, with a small buffer for what was not read yet; give the port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    if habits.pause.at:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    loop = asyncio.get_running_loop()
    connections: list[Witness] = []

    def connection() -> Witness:
        connections.append(Witness(habits))
        return connections[-1]

    server = await loop.create_server(connection, sock=listening)
    try:
        yield listening.getsockname()[1]
    finally:
        server.close()
        for each in connections:
            each._wire.abort()
        await asyncio.sleep(0)


async def serve(habits: Habits) -> None:
    """Serve until somebody ends the process."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # whoever was killed is gone
    async with witnessing(habits) as port:
        print(port, flush=True)
        await asyncio.Event().wait()


def opened(path: str) -> int:
    """Return the descriptor of a log, made if need be."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("log")
    parser.add_argument("--delay", type=float, default=0.002)
    parser.add_argument("--chunking", action="store_true")
    parser.add_argument("--grey", type=int, default=0)
    wanted = parser.parse_args()
    habits = Habits(opened(wanted.log), wanted.delay, wanted.chunking, grey=wanted.grey)
    asyncio.run(serve(habits))
