"""The capture server: one port on loopback, on a thread of its own.

Synchronous and asyncio programs use it alike. It binds its port before it starts
anything, so that a taken one is an error at once, and it takes nothing with it when
it ends but the messages in a Maildir that the caller named.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakSet

from nexomailer_cli.errors import OutputError, UsageError
from nexomailer_cli.sandbox.certificate import make_identity, server_context
from nexomailer_cli.sandbox.conversation import Conversation
from nexomailer_cli.sandbox.maildir import Maildir
from nexomailer_cli.sandbox.reception import Captured, Reception

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

HOST = "127.0.0.1"
# What Outlook.com and many others take; Gmail takes ten more.
SIZE_LIMIT = 25 * 1024 * 1024
BACKLOG = 128


class Sandbox:
    """A mail server that delivers nothing and keeps everything.

    A context manager. `host`, `port`, `username`, `password` and `ca_file` are what a
    client needs; `captured` is what arrived so far, and `maildir` where it lies.
    `on_message` is called on the server's thread, before the client gets its reply.
    Without a `maildir` of the caller's, the messages are deleted at the end.

    Entering raises UsageError when the port cannot be had, OutputError when the
    Maildir cannot be written.
    """

    host = HOST

    def __init__(
        self,
        *,
        port: int = 0,
        maildir: Path | None = None,
        on_message: Callable[[Captured], None] | None = None,
        size_limit: int = SIZE_LIMIT,
    ) -> None:
        self.port = port
        self.username = "sandbox"
        self.password = secrets.token_urlsafe(12)
        self.ca_file = Path()
        self.maildir = Path()
        self._given_maildir = maildir.absolute() if maildir else None
        self._on_message = on_message
        self._size_limit = size_limit
        self._captured: list[Captured] = []
        self._open = ExitStack()

    def __repr__(self) -> str:
        return f"<Sandbox {self.host}:{self.port} [{len(self._captured)} captured]>"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            listener = stack.enter_context(closing(_listen(self.port)))
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="nexomailer-sandbox-")))
            server = _Server(self._reception(folder), self._identify(folder), self._size_limit)
            loop = stack.enter_context(_LoopThread())
            loop.run(server.open(listener))
            stack.callback(lambda: loop.run(server.close()))
            self.port = listener.getsockname()[1]
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def captured(self) -> tuple[Captured, ...]:
        """What arrived so far, in order."""
        return tuple(self._captured)

    def _reception(self, folder: Path) -> Reception:
        self.maildir = self._given_maildir or folder / "maildir"
        return Reception(
            _open_maildir(self.maildir),
            username=self.username,
            password=self.password,
            on_message=self._keep,
        )

    def _identify(self, folder: Path) -> ssl.SSLContext:
        identity = make_identity()
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(identity.authority)
        return server_context(identity, folder=folder)

    def _keep(self, captured: Captured) -> None:
        self._captured.append(captured)
        if self._on_message:
            self._on_message(captured)


class _LoopThread:
    """An event loop that runs on a thread of its own, whoever else runs one."""

    def __enter__(self) -> Self:
        # Not the policy's choice: aiosmtpd's STARTTLS is made for asyncio's own transports.
        self._loop = asyncio.SelectorEventLoop()
        # A client that hangs up in the middle of a handshake is no news.
        self._loop.set_exception_handler(lambda *_: None)
        self._thread = Thread(target=self._loop.run_forever, name="nexomailer-sandbox", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine over there and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class _Server:
    def __init__(self, reception: Reception, context: ssl.SSLContext, size_limit: int) -> None:
        self._reception = reception
        self._context = context
        self._size_limit = size_limit
        self._conversations = WeakSet[Conversation]()

    async def open(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._converse, sock=listener, backlog=BACKLOG)

    async def close(self) -> None:
        # A server that is closed while a connection waits to be taken over loses that
        # connection's socket. So: first no new ones, then those become conversations.
        for listener in self._server.sockets:
            asyncio.get_running_loop().remove_reader(listener)
        await _turns(2)
        self._server.close()
        for conversation in self._conversations:
            conversation.abort()
        await _end(asyncio.all_tasks() - {asyncio.current_task()})
        # An aborted connection is closed in the loop's next turn, its TLS layer in
        # the one after, and that tells the session in a third.
        await _turns(3)

    def _converse(self) -> Conversation:
        conversation = Conversation(
            self._reception,
            loop=asyncio.get_running_loop(),
            tls_context=self._context,
            size_limit=self._size_limit,
        )
        self._conversations.add(conversation)
        return conversation


async def _turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _listen(port: int) -> socket.socket:
    # asyncio switches Nagle's algorithm off only where the protocol is spelled out;
    # with it, every reply of several lines takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"the sandbox cannot listen on {HOST}:{port}: {error.strerror}",
            hint="Choose another port with --port; --port 0 takes any free one.",
        ) from error
    listener.setblocking(False)
    return listener


def _open_maildir(path: Path) -> Maildir:
    try:
        return Maildir(path)
    except OSError as error:
        raise OutputError(
            f"the Maildir {path} cannot be created: {error.strerror}",
            hint="Choose another folder with --maildir.",
        ) from error
