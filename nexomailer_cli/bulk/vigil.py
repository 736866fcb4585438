"""When a run has something to do again, and when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nexomailer_cli.bulk.events import Stopping
from nexomailer_cli.errors import NexomailerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.bulk.course import Course
    from nexomailer_cli.bulk.ledger import Ledger
    from nexomailer_cli.bulk.queue import Queue
    from nexomailer_cli.bulk.schedule import LineUp
    from nexomailer_cli.bulk.turns import Turns


# Something is possible that nobody has done: looked after again, but not all the time.
LEAST_SECONDS = 0.05
EARLY_SECONDS = 0.002


class Watched(Protocol):
    """What is asked of the desk."""

    line_up: LineUp

    @property
    def in_flight(self) -> int:
        """How many mails are with the pools."""
        ...


class Vigil:
    """Wakes the pools when a rate, a breaker or a row is due, and notices the end."""

    def __init__(
        self,
        desk: Watched,
        queue: Queue,
        ledger: Ledger,
        course: Course,
        turns: Turns,
        clock: Callable[[], float],
    ) -> None:
        self.stop_reason = ""
        self._started = clock()
        self._desk = desk
        self._queue = queue
        self._ledger = ledger
        self._course = course
        self._turns = turns
        self._clock = clock
        self._is_look_due = False
        self._alarm: tuple[float, Callable[[], None]] | None = None

    def stop(self, reason: str) -> None:
        """Let nothing new begin."""
        if self.stop_reason:
            return
        self.stop_reason = reason
        self._course.tell(Stopping(reason))
        self.look_soon()

    def give_up(self, reason: str) -> None:
        """End at once, whatever is in flight."""
        self.stop_reason = self.stop_reason or reason
        self.silence()
        self._turns.finished()

    def look_soon(self) -> None:
        """Look when all that has arrived by now is dealt with."""
        if not self._is_look_due:
            self._is_look_due = True
            self._turns.soon(self.look)

    def look(self) -> None:
        """See whether there is anything left to do, and when."""
        self._is_look_due = False
        if not self._is_waiting(self._clock()) and not self._desk.in_flight:
            self.silence()
            self._turns.finished()

    def silence(self) -> None:
        """Wake nobody any more."""
        if self._alarm is not None:
            self._alarm[1]()
            self._alarm = None

    def _is_waiting(self, now: float) -> bool:
        """Whether something is still to come, and see to it that somebody looks then."""
        if self.stop_reason:
            return False
        line_up = self._desk.line_up
        progress = max(self._started, *(gate.answered for gate in line_up.gates.values()))
        hopeful = line_up.hopeful(now, progress + self._course.patience)
        if not hopeful or (not self._desk.in_flight and self._queue.is_forsaken(hopeful)):
            self.stop("no provider can be used")
            return False
        try:
            self._queue.look_ahead()
        except NexomailerError as error:
            self._ledger.give_up(error)
            return False
        if self._queue.is_scanning:
            self._turns.soon(self._turns.wake)
            return True
        if self._queue.is_dry:
            return not self._desk.in_flight and self._begins_again(now)
        self._set_alarm(now, self._queue.soonest)
        return True

    def _begins_again(self, now: float) -> bool:
        """Go through the input once more where the journal knows of rows to be sent."""
        self._ledger.flush()
        soonest = None if self._ledger.failure else self._queue.soonest_on_record()
        if soonest is None:
            return False
        self._queue.begin_pass()
        self._set_alarm(now, soonest)
        return True

    def _set_alarm(self, now: float, due: float | None) -> None:
        moment = self._moment(now, due)
        if moment is None or (self._alarm is not None and now < self._alarm[0] <= moment):
            return
        self.silence()
        self._alarm = moment, self._turns.at(moment, self._ring)

    def _moment(self, now: float, due: float | None) -> float | None:
        """Return when something may be possible that is not now."""
        waits = [gate.wait(now) for gate in self._desk.line_up.gates.values()]
        # Event loops ring a little early, and then nothing is possible yet.
        moments = [now + wait + EARLY_SECONDS for wait in waits if 0 < wait < float("inf")]
        # A row that is due is of no use before a gate is open.
        if 0 in waits:
            moments.append(max(due or now, now + LEAST_SECONDS))
        return min(moments, default=None)

    def _ring(self) -> None:
        self._alarm = None
        self._turns.wake()
        self.look_soon()
