"""A connected socket for one conversation: written to and waited on, in clear or under TLS.

It reads while it writes, since a server may refuse content that is still on its way to it. One
mail needs no event loop, whose import took a third of the time of sending it.
"""

from __future__ import annotations

import math
import select
import time
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from nexomailer_cli.transport.limits import LONGEST_WAIT
from nexomailer_cli.transport.tls_session import TlsSession

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

PIECE = 64 * 1024


class Wire:
    """One end of a conversation. Closes with `close`.

    `blocking` is entered for every wait, and nothing else: where a signal may end it.
    """

    def __init__(
        self,
        sock: socket.socket,
        blocking: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        sock.setblocking(False)
        self.tls: TlsSession | None = None
        self._fault: OSError | None = None  # why what was written could not leave
        self._sock = sock
        self._blocking = blocking
        # In octets, of TLS where there is TLS: taken over, gone to the kernel, and how many must
        # have gone for what was written last to have left.
        self._taken, self._gone = 0, 0
        self._end: float = 0
        self._has_received = False  # since it was last waited
        self._unsent: deque[memoryview] = deque()

    @property
    def tls_version(self) -> str:
        """The version of TLS in force, empty for none."""
        return (self.tls.object.version() or "") if self.tls else ""

    @property
    def is_writing(self) -> bool:
        """Whether something that was written has not gone to the kernel yet."""
        return bool(self._unsent) or (self.tls is not None and self.tls.is_holding)

    @property
    def has_left(self) -> bool:
        """Whether all that was written has gone to the kernel, whatever broke afterwards.

        TLS has records of its own to send, in answer to the server's; with them it may be told
        that the server is gone.
        """
        return self._gone >= self._end

    def secure(self, context: ssl.SSLContext, name: str, until: float) -> None:
        """Change to TLS; raise TimeoutError at `until`, and what the system or OpenSSL say."""
        self.tls = TlsSession(context, name, send=self._put, receive=self._receive)
        while True:
            try:
                self.tls.shake_hands()
                return
            except BlockingIOError:
                self._await(until)

    def write(self, data: bytes | memoryview) -> None:
        """Let `data` go out, at once as far as it can.

        Who has hung up may have said why: an error is told by what is read next, and shows in
        `has_left`.
        """
        self._end = math.inf
        try:
            (self.tls.write if self.tls else self._put)(data)
        except OSError as error:  # OpenSSL knows already that the server has hung up
            self._fault = error
            self._unsent.clear()

    def wait(self, until: float) -> bytes | None:
        """Return what has arrived, nothing at the end of it; `None` once all has left.

        Raises TimeoutError at `until`, a moment of `time.monotonic`, and what the system or
        OpenSSL say.
        """
        was_writing = self.is_writing
        while (data := self.look()) is None:
            # The end of a negotiation may have let go what was held.
            if self.is_writing or not was_writing:
                self._await(until)
            if was_writing and not self.is_writing:
                return None
        return data

    def look(self) -> bytes | None:
        """Return what has arrived, nothing at the end of it; `None` if that is yet to come."""
        self._has_received = False
        try:
            return self.tls.read() if self.tls else self._receive()
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Hang up."""
        self._unsent.clear()
        self._sock.close()

    def _receive(self) -> bytes:
        """Return one piece; the next one comes after a wait, which watches clock and signals.

        A server can send records without end that hold no word, such as requests to negotiate
        anew, and OpenSSL asks for more each time.
        """
        if self._has_received:
            raise BlockingIOError
        data = self._sock.recv(PIECE)
        self._has_received = True
        if not data and isinstance(self._fault, ConnectionResetError):
            raise self._fault  # the system says it once, to whoever comes first
        return data

    def _put(self, data: bytes | memoryview) -> None:
        self._unsent.append(memoryview(data))
        self._taken += len(data)
        if self._end == math.inf and not (self.tls and self.tls.is_holding):
            self._end = self._taken
        self._push()

    def _push(self) -> None:
        try:
            while self._unsent and self._fault is None:
                first = self._unsent[0]
                sent = self._sock.send(first)
                self._gone += sent
                if sent < len(first):
                    self._unsent[0] = first[sent:]
                else:
                    self._unsent.popleft()
        except BlockingIOError:
            pass
        except OSError as error:
            self._fault = error
        if self._fault is not None:
            self._unsent.clear()

    def _await(self, until: float) -> None:
        """Wait until bytes have come or can go, or for a long time; send those that can.

        Raises TimeoutError from `until` on, however much there is to read.
        """
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        with self._blocking():
            poll.poll(min(left, LONGEST_WAIT) * 1000)
        self._has_received = False
        self._push()
