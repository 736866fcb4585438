"""The rows in the order in which they are sent, in constant memory.

A pass goes through the whole input beside the journal. What is put off waits in a heap of
bounded size; what does not fit there is found again by the next pass, since the journal
knows it. Rows are leased here before they are handed out.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from nexomailer_cli.bulk.job import Job
from nexomailer_cli.bulk.journal import LAST
from nexomailer_cli.bulk.state import State
from nexomailer_cli.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nexomailer_cli.bulk.journal import Journal
    from nexomailer_cli.bulk.recipients import Row
    from nexomailer_cli.bulk.schedule import LineUp
    from nexomailer_cli.bulk.state import Standing

    Pass: TypeAlias = Iterator[tuple[Row, Standing]]

LEASED_ROWS = 500
MAX_WAITING = 5000  # rows kept in memory until they are due
MAX_FRONT = 200  # rows that wait for another provider before no further ones are read
# Rows that are done are passed over; so many at a time, since the connections wait meanwhile.
MAX_SCANNED = 2000


class Span(Struct, frozen=True):
    """The rows that a run is about, and until when it tries them."""

    first: int = 1
    last: int = LAST
    until: float = float("inf")


class Queue:
    """Hands out rows that are to be sent. `rows` begins a new pass through the input.

    Each pass goes by way of `look`, which may look ahead.
    """

    def __init__(
        self,
        rows: Callable[[], Iterable[Row]],
        journal: Journal,
        span: Span,
        *,
        leases: bool = True,
        look: Callable[[Pass], Pass] = iter,
    ) -> None:
        self._rows = rows
        self._journal = journal
        self._span = span
        self._leases = leases
        self._look = look
        self._front: deque[Job] = deque()
        self._later: list[tuple[float, int, Job]] = []
        self._pass: Pass | None = look(self._begin())
        self.is_scanning = False

    def next(self, provider: str, line_up: LineUp, now: float) -> Job | None:
        """Return the next row for a provider.

        `is_scanning` says afterwards that there may be one when asked again at once.
        """
        self.is_scanning = False
        self._call_up(now)
        for index, job in enumerate(self._front):
            if line_up.may_serve(provider, job.avoided | job.shut, now):
                del self._front[index]
                return job
        if len(self._front) >= MAX_FRONT or not line_up.may_serve(provider, frozenset(), now):
            return None
        return self._scan()

    def put_front(self, job: Job) -> None:
        """Let a row be the next."""
        self._front.appendleft(job)

    def put_later(self, job: Job, due: float) -> None:
        """Let a row wait; where there is no room, a later pass finds it."""
        if len(self._later) < MAX_WAITING:
            heapq.heappush(self._later, (due, job.number, job))

    def look_ahead(self) -> None:
        """See whether there is a next row, so that nobody waits for a rate to send nothing."""
        self.is_scanning = False
        if not self._front:
            job = self._scan()
            if job is not None:
                self._front.append(job)

    @property
    def is_dry(self) -> bool:
        """Whether the pass is over and nothing waits."""
        return not (self._pass or self._front or self._later)

    def is_forsaken(self, hopeful: frozenset[str]) -> bool:
        """Whether all that waits is for other providers than the `hopeful` ones."""
        if self._pass and len(self._front) < MAX_FRONT:
            return False
        waiting = (*self._front, *(job for _, _, job in self._later))
        return bool(waiting) and all(hopeful <= job.shut for job in waiting)

    def soonest_on_record(self) -> float | None:
        """Return when the journal says that the next row is due, None if there is none."""
        return self._journal.soonest(self._span.until, self._span.first, self._span.last)

    @property
    def soonest(self) -> float | None:
        """When the first of those that wait is due."""
        return self._later[0][0] if self._later else None

    def begin_pass(self) -> None:
        """Look through the input once more."""
        self._pass = self._look(self._begin())

    def _begin(self) -> Pass:
        first, last = self._span.first, self._span.last
        standings = self._journal.standings(first)
        for row in self._rows():
            if row.number < first:
                continue
            if row.number > last:
                return
            standing = next(standings, None)
            if standing is None or standing.number != row.number:
                raise InputError("the input has changed while it was being sent")
            yield row, standing

    def _scan(self) -> Job | None:
        self.is_scanning = False
        if self._pass is None:
            return None
        for count, (row, standing) in enumerate(self._pass):
            if standing.state is State.WAITING:
                return self._leased(Job(row, standing))
            if standing.state in (State.DEFERRED, State.LEASED) and standing.due < self._span.until:
                self.put_later(Job(row, standing), standing.due)
            if count >= MAX_SCANNED:
                self.is_scanning = True
                return None
        self._pass = None
        self.is_scanning = bool(self._later)
        return None

    def _leased(self, job: Job) -> Job:
        if self._leases and job.number > self._journal.leased_to:
            self._journal.lease(job.number + LEASED_ROWS - 1)
        return job

    def _call_up(self, now: float) -> None:
        """Move what is due to the front, leased again, in order."""
        if not self._later or self._later[0][0] > now:
            return
        due: list[Job] = []
        while self._later and self._later[0][0] <= now and len(due) < MAX_FRONT:
            due.append(heapq.heappop(self._later)[2])
        if self._leases and any(job.tries for job in due):
            self._journal.lease_again(job.number for job in due if job.tries)
        self._front.extend(due)
