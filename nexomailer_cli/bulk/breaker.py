"""Whether a provider is worth asking. Pure; the clock is an argument.

Closed: it is asked. Open: it failed several times in a row and is left alone for a while.
Half open: one mail finds out whether it works again. No mail is ever lost to it: whoever is
refused here has not been charged an attempt.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

PATIENCE = 3  # failures in a row
FIRST_SECONDS = 15.0
LONGEST_SECONDS = 600.0
JITTER = 0.2


class Circuit(StrEnum):
    """The states of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Counts the failures of one provider."""

    __slots__ = ("_failures", "_openings", "_random", "_until", "circuit")

    def __init__(self, random: Random) -> None:
        self.circuit = Circuit.CLOSED
        self._random = random
        self._failures = 0
        self._openings = 0
        self._until = 0.0

    def wait(self, now: float) -> float:
        """Return how many seconds from `now` the provider may be asked, infinity while tried."""
        match self.circuit:
            case Circuit.CLOSED:
                return 0.0
            case Circuit.OPEN:
                return max(0.0, self._until - now)
            case Circuit.HALF_OPEN:
                return float("inf")

    def take(self) -> None:
        """Take note that the provider is being asked."""
        if self.circuit is Circuit.OPEN:
            self.circuit = Circuit.HALF_OPEN

    def succeed(self) -> None:
        """Take note that the server did its part, whatever it said about the mail."""
        self.circuit = Circuit.CLOSED
        self._failures = self._openings = 0

    def fail(self, now: float) -> None:
        """Take note of a failure of the provider."""
        self._failures += 1
        is_tried = self.circuit is Circuit.HALF_OPEN
        if self.circuit is Circuit.OPEN or not (is_tried or self._failures >= PATIENCE):
            return
        seconds = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(self._openings, 20))
        self._openings += 1
        self._until = now + seconds * (1.0 + JITTER * self._random.random())
        self.circuit = Circuit.OPEN

    def undecided(self) -> None:
        """Take note that a try ended without telling anything: the next mail tries again."""
        if self.circuit is Circuit.HALF_OPEN:
            self.circuit = Circuit.OPEN
