"""An open session between a wire and a pipeline: bytes in, bytes out, and what broke.

When something has happened a `Lane` hears of it in `_happened`; when to write and how long to be
patient is its business.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nexomailer_cli.errors import ProtocolError, TransportError
from nexomailer_cli.smtp import command
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.pipeline import Pipeline
from nexomailer_cli.transport.base import Observer, Said, unobserved
from nexomailer_cli.transport.breakage import lost
from nexomailer_cli.transport.telling import said_replies, said_write

if TYPE_CHECKING:
    from nexomailer_cli.smtp.write import Write
    from nexomailer_cli.transport.terms import Session


class Dialogue(asyncio.Protocol):
    """A session after its handshake."""

    def __init__(
        self, wire: asyncio.Transport, session: Session, observer: Observer = unobserved
    ) -> None:
        self.extensions = session.extensions
        self.tls_version = session.tls_version
        self._observer = observer
        self._pipeline = Pipeline(
            session.extensions, is_lmtp=session.is_lmtp, unspoken=session.unspoken
        )
        self._loop = asyncio.get_running_loop()
        self._fault: TransportError | None = None
        self._is_paused = False
        self._closed = self._loop.create_future()
        self._wire = wire
        # With a buffer of one octet, "resume" means that all has gone to the kernel: only
        # then does the next piece of content, or its end, follow.
        self._wire.set_write_buffer_limits(high=1, low=0)
        self._wire.set_protocol(self)

    @property
    def is_reusable(self) -> bool:
        """Whether another mail may be sent here."""
        return self._fault is None and self._pipeline.is_reusable and not self._wire.is_closing()

    def _happened(self) -> None:
        """Hear that replies have come, that what was written has left, or that the wire broke."""
        raise NotImplementedError

    def _lost(self, reason: str, message: str) -> TransportError:
        return lost(self._pipeline.awaiting or Phase.CONTENT, reason, message)

    def data_received(self, data: bytes) -> None:
        """Give the bytes to the pipeline. Part of a reply is no event: time-outs are per reply."""
        if self._fault is not None:
            return
        try:
            answers = self._pipeline.receive(data)
        except ProtocolError as error:
            # The reader does not know what was asked.
            error.phase = error.phase or self._pipeline.awaiting or Phase.CONTENT
            self._fault = error
            answers = []
        if self._observer is not unobserved:
            for line in said_replies(answers):
                self._observer(line)
        if answers or self._fault:
            self._happened()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the wire is gone."""
        if self._fault is None:
            reset = isinstance(exc, ConnectionResetError)
            self._fault = self._lost(
                "ECONNRESET" if reset else "closed", "the server closed the connection"
            )
        if not self._closed.done():
            self._closed.set_result(None)
        self._happened()

    def pause_writing(self) -> None:
        """Bytes wait in our own buffer."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """All bytes have gone to the kernel."""
        self._is_paused = False
        self._happened()

    def abort(self) -> None:
        """Drop the connection, without the end of anything that is on its way."""
        self._wire.abort()

    async def aclose(self) -> None:
        """Say QUIT and hang up."""
        try:
            if self.is_reusable:
                await self._part()
        finally:
            self._wire.abort()
        await self._closed

    async def _part(self) -> None:
        """Send QUIT, and do not wait for its answer, like Postfix.

        RFC 5321 section 4.1.1.10 would like the client to, which costs every run a round
        trip for a reply that nothing depends on.
        """
        self._observer(Said("C", "QUIT"))
        self._wire.write(command.QUIT)
        await self._left()

    async def _left(self) -> None:
        """Give what was written a moment to go: two turns of the loop, as TLS needs."""
        for _ in range(2):
            await asyncio.sleep(0)

    def _say(self, write: Write) -> None:
        if self._observer is not unobserved:
            for line in said_write(write):
                self._observer(line)
        self._write(write)

    def _write(self, write: Write) -> None:
        self._wire.write(write.data)
