"""A server that follows a script and fails at one exact point.

A script is a list of steps for one connection; a peer has one script for each
connection that it expects, the last of which serves all further ones. Everything the
client said is in `peer.heard`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import secrecy

CRLF = "\r\n"


@dataclass(frozen=True)
class Expect:
    """Read one line, which must start with `prefix`."""

    prefix: str


@dataclass(frozen=True)
class Blank:
    """Read one line, which must be empty."""


@dataclass(frozen=True)
class Reply:
    """Send text; line ends are made CRLF and one is added."""

    text: str


@dataclass(frozen=True)
class Raw:
    """Send bytes as they are."""

    data: bytes


@dataclass(frozen=True)
class Content:
    """Read content up to its final dot."""


@dataclass(frozen=True)
class Octets:
    """Read content of an exact size: that of the last BDAT."""


@dataclass(frozen=True)
class Part:
    """Read some octets."""

    count: int


@dataclass(frozen=True)
class Deaf:
    """Read nothing more from the wire, so that the client's buffers fill up."""


@dataclass(frozen=True)
class Listen:
    """Wait for a signal of the test, and read again."""

    signal: asyncio.Event


@dataclass(frozen=True)
class Upgrade:
    """Become a TLS server on this connection."""


@dataclass(frozen=True)
class Close:
    """Close politely."""


@dataclass(frozen=True)
class Reset:
    """Close with RST."""


@dataclass(frozen=True)
class Hang:
    """Say nothing more until the client goes away."""


@dataclass(frozen=True)
class Oblige:
    """Take every mail that comes, with DATA, until the client says QUIT."""


@dataclass(frozen=True)
class Dribble:
    """Send text one byte at a time until the client goes away."""

    text: str


Step = (
    Expect
    | Blank
    | Reply
    | Raw
    | Content
    | Octets
    | Part
    | Deaf
    | Listen
    | Upgrade
    | Close
    | Reset
    | Hang
    | Oblige
    | Dribble
)
Script = Sequence[Step]


@dataclass
class Peer:
    """A running scripted server."""

    port: int = 0
    heard: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    connections: int = 0
    surprises: list[str] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)  # a conversation is over

    def hear(self, line: str) -> None:
        """Take note of a line that a client said."""
        secrecy.KEPT.overhear(line, self.heard)
        self.heard.append(line)

    @property
    def verbs(self) -> list[str]:
        """The first word of every command heard."""
        return [line.split()[0].upper() for line in self.heard if line.strip()]


class _Conversation:
    def __init__(
        self,
        peer: Peer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext | None,
    ) -> None:
        self._peer = peer
        self._reader = reader
        self._writer = writer
        self._context = context

    async def follow(self, script: Script) -> None:
        for step in script:
            await self._do(step)

    async def _do(self, step: Step) -> None:  # noqa: C901, PLR0912 - a table of the steps
        match step:
            case Expect(prefix):
                await self._expect(prefix)
            case Blank():
                if await self._reader.readline() != b"\r\n":
                    self._peer.surprises.append("expected an empty line")
            case Reply(text):
                self._writer.write((text.replace("\n", CRLF) + CRLF).encode())
                await self._writer.drain()
            case Raw(data):
                self._writer.write(data)
                await self._writer.drain()
            case Content():
                content = await self._reader.readuntil(b"\r\n.\r\n")
                self._peer.contents.append(content[:-3])
            case Octets():
                size = int(self._peer.heard[-1].split()[1])
                self._peer.contents.append(await self._reader.readexactly(size))
            case Part(count):
                await self._reader.readexactly(count)
            case Deaf():
                self._writer.transport.pause_reading()  # type: ignore[attr-defined]
            case Listen(signal):
                await signal.wait()
                self._writer.transport.resume_reading()  # type: ignore[attr-defined]
            case Upgrade():
                assert self._context is not None
                await self._writer.start_tls(self._context)
            case Close():
                self._writer.close()
            case Reset():
                self._writer.transport.abort()
            case Hang():
                await self._reader.read()
            case Oblige():
                await self._oblige()
            case Dribble(text):
                await self._dribble(text)

    async def _expect(self, prefix: str) -> None:
        data = await self._reader.readline()
        if not data.endswith(b"\n"):
            raise ConnectionResetError
        line = data.decode("utf-8", "replace").rstrip(CRLF)
        self._peer.hear(line)
        if not line.upper().startswith(prefix.upper()):
            self._peer.surprises.append(f"expected {prefix!r}, heard {line!r}")
            raise ConnectionResetError

    async def _oblige(self) -> None:
        while True:
            line = (await self._reader.readline()).decode()
            self._peer.heard.append(line.rstrip(CRLF))
            if not line or line.startswith("QUIT"):
                return
            if line.startswith("DATA"):
                self._writer.write(b"354 go on\r\n")
                await self._do(Content())
            self._writer.write(b"250 ok\r\n")

    async def _dribble(self, text: str) -> None:
        for character in text:
            self._writer.write(character.encode())
            await self._writer.drain()
            await asyncio.sleep(0.01)


async def turns() -> None:
    """Let the loop come to what is due: connections that were made, transports that close.

    From a connection that waits to be accepted to the task that serves it are five turns.
    """
    for _ in range(8):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def scripted(
    *scripts: Script,
    tls: ssl.SSLContext | None = None,
    implicit: bool = False,
    path: Path | None = None,
) -> AsyncIterator[Peer]:
    """Serve `scripts` on loopback, or at a Unix socket.

    Fails at the end if the client said what no script expects.
    """
    peer = Peer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        script = scripts[min(peer.connections, len(scripts) - 1)]
        peer.connections += 1
        try:
            await _Conversation(peer, reader, writer, tls).follow(script)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()
            peer.left.set()
            tasks.discard(task)

    context = tls if implicit else None
    if path is None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, limit=2**24)
        peer.port = server.sockets[0].getsockname()[1]
    else:
        server = await asyncio.start_unix_server(serve, path, ssl=context, limit=2**24)
    try:
        yield peer
    finally:
        await turns()  # who has just connected is to be seen: by an open server, as asyncio has it
        server.close()
        await turns()
        # What the client said last may still be on its way.
        if tasks:
            await asyncio.wait(tuple(tasks), timeout=0.2)
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tuple(tasks))
        await server.wait_closed()
        await turns()
    assert not peer.surprises, peer.surprises


def ehlo(*keywords: str) -> tuple[Step, ...]:
    """EHLO, answered with `keywords`."""
    lines = ["peer.test", *keywords]
    answer = "\n".join(f"250-{line}" for line in lines[:-1])
    return (Expect("EHLO"), Reply(f"{answer}\n250 {lines[-1]}".lstrip("\n")))


def greeting(*keywords: str) -> tuple[Step, ...]:
    """The banner, and EHLO."""
    return (Reply("220 peer.test ESMTP"), *ehlo(*keywords))


def transaction(
    *,
    mail: str = "250 ok",
    rcpt: Sequence[str] = ("250 ok",),
    data: str = "354 go on",
    end: str = "250 2.0.0 Ok: queued as 4F2A",
) -> tuple[Step, ...]:
    """A mail with DATA, one command and reply after the other."""
    steps: list[Step] = [Expect("MAIL FROM:"), Reply(mail)]
    for reply in rcpt:
        steps += [Expect("RCPT TO:"), Reply(reply)]
    steps += [Expect("DATA"), Reply(data)]
    if data.startswith("354"):
        steps += [Content(), Reply(end)]
    return tuple(steps)


def chunk(
    *, mail: str = "250 ok", rcpt: Sequence[str] = ("250 ok",), end: str = "250 2.0.0 Ok"
) -> tuple[Step, ...]:
    """A mail with BDAT, all of whose replies come in order."""
    steps: list[Step] = [Expect("MAIL FROM:"), Reply(mail)]
    for reply in rcpt:
        steps += [Expect("RCPT TO:"), Reply(reply)]
    return (*steps, Expect("BDAT"), Octets(), Reply(end))


RESET: tuple[Step, ...] = (Expect("RSET"), Reply("250 ok"))
GOODBYE: tuple[Step, ...] = (Expect("QUIT"), Reply("221 bye"))
Serve = Callable[..., contextlib.AbstractAsyncContextManager[Peer]]
