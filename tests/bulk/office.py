"""A desk with everything around it, in a time of its own: no sockets, no waiting."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from nexomailer_cli.bulk.course import Course
from nexomailer_cli.bulk.desk import Desk
from nexomailer_cli.bulk.events import Event
from nexomailer_cli.bulk.job import Job
from nexomailer_cli.bulk.journal import Journal
from nexomailer_cli.bulk.ledger import Ledger
from nexomailer_cli.bulk.queue import Queue, Span
from nexomailer_cli.bulk.recipients import Row
from nexomailer_cli.bulk.schedule import Gate, LineUp, Strategy
from nexomailer_cli.bulk.state import Entry, State
from nexomailer_cli.bulk.tally import Bounds
from nexomailer_cli.bulk.window import Window
from nexomailer_cli.config.rate import parse_rates
from nexomailer_cli.smtp.envelope import Envelope, Mail
from nexomailer_cli.smtp.failure import Failure, Scope, classify
from nexomailer_cli.smtp.outcome import Attempt, Disposition, Outcome, Phase, Status, Verdict
from nexomailer_cli.smtp.reply import Reply

NO_BOUNDS = Bounds()
START = 1_800_000_000.0


def entries(count: int) -> list[Entry]:
    return [Entry(number, f"r{number}@b.test") for number in range(1, count + 1)]


def rows(count: int) -> list[Row]:
    return [Row(each.number, each.number + 1, {"email": each.key}) for each in entries(count)]


def write(job: Job, now: int) -> Mail:
    job.began = job.began or now
    recipients = tuple(job.key.split("+"))
    return Mail(Envelope("s@a.test", recipients), b"Subject: x\r\n\r\nx\r\n", f"<{job.number}@a>")


class Time:
    """Turns of a loop and a clock that stands still until something is due."""

    def __init__(self) -> None:
        self.now = START
        self.pools: list[StubPool] = []
        self.is_over = False
        self._soon: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._cancelled: set[int] = set()

    def __call__(self) -> float:
        return self.now

    def soon(self, work: Callable[[], None]) -> None:
        self._soon.append(work)

    def at(self, moment: float, work: Callable[[], None]) -> Callable[[], None]:
        number = next(self._count)
        heapq.heappush(self._timers, (moment, number, work))
        return lambda: self._cancelled.add(number)

    def wake(self) -> None:
        for pool in self.pools:
            pool.wake()

    def finished(self) -> None:
        self.is_over = True

    def pass_until_over(self, limit: float = 30 * 86400.0) -> None:
        for _ in range(2_000_000):
            if self.is_over:
                return
            if self._soon:
                self._soon.popleft()()
                continue
            assert self._timers, "nothing will ever happen again"
            moment, number, work = heapq.heappop(self._timers)
            if number not in self._cancelled:
                self.now = max(self.now, moment)
                assert self.now < START + limit, "it takes too long"
                work()
        raise AssertionError("no end")


Answer = Reply | Scope | str


@dataclass
class StubPool:
    """Answers each mail as `answer` says: a reply to its end, a failure, or `lost`."""

    time: Time
    name: str
    answer: Callable[[str, int], Answer] = lambda _address, _try: Reply(250, "2.0.0", ("Ok",))
    connections: int = 3
    seconds: float = 0.1
    sent: Counter[str] = field(default_factory=Counter)
    moments: list[float] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)
    busy: int = 0
    desk: Desk | None = None

    def wake(self) -> None:
        while self.busy < self.connections and self._begin():
            pass

    def _begin(self) -> bool:
        assert self.desk is not None
        mail = self.desk.take(self.name)
        if mail is None:
            return False
        self.busy += 1
        (address, *_) = mail.envelope.recipients
        self.tries[address] += 1
        answer = self.answer(address, self.tries[address])
        self.moments.append(self.time.now)
        if isinstance(answer, Scope):
            self.time.at(self.time.now + self.seconds, lambda: self._put_back(mail, answer))
        else:
            self.desk.intend(mail, lambda: self._go(mail, answer))
        return True

    def _go(self, mail: Mail, answer: Reply | str) -> None:
        if isinstance(answer, Reply) and answer.code == 250:
            self.sent.update(mail.envelope.recipients)
        self.time.at(self.time.now + self.seconds, lambda: self._settle(mail, answer))

    def _settle(self, mail: Mail, answer: Reply | str) -> None:
        assert self.desk is not None
        self.busy -= 1
        told = tuple(disposition(each, answer) for each in mail.envelope.recipients)
        self.desk.settle(mail, Outcome(told, (self._attempt(Status.ACCEPTED),)))
        self.wake()

    def _put_back(self, mail: Mail, scope: Scope) -> None:
        assert self.desk is not None
        self.busy -= 1
        failure = Failure(scope, is_transient=True, is_unanswered=True)
        self.desk.put_back(mail, self._attempt(Status.FAILED), failure)
        self.wake()

    def _attempt(self, status: Status) -> Attempt:
        return Attempt(
            provider=self.name,
            host="h",
            port=25,
            tls="",
            phase=Phase.CONNECT,
            status=status,
            elapsed=0.1,
            reason="ECONNREFUSED",
        )


def disposition(recipient: str, answer: Reply | str) -> Disposition:
    if isinstance(answer, str):
        return Disposition(recipient, Verdict.UNKNOWN, Phase.END, None, answer)
    if answer.code == 250:
        return Disposition(recipient, Verdict.ACCEPTED, Phase.END, answer)
    failure = classify(Phase.RCPT, answer)
    verdict = Verdict.DEFERRED if failure.is_transient else Verdict.REJECTED
    return Disposition(recipient, verdict, Phase.RCPT, answer, "", failure)


class Office:
    """A run over stub pools."""

    def __init__(
        self,
        path: Path,
        count: int = 10,
        *,
        table: Iterable[Row] | None = None,
        rates: str = "",
        providers: tuple[str, ...] = ("main",),
        strategy: Strategy = "priority",
        retry_for: float = 86400.0,
        patience: float = 3600.0,
        bounds: Bounds = NO_BOUNDS,
        write: Callable[[Job, int], Mail] = write,
        span: tuple[int, int] = (1, 2**62),
        journal: Journal | None = None,
    ) -> None:
        self.time = Time()
        self.events: list[Event] = []
        self.journal = journal or Journal(str(path / "run.journal"))
        if not self.journal.has_rows:
            self.journal.begin(entries(count), lambda: {"run": "x"})
        self.journal.recover()
        self.rows = list(table) if table is not None else rows(count)
        until = START + retry_for
        queue = Queue(lambda: self.rows, self.journal, Span(*span, until=until))
        windows = parse_rates(rates) if rates else ()
        gates = tuple(
            Gate(name, tuple(Window(name, rate) for rate in windows), Random(1))
            for name in providers
        )
        self.line_up = LineUp(gates, strategy)
        self.ledger = Ledger(self.journal, self.line_up, self.time, self.time)
        course = Course(
            write=write,
            tell=self.events.append,
            random=Random(2),
            until=until,
            patience=patience,
            bounds=bounds,
        )
        self.desk = Desk(queue, self.line_up, self.ledger, course, self.time, self.time)
        self.pools = {name: StubPool(self.time, name) for name in providers}
        for pool in self.pools.values():
            pool.desk = self.desk
        self.time.pools = list(self.pools.values())

    @property
    def pool(self) -> StubPool:
        return next(iter(self.pools.values()))

    def run(self, limit: float = 30 * 86400.0) -> None:
        """Work until it is over, and close."""
        self.time.soon(self.time.wake)
        self.time.pass_until_over(limit)
        self.desk.close()

    @property
    def seconds(self) -> float:
        return self.time.now - START

    @property
    def states(self) -> dict[int, State]:
        return {each.number: each.state for each in self.journal.records()}
