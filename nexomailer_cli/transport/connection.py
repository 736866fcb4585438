"""One session in use: one mail after the other, and the clock of each.

What to write and what a reply means is the pipeline's business. This file answers one
question of its own: when a connection is lost, had the end of the content gone out?
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nexomailer_cli.errors import ProtocolError, TransportError
from nexomailer_cli.smtp import command
from nexomailer_cli.smtp.outcome import Phase, Verdict
from nexomailer_cli.smtp.pipeline import Pipeline
from nexomailer_cli.transport.account import explained, unsent
from nexomailer_cli.transport.base import Observer, PastReturn, Said, unobserved
from nexomailer_cli.transport.breakage import lost
from nexomailer_cli.transport.limits import Limits
from nexomailer_cli.transport.telling import said_replies, said_write

if TYPE_CHECKING:
    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.outcome import Disposition
    from nexomailer_cli.smtp.transaction import Transaction
    from nexomailer_cli.smtp.write import Write
    from nexomailer_cli.transport.terms import Session
    from nexomailer_cli.transport.wire import Wire


class Connection:
    """A session that takes one mail after the other."""

    def __init__(
        self,
        wire: Wire,
        session: Session,
        provider: str,
        limits: Limits,
        observer: Observer = unobserved,
    ) -> None:
        self.extensions = session.extensions
        self._wire = wire
        self._provider = provider
        self._limits = limits
        self._observer = observer
        self._pipeline = Pipeline(
            session.extensions, is_lmtp=session.is_lmtp, unspoken=session.unspoken
        )
        self._is_open = True

    @property
    def is_reusable(self) -> bool:
        """Whether another mail may be sent here, by all that the server has said."""
        if self._is_open and self._pipeline.is_reusable:
            self._look()
        return self._is_open and self._pipeline.is_reusable

    def _look(self) -> None:
        """Take what the server said while it was not asked: that it hangs up, for instance."""
        try:
            data = self._wire.look()
            if data == b"":
                self.abort()
            elif data:
                self._understand(data)
        except (OSError, ProtocolError):
            self.abort()

    def send(self, mail: Mail) -> tuple[Disposition, ...]:
        """Hand `mail` over; return the verdict on each recipient.

        Raises TransportError when the conversation broke before anything was known;
        MessageError, with nothing sent, for an envelope that must not reach a command line.
        Where it broke later, those who were refused stay refused; the others are UNKNOWN if
        the end of the content had gone out, and DEFERRED otherwise. Being interrupted drops
        the connection, which is then out of step.
        """
        transaction = self._pipeline.submit(mail)
        try:
            self._converse(transaction)
        except TransportError as error:
            # What stays behind in our own buffer is an end that nobody has.
            has_ended = transaction.is_past_return and self._wire.has_left
            self.abort()
            # A server may say its last word and hang up in one breath: the word counts.
            known = transaction.dispositions()
            if has_ended or transaction.is_done:
                return tuple(explained(each, error) for each in known)
            if all(each.verdict is Verdict.UNKNOWN for each in known):
                raise
            return tuple(unsent(each, error) for each in known)
        except BaseException:  # being interrupted, or an observer that cannot go on
            self.abort()
            raise
        return transaction.dispositions()

    def _converse(self, transaction: Transaction) -> None:
        while not transaction.is_done:
            self._write_all(transaction)
            if not transaction.is_done:
                self._hear(self._reply_seconds(transaction))

    def _reply_seconds(self, transaction: Transaction) -> float:
        if transaction.is_refused:
            return self._limits.reply  # what is still to come changes nothing
        if self._pipeline.awaiting is Phase.END or transaction.is_past_return:
            return self._limits.end_for(len(transaction.content))
        return self._limits.reply

    def _write_all(self, transaction: Transaction) -> None:
        while (write := self._pipeline.next_write()) is not None:
            if write.ends:
                self._observer(PastReturn(self._provider))
            for line in said_write(write):
                self._observer(line)
            self._wire.write(write.data)
            if write.ends or not write.expects:
                self._leave(write, transaction)

    def _leave(self, write: Write, transaction: Transaction) -> None:
        """Wait until a piece of content has left us, or is not wanted any more.

        The end of content whose middle was lost must not count as sent. So after a write that
        failed there is only the server's last word to be heard.
        """
        wire = self._wire
        while not (wire.has_left or transaction.is_done):
            self._hear(self._limits.write_for(len(write.data)), or_left=True)

    def _hear(self, seconds: float, *, or_left: bool = False) -> None:
        """Wait for a whole reply, or until all that was written has left.

        Raises TransportError for a time-out, and for a connection that is no more.
        """
        until = self._limits.until(seconds, now=time.monotonic())
        while True:
            try:
                data = self._wire.wait(until)
            except TimeoutError as error:
                raise self._silent() from error
            except OSError as error:
                raise self._lost(error) from error
            if data == b"":
                raise self._lost()
            if self._understand(data) if data else or_left:
                return

    def _understand(self, data: bytes) -> bool:
        """Give bytes to the pipeline; return whether a reply has come with them."""
        try:
            answers = self._pipeline.receive(data)
        except ProtocolError as error:
            # The reader does not know what was asked.
            error.phase = error.phase or self._phase
            raise
        for line in said_replies(answers):
            self._observer(line)
        return bool(answers)

    @property
    def _phase(self) -> Phase:
        awaiting = self._pipeline.awaiting
        if awaiting is Phase.END and not self._wire.has_left:
            return Phase.CONTENT
        return awaiting or Phase.CONTENT

    def _silent(self) -> TransportError:
        if self._limits.is_over(now=time.monotonic()):
            return lost(self._phase, "deadline", "the deadline has passed")
        return lost(self._phase, "timeout", "no answer within the time-out")

    def _lost(self, error: OSError | None = None) -> TransportError:
        reason = "ECONNRESET" if isinstance(error, ConnectionResetError) else "closed"
        return lost(self._phase, reason, "the server closed the connection")

    def abort(self) -> None:
        """Drop the connection, without the end of anything that is on its way."""
        self._is_open = False
        self._wire.close()

    def close(self) -> None:
        """Say QUIT and hang up, without waiting for its answer, like Postfix.

        RFC 5321 section 4.1.1.10 would like the client to, which costs every run a round
        trip for a reply that nothing depends on.
        """
        try:
            if self.is_reusable:
                self._observer(Said("C", "QUIT"))
                self._wire.write(command.QUIT)
        finally:
            self.abort()
