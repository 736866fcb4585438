"""A rate that holds: at most so many in any time of a length. Pure; the clock is an argument.

A sliding window over slots of a thousandth of its length, so that what it remembers is
bounded. A slot is let go when the last moment of it has passed out of the window: the rate
is kept to the letter, a thousandth on the slow side.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nexomailer_cli.config.rate import Rate

SLOTS = 1000


class Window:
    """What has been taken of one rate."""

    __slots__ = ("_changed", "_slots", "_taken", "_width", "owner", "rate")

    def __init__(self, owner: str, rate: Rate, spent: Iterable[tuple[int, int]] = ()) -> None:
        """Begin with what earlier runs of this owner took, as slot and count, oldest first."""
        self.owner = owner
        self.rate = rate
        self._width = rate.period / SLOTS
        self._slots: deque[list[int]] = deque([slot, count] for slot, count in spent)
        self._changed: dict[int, int] = {}
        self._taken = sum(count for _, count in self._slots)

    def wait(self, now: float) -> float:
        """Return how many seconds from `now` the next one may be taken, 0 for at once."""
        self._forget(now)
        if self._taken < self.rate.limit:
            return 0.0
        # Enough must pass out of the window; with a smaller rate than before, several.
        surplus = self._taken - self.rate.limit
        for slot, count in self._slots:
            if count > surplus:
                return max(0.0, self._end_of(slot) - now)
            surplus -= count
        raise AssertionError("counts and slots disagree")

    def take(self, now: float) -> None:
        """Take one, whether it is allowed or not."""
        slot = self.slot(now)
        # A clock that was set back does not make the past forget.
        if not self._slots or self._slots[-1][0] < slot:
            self._slots.append([slot, 0])
        self._count(1)

    def give_back(self) -> None:
        """Return one that was taken and not used."""
        if self._slots:
            self._count(-1)

    def oldest_kept(self, now: float) -> int:
        """Return the first slot that still counts at `now`."""
        return self.slot(now - self.rate.period)

    def slot(self, moment: float) -> int:
        """Return the slot of a moment."""
        return int(moment / self._width)

    def changes(self) -> tuple[tuple[int, int], ...]:
        """Return slots and their counts that have changed since this was last asked."""
        changed, self._changed = self._changed, {}
        return tuple(changed.items())

    def _count(self, change: int) -> None:
        latest = self._slots[-1]
        latest[1] += change
        self._taken += change
        self._changed[latest[0]] = latest[1]

    def _end_of(self, slot: int) -> float:
        return (slot + 1) * self._width + self.rate.period

    def _forget(self, now: float) -> None:
        slots = self._slots
        while slots and self._end_of(slots[0][0]) <= now:
            self._taken -= slots.popleft()[1]
