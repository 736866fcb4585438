"""One open session: moves bytes between the wire and the pipeline, and watches the clock.

What to write and what a reply means is the pipeline's business. This file answers one
question of its own: when a connection is lost, had the end of the content gone out?
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import structs

from nexomailer_cli.errors import ProtocolError, TransportError
from nexomailer_cli.smtp import command
from nexomailer_cli.smtp.failure import classify_breakage
from nexomailer_cli.smtp.outcome import Disposition, Phase, Verdict
from nexomailer_cli.smtp.pipeline import Pipeline
from nexomailer_cli.smtp.write import Write
from nexomailer_cli.transport.base import Observer, PastReturn, Said, said_reply, unobserved
from nexomailer_cli.transport.limits import Limits

if TYPE_CHECKING:
    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.reply import Reply
    from nexomailer_cli.smtp.transaction import Transaction
    from nexomailer_cli.transport.terms import Session


class Connection(asyncio.Protocol):
    """A session after its handshake."""

    def __init__(
        self, session: Session, provider: str, limits: Limits, observer: Observer = unobserved
    ) -> None:
        self.extensions = session.extensions
        self.tls_version = session.tls_version
        self._provider = provider
        self._limits = limits
        self._observer = observer
        self._pipeline = Pipeline(session.extensions)
        self._loop = asyncio.get_running_loop()
        self._wake: asyncio.Future[None] | None = None
        self._fault: TransportError | None = None
        self._is_paused = False
        self._closed = self._loop.create_future()
        self._wire = session.wire
        # With a buffer of one octet, "resume" means that all has gone to the kernel: only
        # then does the next piece of content, or its end, follow.
        self._wire.set_write_buffer_limits(high=1, low=0)
        self._wire.set_protocol(self)

    @property
    def is_reusable(self) -> bool:
        """Whether another mail may be sent here."""
        return self._fault is None and self._pipeline.is_reusable and not self._wire.is_closing()

    async def send(self, mail: Mail) -> tuple[Disposition, ...]:
        """Hand `mail` over; return the verdict on each recipient.

        Raises TransportError when the conversation broke before anything was known;
        MessageError, with nothing sent, for an envelope that must not reach a command line.
        Where it broke later, those who were refused stay refused; the others are UNKNOWN if
        the end of the content had gone out, and DEFERRED otherwise. Being cancelled drops
        the connection, which is then out of step.
        """
        transaction = self._pipeline.submit(mail)
        try:
            await self._converse(transaction)
        except TransportError as error:
            self.abort()
            # A server may say its last word and hang up in one breath: the word counts.
            known = transaction.dispositions()
            if transaction.is_past_return or transaction.is_done:
                return tuple(_explained(each, error) for each in known)
            if all(each.verdict is Verdict.UNKNOWN for each in known):
                raise
            return tuple(_unsent(each, error) for each in known)
        except BaseException:  # being cancelled, or an observer that cannot go on
            self.abort()
            raise
        return transaction.dispositions()

    async def _converse(self, transaction: Transaction) -> None:
        while not transaction.is_done:
            await self._write_all(transaction)
            if not transaction.is_done:
                await self._wait(self._reply_seconds(transaction))

    def _reply_seconds(self, transaction: Transaction) -> float:
        if transaction.is_refused:
            return self._limits.reply  # what is still to come changes nothing
        if self._pipeline.awaiting is Phase.END or transaction.is_past_return:
            return self._limits.end_for(len(transaction.content))
        return self._limits.reply

    async def _write_all(self, transaction: Transaction) -> None:
        while self._fault is None and (write := self._pipeline.next_write()) is not None:
            if write.ends:
                self._observer(PastReturn(self._provider))
            self._tell(write)
            self._wire.write(write.data)
            if not (write.ends or write.expects):
                await self._leave(write, transaction)

    async def _leave(self, write: Write, transaction: Transaction) -> None:
        """Wait until a piece of content has left us, or is not wanted any more."""
        while self._is_paused and not transaction.is_done:
            await self._wait(self._limits.write_for(len(write.data)))
        # A write that failed is told only then: the end of content whose middle was lost
        # must not count as sent.
        await self._left()

    async def _wait(self, seconds: float) -> None:
        """Wait until something has happened; raise TransportError for a fault or a time-out."""
        if self._fault is not None:
            raise self._fault
        self._wake = self._loop.create_future()
        until = self._limits.until(seconds, now=self._loop.time())
        try:
            async with asyncio.timeout_at(until):
                await self._wake
        except TimeoutError as error:
            if self._limits.is_over(now=self._loop.time()):
                raise self._lost("deadline", "the deadline has passed") from error
            raise self._lost("timeout", "no answer within the time-out") from error
        finally:
            self._wake = None
        if self._fault is not None:
            raise self._fault

    def _lost(self, reason: str, message: str) -> TransportError:
        phase = self._pipeline.awaiting or Phase.CONTENT
        return TransportError(f"{message} (after {phase.name})", phase=phase, reason=reason)

    def _happened(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Give the bytes to the pipeline. Part of a reply wakes nobody: time-outs are per reply."""
        if self._fault is not None:
            return
        try:
            answers = self._pipeline.receive(data)
        except ProtocolError as error:
            # The reader does not know what was asked.
            error.phase = error.phase or self._pipeline.awaiting or Phase.CONTENT
            self._fault = error
            answers = []
        for _, reply in answers:
            self._tell_reply(reply)
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

    def _tell(self, write: Write) -> None:
        if self._observer is unobserved:
            return
        for line in write.commands:
            if line == command.TERMINATOR:
                self._tell_content(write)
            self._observer(Said("C", line.decode("utf-8", "replace").rstrip()))
        if write.commands[-1:] != (command.TERMINATOR,):
            self._tell_content(write)

    def _tell_content(self, write: Write) -> None:
        if write.content_length:
            self._observer(Said("C", f"({write.content_length} octets of content)"))

    def _tell_reply(self, reply: Reply) -> None:
        if self._observer is not unobserved:
            for line in said_reply(reply):
                self._observer(line)


def _unsent(disposition: Disposition, error: TransportError) -> Disposition:
    if disposition.verdict is not Verdict.UNKNOWN:
        return disposition
    phase = Phase(error.phase)
    return Disposition(
        disposition.recipient,
        Verdict.DEFERRED,
        phase,
        error.reply,
        error.reason,
        classify_breakage(phase, error.reason),
    )


def _explained(disposition: Disposition, error: TransportError) -> Disposition:
    if disposition.verdict is not Verdict.UNKNOWN:
        return disposition
    return structs.replace(disposition, reason=error.reason)
