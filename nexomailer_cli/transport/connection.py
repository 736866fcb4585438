"""One open session for one mail after the other, and the clock of each.

What to write and what a reply means is the pipeline's business. This file answers one
question of its own: when a connection is lost, had the end of the content gone out?
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nexomailer_cli.errors import TransportError
from nexomailer_cli.smtp.outcome import Phase, Verdict
from nexomailer_cli.transport.account import explained, unsent
from nexomailer_cli.transport.base import Observer, PastReturn, unobserved
from nexomailer_cli.transport.dialogue import Dialogue
from nexomailer_cli.transport.limits import Limits

if TYPE_CHECKING:
    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.outcome import Disposition
    from nexomailer_cli.smtp.transaction import Transaction
    from nexomailer_cli.smtp.write import Write
    from nexomailer_cli.transport.terms import Session


class Connection(Dialogue):
    """A session that one mail after the other is awaited on."""

    def __init__(
        self, session: Session, provider: str, limits: Limits, observer: Observer = unobserved
    ) -> None:
        super().__init__(session, observer)
        self._provider = provider
        self._limits = limits
        self._wake: asyncio.Future[None] | None = None

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
                return tuple(explained(each, error) for each in known)
            if all(each.verdict is Verdict.UNKNOWN for each in known):
                raise
            return tuple(unsent(each, error) for each in known)
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
            self._say(write)
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

    def _happened(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
