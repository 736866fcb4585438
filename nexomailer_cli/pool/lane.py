"""One session of a pool: works off mails by callbacks, with no task and no future for any of them.

Bytes come in, the pipeline says what they mean, the desk hears of it, and the next bytes go
out, all within one turn of the loop. Where the server was found to take it, the end of one
mail and the envelope of the next are one write.

The promises kept here: the desk has recorded its intent before the end of a content goes
out; every mail drawn comes to the clerk exactly once; when the session is lost, those
whose end had gone out are unknown and all others go back.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from nexomailer_cli.errors import MessageError, TransportError
from nexomailer_cli.pool.clerk import Clerk
from nexomailer_cli.pool.dialogue import Dialogue
from nexomailer_cli.pool.job import Job, unsendable
from nexomailer_cli.pool.joining import TRIAL_SECONDS, Behind
from nexomailer_cli.pool.watch import Watch
from nexomailer_cli.smtp.write import MAX_EAGER_BYTES, PIECE_BYTES
from nexomailer_cli.transport.base import Observer, Withheld

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from nexomailer_cli.pool.home import Home
    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.transaction import Transaction
    from nexomailer_cli.smtp.write import Write
    from nexomailer_cli.transport.terms import Session

# A server may have hung up on a connection that was silent for longer.
FRESH_SECONDS = 1.0


class Lane(Dialogue):
    """A session that draws mails until it is used up, told to stop, or lost."""

    def __init__(
        self, wire: asyncio.Transport, session: Session, home: Home, observer: Observer
    ) -> None:
        super().__init__(wire, session, observer)
        self._home = home
        self._clerk = Clerk(home, session.tls_version)
        self._limits = home.account.limits
        self._mails_left = min(
            home.limits.messages, session.extensions.max_mails or home.limits.messages
        )
        self._jobs: deque[Job] = deque()  # the one that is answered now, and the one joined to it
        self._is_quick = session.extensions.pipelining and session.extensions.chunking
        self._unwritten: list[bytes | memoryview] = []
        self._is_trying = False  # whether the server takes what is joined
        self._is_leaving = False  # a piece of content is on its way
        self._is_over = False
        shortest = min(self._limits.reply, home.limits.idle, TRIAL_SECONDS)
        self._watch = Watch(self._loop, shortest, self._patience, self._expire)

    @property
    def served(self) -> int:
        """How many mails were settled here."""
        return self._clerk.served

    @property
    def has_failed(self) -> bool:
        """Whether the session was lost, or has shown that it is of no use."""
        return self._fault is not None or self._clerk.is_spoilt

    @property
    def _may_begin(self) -> bool:
        return self._mails_left > 0 and not self._clerk.is_spoilt

    # --- beginning ---------------------------------------------------------------------------

    def pull(self) -> None:
        """Take the next mail, if there is one; to be called when nothing is under way."""
        while not self._jobs and not self._is_over:
            if not (self._may_begin and self.is_reusable):
                self.stop()
            elif (job := self._draw()) is not None:
                self._begin(job)
            else:
                self._home.rest(self)
                return
        self._flush()

    def _draw(self) -> Job | None:
        if self._clerk.rest:
            return self._clerk.rest.popleft()
        mail = self._home.draw()
        return None if mail is None else Job(mail, mail, self._loop.time())

    def _begin(self, job: Job) -> None:
        job.is_first = self._watch.silence() > FRESH_SECONDS
        self._watch.note()
        if job.is_first or not self._is_quick or len(job.mail.content) > MAX_EAGER_BYTES:
            self._enter(job, partial(self._pipeline.submit, hold=True))
        elif self._fits(job):
            # Envelope and content are one write, so the intent comes before both.
            self._jobs.append(job)
            self._ask(job)

    def _fits(self, job: Job) -> bool:
        """Cut off the part that this server takes at once; conclude what it cannot take at all."""
        account, extensions = self._home.account, self.extensions
        if job.mail.envelope.notify and not extensions.dsn:
            self._observer(Withheld(account.name, "delivery reports (DSN)"))
        refused = job.fit(account, extensions)
        if refused:
            self._clerk.conclude(job, refused)
        return not refused

    def _enter(self, job: Job, submit: Callable[[Mail], Transaction]) -> bool:
        """Begin the conversation about a mail; conclude one that must not be talked about."""
        if not self._fits(job):
            return False
        try:
            job.transaction = submit(job.part)
        except MessageError:
            self._clerk.conclude(job, unsendable(job.part))
            return False
        self._mails_left -= 1
        self._jobs.append(job)
        return True

    # --- the point of no return ----------------------------------------------------------------

    def _ask(self, job: Job) -> None:
        if job.is_intended:  # for an earlier part of the same mail
            self._go(job)
        elif not job.is_asked:
            job.is_asked = True
            self._home.desk.intend(job.mail, partial(self._go, job))

    def _go(self, job: Job) -> None:
        """Let the end of the content go, now that the desk has its intent on record."""
        if not self._jobs or self._jobs[0] is not job or job.is_past_return:
            return
        job.is_intended = True
        if not self.is_reusable:
            self._break_off(self._spoilt())
        elif job.transaction is not None:
            self._pipeline.release()
            if self._pipeline.is_joinable:
                self._join()
        else:
            self._jobs.popleft()
            if not self._enter(job, self._pipeline.submit):
                self._loop.call_soon(self.pull)
        self._flush()

    def _spoilt(self) -> TransportError:
        if self._pipeline.is_reusable:
            return self._lost("closed", "the server closed the connection")
        return self._lost("surplus", "the server said more than it was asked")

    def _join(self) -> None:
        """Put behind the end of the content what the server is known, or tried, to take there."""
        joining = self._home.joining
        behind = joining.choose()
        if behind is Behind.NOTHING:
            return
        self._is_trying = joining.is_taken is None
        if behind is Behind.RESET:
            self._pipeline.join_reset()
        elif not self._join_next() and self._is_trying:
            self._is_trying = False
            joining.decline()

    def _join_next(self) -> bool:
        while self._may_begin and (job := self._draw()) is not None:
            if self._enter(job, self._pipeline.join):
                return True
        return False

    # --- bytes ---------------------------------------------------------------------------------

    def _write(self, write: Write) -> None:
        """Let bytes go at the end of this turn, beside the other lanes': waking a peer is dear.

        A piece of a large content goes at once: its clock begins then.
        """
        if not self._unwritten:
            self._loop.call_soon(self._write_out)
        self._unwritten.append(write.data)
        if not (write.ends or write.expects):
            self._write_out()

    def _write_out(self) -> None:
        data, self._unwritten = self._unwritten, []
        if data and not self._wire.is_closing():
            self._wire.writelines(data)

    def _flush(self) -> None:
        """Write all that may be written now; ask the desk where only the end is left."""
        while not self._is_leaving and not self._is_over:
            write = self._pipeline.next_write()
            if write is None:
                break
            self._say(write)
            if not (write.ends or write.expects):
                self._is_leaving = True
                self._await_leaving()
        if self._jobs and self._pipeline.is_held_back and not self._is_leaving:
            self._ask(self._jobs[0])

    def _await_leaving(self) -> None:
        """Go on two turns after a piece of content has left us.

        A write that failed is told only then: its end must not count as sent.
        """
        if not self._is_paused:
            self._loop.call_soon(self._loop.call_soon, self._left_us)

    def _left_us(self) -> None:
        self._is_leaving = False
        self._watch.note()
        self._flush()

    def resume_writing(self) -> None:
        """All bytes have gone to the kernel."""
        self._is_paused = False
        if self._is_leaving:
            self._await_leaving()

    def _happened(self) -> None:
        if self._is_over:
            return
        self._watch.note()
        while self._jobs and self._jobs[0].is_done:
            job = self._jobs.popleft()
            self._clerk.conclude(job, job.dispositions())
        if self._fault is not None:
            self._break_off(self._fault)
        elif self._pipeline.awaiting is not None:
            self._flush()
        else:
            if self._is_trying:
                is_spoilt = self._clerk.is_spoilt or not self._pipeline.may_join
                self._conclude_trial(is_good=not is_spoilt)
            self.pull()

    def _conclude_trial(self, *, is_good: bool) -> None:
        self._is_trying = False
        self._clerk.is_spoilt = not is_good  # out of step, if not worse
        self._home.joining.conclude(is_good=is_good)

    # --- the end ---------------------------------------------------------------------------------

    def cut(self) -> None:
        """Drop everything at once."""
        if not self._is_over:
            self._break_off(self._lost("stopped", "we hung up"))

    def stop(self) -> None:
        """Do nothing more, and part politely; to be called when nothing is under way."""
        self._is_over = True
        self._watch.stop()
        for job in self._clerk.rest:
            self._clerk.follow(job)
        self._clerk.rest.clear()
        self._home.retire(self)

    def _break_off(self, error: TransportError) -> None:
        self._is_over = True
        self._fault = error
        self.abort()
        if self._is_trying:
            self._conclude_trial(is_good=False)
        jobs = tuple(self._jobs)
        self._jobs.clear()
        for job in jobs[:1]:
            self._clerk.lose(job, error)
        for job in jobs[1:]:
            self._clerk.follow(job)
        self.stop()

    def _patience(self) -> float:
        """Return how long nothing may happen just now, in seconds."""
        if self._is_leaving:
            return self._limits.write_for(PIECE_BYTES)
        awaiting = self._pipeline.awaiting
        if not self._jobs:
            return self._home.limits.idle if awaiting is None else TRIAL_SECONDS
        if awaiting is None:
            return float("inf")  # the desk is at work
        return self._jobs[0].patience(awaiting, self._limits)

    def _expire(self) -> None:
        if self._jobs:
            self._break_off(self._lost("timeout", "no answer within the time-out"))
        else:
            if self._is_trying:
                self._conclude_trial(is_good=False)
            self.stop()
