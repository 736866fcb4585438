"""Where rows go out and verdicts come in: the pools' counterpart.

Decides by the pure parts of this room (`schedule`, `ruling`) and sees to it that the journal
says what is about to happen before it does. Knows no sockets: time comes from a clock, and
`Turns` are what it needs of an event loop.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from nexomailer_cli.bulk.events import Settled, Stopping, Troubled
from nexomailer_cli.bulk.ruling import Ruling, rule
from nexomailer_cli.bulk.state import Intent, State, Verdicted
from nexomailer_cli.errors import InputError, MessageError, OutputError
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.failure import Failure, Scope
from nexomailer_cli.smtp.outcome import Attempt, Disposition, Outcome, Verdict
from nexomailer_cli.transport.retry import JITTER, retry_delay

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from nexomailer_cli.bulk.events import Listener
    from nexomailer_cli.bulk.job import Job
    from nexomailer_cli.bulk.journal import Journal, Spending
    from nexomailer_cli.bulk.queue import Queue
    from nexomailer_cli.bulk.schedule import Gate, LineUp
    from nexomailer_cli.errors import NexomailerError
    from nexomailer_cli.smtp.envelope import Mail

LAZY_SECONDS = 0.05  # how long a verdict may be in memory only
AGAIN_SECONDS = 5.0  # a row that no provider could serve, none of which is to blame for it
MAX_SESSIONS = 3
LONG_PERIOD = 60.0  # seconds; what was taken of shorter rates is not worth remembering
MIN_SAMPLE = 100  # rows before a share of errors means anything


class Turns(Protocol):
    """What the desk needs of an event loop."""

    def soon(self, work: Callable[[], None]) -> None:
        """Do `work` when all that has arrived by now is dealt with."""
        ...

    def at(self, moment: float, work: Callable[[], None]) -> Callable[[], None]:
        """Do `work` at a moment of the desk's clock; return how to call that off."""
        ...

    def wake(self) -> None:
        """Let every pool ask for mail again."""
        ...

    def finished(self) -> None:
        """Take note that there is nothing left to do."""
        ...


class Course(Struct, frozen=True, kw_only=True):
    """How a run is to go: moments of the wall clock, in seconds.

    `write` makes the mail of a row. `patience` is for how long it waits for providers none
    of which is of use, `until` when it stops trying again. `max_errors` is a number of rows,
    `max_error_share` a part of them; 0 is no limit.
    """

    write: Callable[[Job], Mail]
    until: float = float("inf")
    patience: float = 0.0
    max_errors: int = 0
    max_error_share: float = 0.0


class Desk:
    """Hands out mail, and keeps account of it."""

    def __init__(
        self,
        queue: Queue,
        line_up: LineUp,
        journal: Journal,
        course: Course,
        *,
        turns: Turns,
        clock: Callable[[], float],
        random: Random,
        listener: Listener,
    ) -> None:
        self.tally: Counter[State] = Counter()
        self.by_provider: dict[str, Counter[State]] = {}
        self.failure: NexomailerError | None = None
        self.last_trouble: Attempt | None = None
        self.stop_reason = ""
        self._queue = queue
        self._line_up = line_up
        self._journal = journal
        self._course = course
        self._turns = turns
        self._clock = clock
        self._random = random
        self._tell = listener
        self._out: dict[str, Job] = {}
        self._intents: dict[int, tuple[Intent, Callable[[], None]]] = {}
        self._verdicts: list[Verdicted] = []
        self._is_flush_due = False
        self._is_flush_planned = False
        self._is_look_due = False
        self._alarm: tuple[float, Callable[[], None]] | None = None
        self._progress = clock()

    @property
    def in_flight(self) -> int:
        """How many mails are with the pools."""
        return len(self._out)

    # What the pools ask.

    def take(self, provider: str) -> Mail | None:
        """Return the next mail for a provider, None when there is none now."""
        if self.stop_reason:
            return None
        try:
            return self._next(provider, self._clock())
        except (OutputError, InputError) as error:
            self._fail(error)
            return None

    def intend(self, mail: Mail, go: Callable[[], None]) -> None:
        """Call `go` when it is on record that the end of `mail` may be out."""
        if self.failure is not None:
            return
        job = self._out[mail.message_id]
        job.is_intended = True
        self._intents[job.number] = (Intent(job.number, job.provider, job.began), go)
        if not self._is_flush_due:
            self._is_flush_due = True
            self._turns.soon(self._flush)

    def settle(self, mail: Mail, outcome: Outcome) -> None:
        """Take what became of a mail that a server answered about."""
        now = self._clock()
        job = self._out.pop(mail.message_id)
        self._heed(job, outcome.dispositions, outcome.attempts[-1:], now)
        self._follow(job, rule(outcome.dispositions, job.flaw), now)

    def put_back(self, mail: Mail, attempt: Attempt, failure: Failure) -> None:
        """Take a mail back that was certainly not delivered."""
        now = self._clock()
        job = self._out.pop(mail.message_id)
        self._intents.pop(job.number, None)
        dispositions = tuple(
            Disposition(
                recipient, Verdict.DEFERRED, attempt.phase, attempt.reply, attempt.reason, failure
            )
            for recipient in mail.envelope.recipients
        )
        self._heed(job, dispositions, (attempt,), now)
        self._follow(job, rule(dispositions, job.flaw), now, text=attempt.text)

    # What the runner asks.

    def stop(self, reason: str) -> None:
        """Hand out nothing more."""
        if self.stop_reason:
            return
        self.stop_reason = reason
        self._tell(Stopping(reason))
        self._look_soon()

    def close(self) -> None:
        """Write what is still in memory, and that the rest was not sent."""
        self._silence()
        if self.failure is None:
            self._flush()
        if self.failure is None and not self._out:
            self._journal.release()

    def look(self) -> None:
        """See whether there is anything left to do, and when."""
        self._is_look_due = False
        now = self._clock()
        if not self._is_waiting(now) and not self._out:
            self._turns.finished()

    # Handing out.

    def _next(self, provider: str, now: float) -> Mail | None:
        gate = self._line_up.gates[provider]
        while not self.stop_reason:
            job = self._queue.next(provider, self._line_up, now) if not gate.wait(now) else None
            if job is None:
                break
            mail = self._written(job, now)
            if mail is not None:
                gate.take(now)
                job.provider, job.started = provider, now
                self._out[mail.message_id] = job
                return mail
        self._look_soon()
        return None

    def _written(self, job: Job, now: float) -> Mail | None:
        job.began = job.began or int(now)
        try:
            mail = self._course.write(job)
        except MessageError as error:
            job.provider = ""
            self._end(job, State.REJECTED, None, printable(str(error)))
            return None
        return mail.only(job.rest) if job.rest else mail

    # What follows from answers.

    def _heed(
        self,
        job: Job,
        dispositions: tuple[Disposition, ...],
        attempts: tuple[Attempt, ...],
        now: float,
    ) -> None:
        """Let the provider's gate know how it did."""
        gate = self._line_up.gates[job.provider]
        failures = {each.failure.scope: each.failure for each in dispositions if each.failure}
        provider = failures.get(Scope.PROVIDER)
        if provider is not None:
            self._blame(gate, provider, attempts, now)
        elif Scope.RATE in failures:
            gate.slow_down(now)
        elif Scope.QUOTA in failures:
            gate.park(now)
        elif failures.keys() == {Scope.SESSION}:
            gate.give_back()
        else:
            gate.succeed()
            self._progress = now

    def _blame(
        self, gate: Gate, failure: Failure, attempts: tuple[Attempt, ...], now: float
    ) -> None:
        gate.give_back()
        was_off = gate.is_off
        if failure.is_transient:
            gate.fail(now)
        else:
            gate.switch_off()
        for attempt in attempts:
            self.last_trouble = attempt
            if not was_off:
                self._tell(Troubled(attempt, gate.is_off))

    def _follow(self, job: Job, ruling: Ruling, now: float, *, text: str = "") -> None:
        job.flaw = ruling.flaw
        is_changed = job.is_intended or ruling.rest != job.rest
        job.rest = ruling.rest if len(ruling.rest) else job.rest
        decisive = ruling.decisive
        match ruling.state:
            case State.WAITING:
                self._again(job, ruling, now, text=text, is_changed=is_changed)
            case State.DEFERRED:
                self._defer(job, decisive, now)
            case state:
                self._end(job, state, decisive, "")
        if not self._out:
            self._look_soon()

    def _again(self, job: Job, ruling: Ruling, now: float, *, text: str, is_changed: bool) -> None:
        scope = ruling.decisive.failure.scope if ruling.decisive.failure else Scope.SESSION
        if scope in (Scope.SESSION, Scope.CROWD):
            job.sessions += 1
            if job.sessions > MAX_SESSIONS:
                self._defer(job, ruling.decisive, now)
                return
        if ruling.shuts:
            job.shut |= {job.provider}
            if job.shut >= self._line_up.gates.keys():
                self._end(job, State.REJECTED, ruling.decisive, text)
                return
        elif scope is Scope.PROVIDER:
            job.avoided |= {job.provider}
        if is_changed:
            self._record(self._verdict(job, State.WAITING, ruling.decisive, text))
            job.is_intended = False
        self._requeue(job, now)

    def _requeue(self, job: Job, now: float) -> None:
        if (job.avoided | job.shut) >= self._line_up.usable():
            job.avoided = frozenset()
            self._queue.put_later(job, now + AGAIN_SECONDS)
        else:
            self._queue.put_front(job)
        self._turns.soon(self._turns.wake)

    def _defer(self, job: Job, decisive: Disposition, now: float) -> None:
        """Put a row off; one whose message was deferred goes to another provider at once."""
        job.tries += 1
        job.sessions = 0
        failure = decisive.failure
        avoided = job.avoided | {job.provider}
        elsewhere = failure is not None and failure.scope is Scope.MESSAGE
        if elsewhere and not (avoided | job.shut) >= self._line_up.usable():
            job.avoided = avoided
            self._record(self._verdict(job, State.LEASED, decisive, ""))
            job.is_intended = False
            self._requeue(job, now)
            return
        job.avoided = frozenset()
        delay = retry_delay(decisive, job.tries)
        due = now + min(delay, 86400.0) * (1.0 + JITTER * self._random.random())
        verdict = self._verdict(job, State.DEFERRED, decisive, "", due)
        job.is_intended = False
        is_final = due > self._course.until
        self._record(verdict)
        if not is_final:
            self._queue.put_later(job, due)
        self._announce(job, verdict, is_final=is_final)

    def _end(self, job: Job, state: State, decisive: Disposition | None, text: str) -> None:
        verdict = self._verdict(job, state, decisive, text)
        self._record(verdict)
        self._announce(job, verdict, is_final=True)

    def _verdict(
        self, job: Job, state: State, decisive: Disposition | None, text: str, due: float = 0.0
    ) -> Verdicted:
        reply = decisive.reply if decisive else None
        words = reply.text if reply else text or (decisive.reason if decisive else "")
        rest = job.rest if state.is_open else ()
        is_partial = job.flaw and state is State.REJECTED and job.flaw.partition(": ")[0] != job.key
        return Verdicted(
            job.number,
            state,
            job.tries + (not state.is_open),
            job.provider,
            reply.code if reply else None,
            reply.enhanced if reply else "",
            job.flaw if is_partial else words,
            due,
            rest,
            job.flaw if state.is_open else "",
        )

    def _announce(self, job: Job, verdict: Verdicted, *, is_final: bool) -> None:
        state = verdict.state
        if is_final:
            self.tally[state] += 1
            if job.provider:
                self.by_provider.setdefault(job.provider, Counter())[state] += 1
        self._tell(
            Settled(
                job.number,
                job.key,
                state,
                verdict.tries,
                verdict.provider,
                verdict.code,
                verdict.enhanced,
                verdict.text,
                verdict.due,
                is_final,
            )
        )
        if state is State.REJECTED or state is State.UNKNOWN:
            self._count_errors()

    def _count_errors(self) -> None:
        errors = self.tally[State.REJECTED] + self.tally[State.UNKNOWN]
        course, total = self._course, self.tally.total()
        if course.max_errors and errors >= course.max_errors:
            self.stop(f"{errors} rows failed")
        elif course.max_error_share and total >= MIN_SAMPLE:
            if errors >= course.max_error_share * total:
                self.stop(f"{errors} of {total} rows failed")

    # The journal.

    def _record(self, verdict: Verdicted) -> None:
        self._verdicts.append(verdict)
        if not (self._is_flush_due or self._is_flush_planned):
            self._is_flush_planned = True
            self._turns.at(self._clock() + LAZY_SECONDS, self._flush)

    def _flush(self) -> None:
        """Commit everything, then let the ends go out."""
        self._is_flush_due = self._is_flush_planned = False
        waiting, self._intents = self._intents, {}
        verdicts, self._verdicts = self._verdicts, []
        if self.failure is not None or not (waiting or verdicts):
            return
        try:
            self._journal.record(
                (intent for intent, _ in waiting.values()), verdicts, tuple(self._spending())
            )
        except OutputError as error:
            self._fail(error)
            return
        for _, go in waiting.values():
            go()

    def _spending(self) -> list[Spending]:
        return [
            (gate.name, window.rate.period, *window.latest)
            for gate in self._line_up.gates.values()
            for window in gate.windows
            if window.rate.period >= LONG_PERIOD and window.latest
        ]

    def _fail(self, error: NexomailerError) -> None:
        """Stop at once: what cannot be recorded must not be sent."""
        self.failure = self.failure or error
        self._silence()
        if not self.stop_reason:
            self.stop_reason = str(error)
        self._turns.finished()

    # Time.

    def _look_soon(self) -> None:
        if not self._is_look_due:
            self._is_look_due = True
            self._turns.soon(self.look)

    def _is_waiting(self, now: float) -> bool:
        """Whether something is still to come, and see to it that somebody looks then."""
        if self.failure is not None or self.stop_reason:
            return False
        if self._line_up.is_hopeless(now, self._progress + self._course.patience):
            self.stop("no provider can be used")
            return False
        if self._queue.is_scanning:
            self._turns.soon(self._turns.wake)
            return True
        if self._queue.is_dry:
            return not self._out and self._begins_again(now)
        self._set_alarm(now, self._queue.soonest)
        return True

    def _begins_again(self, now: float) -> bool:
        """Go through the input once more where the journal knows of rows to be sent."""
        self._flush()
        if self.failure is not None:
            return False
        soonest = self._journal.soonest(self._course.until, *self._queue.bounds)
        if soonest is None:
            return False
        self._queue.begin_pass()
        self._set_alarm(now, soonest)
        return True

    def _set_alarm(self, now: float, due: float | None) -> None:
        waits = [gate.wait(now) for gate in self._line_up.gates.values()]
        moments = [now + wait for wait in waits if 0 < wait < float("inf")]
        moments += [max(now, due)] if due is not None else []
        if not moments:
            self._turns.soon(self._turns.wake)
            return
        moment = min(moments)
        if self._alarm is not None and now < self._alarm[0] <= moment:
            return
        self._silence()
        self._alarm = moment, self._turns.at(moment, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._turns.wake()
        self._look_soon()

    def _silence(self) -> None:
        if self._alarm is not None:
            self._alarm[1]()
            self._alarm = None
