"""Slower when the server says so, and carefully faster again. Pure; the clock is an argument."""

from __future__ import annotations

from collections import deque

MEASURED = 50  # messages whose spacing tells the speed
SLOWEST = 1 / 60  # messages a second
FASTER = 1.25
# So long without a complaint, and the speed is raised.
CALM_SECONDS = 15.0
# Several connections are told the same thing at once: one complaint.
DEAF_SECONDS = 2.0


class Pace:
    """The speed that a server was found to bear, in messages a second; at first any."""

    __slots__ = ("_complained", "_first", "_next", "_raised", "_sent", "speed")

    def __init__(self) -> None:
        self.speed: float | None = None
        self._first = 0.0  # the speed at the first complaint
        self._next = 0.0
        self._raised = 0.0
        self._complained = float("-inf")
        self._sent: deque[float] = deque(maxlen=MEASURED)

    def wait(self, now: float) -> float:
        """Return how many seconds from `now` the next message may start."""
        if self.speed is None:
            return 0.0
        self._creep_up(now)
        return max(0.0, self._next - now)

    def take(self, now: float) -> None:
        """Take note that a message starts."""
        self._sent.append(now)
        if self.speed is not None:
            self._next = max(now, self._next) + 1.0 / self.speed

    def complain(self, now: float) -> None:
        """Halve the speed: the server has said that it is too high."""
        if now - self._complained < DEAF_SECONDS:
            return
        if self.speed is None:
            self.speed = self._first = self._measured(now)
        self.speed = max(SLOWEST, self.speed / 2)
        self._complained = self._raised = now
        # What was too much a moment ago is waited off.
        self._next = max(self._next, now + min(60.0, 1.0 / self.speed))

    def _measured(self, now: float) -> float:
        if not self._sent:
            return 1.0
        return len(self._sent) / max(1.0, now - self._sent[0])

    def _creep_up(self, now: float) -> None:
        if self.speed is None or now - self._raised < CALM_SECONDS:
            return
        self._raised = now
        self.speed *= FASTER
        if self.speed > 2 * self._first:
            self.speed = None  # it no longer complains of what it complained of
