"""TLS by hand over a socket's bytes, so that a failed handshake leaves its evidence.

Whoever hands the socket to the ssl module gets one error and nothing else: not what the
server said instead, not the chain that was refused, not the alert. Here every byte passes by.
"""

from __future__ import annotations

import contextlib
import ssl
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_EVIDENCE = 64 * 1024  # octets that are kept


class TlsSession:
    """The client's end of TLS; `send` and `receive` move its records.

    `receive` may raise BlockingIOError: whoever called tries again when more has come.
    `round_trips` counts how often the server had to be waited for. `error` is what OpenSSL
    said if the handshake failed.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        name: str,
        *,
        send: Callable[[bytes], None],
        receive: Callable[[], bytes],
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self.error: ssl.SSLError | None = None
        self.round_trips = 0
        self._seen = bytearray()
        self._unencrypted: deque[bytes | memoryview] = deque()
        self._send = send
        self._receive = receive

    @property
    def is_holding(self) -> bool:
        """Whether something that was written waits for the end of a negotiation."""
        return bool(self._unencrypted)

    def shake_hands(self) -> None:
        """Negotiate; raise SSLError for what OpenSSL does not like, its alert being sent."""
        try:
            while not self._advance():
                self.round_trips += self._flush()
                self._take()
        except ssl.SSLError as error:
            self.error = error
            # Our alert is a courtesy: who has hung up already shall not hide what was wrong.
            with contextlib.suppress(OSError):
                self._flush()
            raise
        self._flush()

    def _advance(self) -> bool:
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def _flush(self) -> bool:
        data = self._outgoing.read()
        if data:
            self._send(data)
        return bool(data)

    def _take(self) -> None:
        data = self._receive()
        if not data:
            self._incoming.write_eof()
            return
        if len(self._seen) < MAX_EVIDENCE:
            self._seen += data
        self._incoming.write(data)

    @property
    def seen(self) -> bytes:
        """What the server sent at first, for whoever wants to know what went wrong."""
        return bytes(self._seen)

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt and send, at once or after a negotiation that the server has begun anew.

        Up to TLS 1.2 it may do so at any time, to ask for a certificate for instance. Nothing
        can be encrypted until that is over, and it goes on in `read`.
        """
        self._unencrypted.append(data)
        self._encrypt()

    def _encrypt(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            while self._unencrypted:
                self.object.write(self._unencrypted[0])  # all of it, or nothing
                self._unencrypted.popleft()
        self._flush()

    def read(self) -> bytes:
        """Wait for what the server says next; nothing once it has hung up.

        Raises SSLError: with TLS 1.3 a server refuses our certificate only after a handshake
        that went well (RFC 8446 section 4.4.2.4).
        """
        while True:
            try:
                return self.object.read(64 * 1024)
            except ssl.SSLWantReadError:
                self._encrypt()
                self._take()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
