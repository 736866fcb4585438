"""Where rows go out and verdicts come in: the pools' counterpart (`pool.desk.Desk`).

Acts on what the pure parts of this room decide (`schedule`, `ruling`), and lets no mail end
before the ledger has it. Knows no sockets and no loop: time comes from a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.bulk.blame import blame
from nexomailer_cli.bulk.events import Settled
from nexomailer_cli.bulk.ruling import (
    LONGEST_DELAY,
    Ruling,
    first_words,
    refused_in,
    rule,
    words_of,
)
from nexomailer_cli.bulk.state import Intent, State, Verdicted
from nexomailer_cli.bulk.tally import Tally
from nexomailer_cli.bulk.vigil import Vigil
from nexomailer_cli.errors import InputError, MessageError, OutputError
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.failure import Scope
from nexomailer_cli.smtp.outcome import Disposition, Verdict
from nexomailer_cli.transport.retry import JITTER, retry_delay

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.bulk.course import Course
    from nexomailer_cli.bulk.job import Job
    from nexomailer_cli.bulk.ledger import Ledger
    from nexomailer_cli.bulk.queue import Queue
    from nexomailer_cli.bulk.schedule import Gate, LineUp
    from nexomailer_cli.bulk.turns import Turns
    from nexomailer_cli.errors import NexomailerError
    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.failure import Failure
    from nexomailer_cli.smtp.outcome import Attempt, Outcome

AGAIN_SECONDS = 5.0  # a row that no provider could serve, none of which is to blame for it
MAX_SESSIONS = 3
NOT_SERVED = frozenset({State.REJECTED, State.UNKNOWN})


class Desk:
    """Hands out mail, and keeps account of it."""

    def __init__(
        self,
        queue: Queue,
        line_up: LineUp,
        ledger: Ledger,
        course: Course,
        turns: Turns,
        clock: Callable[[], float],
    ) -> None:
        self.tally = Tally(course.bounds)
        self.failure: NexomailerError | None = None
        self.last_trouble: Attempt | None = None
        self.line_up = line_up
        self._queue = queue
        self._ledger = ledger
        self._course = course
        self._turns = turns
        self._clock = clock
        self._out: dict[str, Job] = {}
        self._vigil = Vigil(self, queue, ledger, course, turns, clock)
        ledger.on_failure = self._fail

    @property
    def in_flight(self) -> int:
        """How many mails are with the pools."""
        return len(self._out)

    def take(self, provider: str) -> Mail | None:
        """Return the next mail for a provider, None when there is none now."""
        gate = self.line_up.gates[provider]
        now = self._clock()
        try:
            while not self.stop_reason and not gate.wait(now):
                job = self._queue.next(provider, self.line_up, now)
                if job is None:
                    break
                if mail := self._written(job, now):
                    return self._handed_out(job, mail, gate, now)
        except (OutputError, InputError) as error:
            self._fail(error)
        self._vigil.look_soon()
        return None

    def intend(self, mail: Mail, go: Callable[[], None]) -> None:
        """Call `go` when it is on record that the end of `mail` may be out."""
        job = self._out[mail.message_id]
        job.is_intended = True
        self._ledger.intend(Intent(job.number, job.provider, job.began), go)

    def settle(self, mail: Mail, outcome: Outcome) -> None:
        """Take what became of a mail that a server answered about."""
        latest = outcome.attempts[-1] if outcome.attempts else None
        self._come_back(mail, outcome.dispositions, latest)

    def put_back(self, mail: Mail, attempt: Attempt, failure: Failure) -> None:
        """Take a mail back that was certainly not delivered."""
        said = attempt.phase, attempt.reply, attempt.reason, failure
        recipients = mail.envelope.recipients
        dispositions = tuple(Disposition(each, Verdict.DEFERRED, *said) for each in recipients)
        self._come_back(mail, dispositions, attempt)

    def stop(self, reason: str) -> None:
        """Hand out nothing more."""
        self._vigil.stop(reason)

    @property
    def stop_reason(self) -> str:
        """Why nothing more is handed out, if so."""
        return self._vigil.stop_reason

    def look_soon(self) -> None:
        """See whether there is anything left to do, and when."""
        self._vigil.look_soon()

    def close(self) -> None:
        """Write what is still in memory."""
        self._vigil.silence()
        self._ledger.close(in_flight=len(self._out))

    def _written(self, job: Job, now: float) -> Mail | None:
        try:
            mail = self._course.write(job, int(now))
        except MessageError as error:
            job.provider = ""
            self._end(job, State.REJECTED, None, printable(str(error)))
            return None
        # Addresses may have been corrected since.
        rest = tuple(each for each in mail.envelope.recipients if each in job.rest)
        return mail.only(rest) if rest else mail

    def _handed_out(self, job: Job, mail: Mail, gate: Gate, now: float) -> Mail:
        gate.take(now)
        job.provider = gate.name
        self._out[mail.message_id] = job
        return mail

    def _come_back(
        self, mail: Mail, dispositions: tuple[Disposition, ...], attempt: Attempt | None
    ) -> None:
        now = self._clock()
        job = self._out.pop(mail.message_id)
        self._ledger.withdraw(job.number)
        self._heed(job, dispositions, attempt, now)
        ruling = rule(dispositions, job.flaw)
        job.flaw = ruling.flaw
        self._follow(job, ruling, attempt.text if attempt else "", now)
        if not self._out:
            self._vigil.look_soon()

    def _heed(
        self,
        job: Job,
        dispositions: tuple[Disposition, ...],
        attempt: Attempt | None,
        now: float,
    ) -> None:
        is_repeated = job.sessions >= MAX_SESSIONS
        gate = self.line_up.gates[job.provider]
        trouble = blame(gate, dispositions, attempt, now, is_repeated=is_repeated)
        if trouble is not None:
            self.last_trouble = trouble.attempt
            self._course.tell(trouble)

    def _follow(self, job: Job, ruling: Ruling, text: str, now: float) -> None:
        match ruling.state:
            case State.WAITING:
                self._again(job, ruling, text, now)
            case State.DEFERRED:
                self._defer(job, ruling, text, now)
            case state:
                job.rest = ruling.rest or job.rest
                self._end(job, state, ruling.decisive, text)

    def _again(self, job: Job, ruling: Ruling, text: str, now: float) -> None:
        """Send a row again at once: it was not the row that failed."""
        failure = ruling.decisive.failure
        scope = failure.scope if failure else Scope.SESSION
        if scope in (Scope.SESSION, Scope.CROWD):
            job.sessions += 1
            if job.sessions > MAX_SESSIONS:
                self._defer(job, ruling, text, now)
                return
        if ruling.shuts:
            job.shut |= {job.provider}
            if job.shut >= self.line_up.gates.keys():
                self._end(job, State.REJECTED, ruling.decisive, text)
                return
        elif scope is Scope.PROVIDER:
            job.avoided |= {job.provider}
        if job.is_intended or ruling.rest != job.rest:
            # What keeps a row that was tried before from a second copy is its own lease.
            self._note(job, ruling, State.LEASED if job.tries else State.WAITING, text)
        self._requeue(job, now)

    def _defer(self, job: Job, ruling: Ruling, text: str, now: float) -> None:
        """Put a row off; what another provider may do better goes there at once."""
        job.tries += 1
        job.sessions = 0
        failure = ruling.decisive.failure
        job.avoided |= {job.provider}
        is_tried_elsewhere = failure is not None and failure.may_fail_over
        if is_tried_elsewhere and not (job.avoided | job.shut) >= self.line_up.usable():
            self._note(job, ruling, State.LEASED, text)
            self._requeue(job, now)
            return
        job.avoided = frozenset()
        delay = retry_delay(ruling.decisive, job.tries)
        due = now + min(delay, LONGEST_DELAY) * (1.0 + JITTER * self._course.random.random())
        verdict = self._note(job, ruling, State.DEFERRED, text, due)
        is_final = due > self._course.until
        if not is_final:
            self._queue.put_later(job, due)
        self._announce(job, verdict, is_final=is_final)

    def _requeue(self, job: Job, now: float) -> None:
        if (job.avoided | job.shut) >= self.line_up.usable():
            job.avoided = frozenset()
            self._queue.put_later(job, now + AGAIN_SECONDS)
        else:
            self._queue.put_front(job)
        self._turns.soon(self._turns.wake)

    def _note(
        self, job: Job, ruling: Ruling, state: State, text: str, due: float = 0.0
    ) -> Verdicted:
        """Put on record that a row is open again."""
        job.rest = ruling.rest
        job.is_intended = False
        verdict = Verdicted(
            job.number,
            state,
            job.tries,
            job.provider,
            *words_of(ruling.decisive, text),
            due=due,
            rest=job.rest,
            flaw=job.flaw,
        )
        self._ledger.record(verdict)
        return verdict

    def _end(self, job: Job, state: State, decisive: Disposition | None, text: str) -> None:
        code, enhanced, words = words_of(decisive, text)
        # Whose refusal it was goes without saying where there was nobody else.
        if state is State.REJECTED and refused_in(job.flaw) not in ((), (job.key,)):
            words = first_words(job.flaw)
        verdict = Verdicted(
            *(job.number, state, job.tries + 1, job.provider, code, enhanced, words),
            # Who has got it does not get it again when the row is sent again.
            rest=job.rest if state in NOT_SERVED else (),
        )
        self._ledger.record(verdict)
        self._announce(job, verdict, is_final=True)

    def _announce(self, job: Job, verdict: Verdicted, *, is_final: bool) -> None:
        settled = Settled(
            job.number,
            job.key,
            verdict.state,
            verdict.tries,
            verdict.provider,
            verdict.code,
            verdict.enhanced,
            verdict.text,
            verdict.due,
            is_final,
        )
        complaint = self.tally.add(settled)
        self._course.tell(settled)
        if complaint:
            self.stop(complaint)

    def _fail(self, error: NexomailerError) -> None:
        """Stop at once: what cannot be recorded must not be sent."""
        self.failure = self.failure or error
        self._vigil.give_up(str(error))
