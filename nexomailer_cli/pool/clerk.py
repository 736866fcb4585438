"""Settles the mails of one lane: from what a session showed to what the desk hears.

Every job that comes in is settled or put back exactly once, or waits in `rest` for its next
transaction. Knows neither bytes nor when anything happens.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from nexomailer_cli.errors import TransportError
from nexomailer_cli.pool.job import blameless
from nexomailer_cli.smtp.outcome import Disposition, Outcome, Phase, Status, Verdict, summary
from nexomailer_cli.transport.account import shuts_out
from nexomailer_cli.transport.batch import again, complete

if TYPE_CHECKING:
    from nexomailer_cli.pool.home import Home
    from nexomailer_cli.pool.job import Job

# What a connection dies of that was silent for too long.
_LOST = frozenset({"closed", "ECONNRESET", "EPIPE"})
_FIRST = frozenset({Phase.RSET, Phase.MAIL})


class Clerk:
    """Keeps the books of one lane."""

    def __init__(self, home: Home, tls_version: str) -> None:
        self.served = 0  # mails that were settled
        self.is_spoilt = False  # whether the session has shown that it is of no more use
        self.rest: deque[Job] = deque()  # mails with recipients still to be asked about
        self._home = home
        self._account = home.account
        self._desk = home.desk
        self._tls_version = tls_version
        self._now = asyncio.get_running_loop().time

    def conclude(self, job: Job, dispositions: tuple[Disposition, ...]) -> None:
        """Take the end of a transaction."""
        if job.is_whole and summary(dispositions) is Status.ACCEPTED:
            self._home.joining.encourage()
            self._settle(job, dispositions)
            return
        judged = tuple(map(self._account.judged, dispositions))
        waiting, is_spoilt = again(job.mail, job.tell(judged), judged)
        self.is_spoilt = self.is_spoilt or is_spoilt
        if waiting and not is_spoilt:
            job.next_part(waiting)
            self.rest.append(job)
            return
        self._heed(judged[0])
        self._settle(job, complete(job.mail, job.told, judged))

    def _heed(self, disposition: Disposition) -> None:
        """Say so where the provider wants a sign-in that it does not get."""
        reply = disposition.reply
        if reply is not None and shuts_out(disposition):
            self.is_spoilt = True
            error = TransportError(reply.text, phase=disposition.phase, reply=reply)
            self._home.shut_out(error)

    def lose(self, job: Job, error: TransportError) -> None:
        """Take a mail whose session was lost in the middle of it."""
        is_untouched = error.phase in _FIRST and not job.is_past_return and not job.told
        if job.is_first and is_untouched and error.reason in _LOST:
            # The server had hung up while nobody spoke. That is no try of this mail's.
            self._home.heal(job.mail)
            return
        # Who was refused before the session was lost stays refused.
        lost = tuple(map(self._account.judged, job.lost(self._account, error)))
        self._settle(job, complete(job.mail, job.tell(lost), lost), error)

    def follow(self, job: Job) -> None:
        """Take a mail that the loss of its session has kept from being talked about."""
        self.lose(job, TransportError("the session was lost", phase=Phase.MAIL, reason="closed"))

    def _settle(
        self,
        job: Job,
        dispositions: tuple[Disposition, ...],
        error: TransportError | None = None,
    ) -> None:
        failure = blameless(dispositions)
        if error is not None and any(each.verdict is not Verdict.DEFERRED for each in dispositions):
            error = None  # somebody has an answer, or nobody knows
        elapsed = self._now() - job.began
        attempt = self._account.attempt(
            dispositions, tls=self._tls_version, elapsed=elapsed, error=error
        )
        if failure is not None:
            self._desk.put_back(job.mail, attempt, failure)
            return
        self.served += 1
        self._desk.settle(job.mail, Outcome(dispositions, (attempt,)))
