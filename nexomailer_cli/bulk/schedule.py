"""Who may send, and when. Pure; the clock is an argument, in seconds of the wall clock.

A gate stands before each provider and joins what is known of it: whether it is switched
off, waits for its quota, failed too often, and how fast it may be used. The line-up chooses
between gates. Neither knows rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nexomailer_cli.bulk.breaker import Breaker, Circuit
from nexomailer_cli.bulk.pace import Pace

if TYPE_CHECKING:
    from random import Random

    from nexomailer_cli.bulk.window import Window

Strategy = Literal["priority", "round-robin", "weighted"]

# Where a provider stands (`transport.strategy.rank`): a lower rank serves before a higher one.
Rank = tuple[bool, int]
FIRST: Rank = (False, 0)

NEVER = float("inf")
# A provider whose rate lets nothing through for so long is passed over for the next.
SPILL_SECONDS = 60.0
# Nobody says when a quota ends, and most are rolling: looked after again and again.
PARKED_SECONDS = 3600.0
# By how many messages a weighted share may be ahead, so that connections stay busy.
SLACK = 20.0


class Gate:
    """What stands between the rows and one provider."""

    __slots__ = (
        *("_breaker", "_is_lasting", "_is_off", "_pace", "_parked_until", "answered"),
        *("name", "rank", "taken", "weight", "windows"),
    )

    def __init__(
        self,
        name: str,
        windows: tuple[Window, ...],
        random: Random,
        *,
        weight: int = 1,
        rank: Rank = FIRST,
    ) -> None:
        self.name = name
        self.rank = rank
        self.windows = windows
        self.weight = weight
        self.taken = 0
        self.answered = 0.0  # when it last did, about a mail
        self._pace = Pace()
        self._breaker = Breaker(random)
        self._parked_until = 0.0
        self._is_off = False
        self._is_lasting = False

    def trouble(self, now: float) -> float:
        """Return for how many seconds the provider itself is of no use, infinity for good."""
        if self._is_off:
            return NEVER
        if self._breaker.circuit is Circuit.HALF_OPEN:
            return 0.0
        if self._breaker.circuit is Circuit.OPEN and self._is_lasting:
            return NEVER
        return max(self._breaker.wait(now), self._parked_until - now, 0.0)

    def wait(self, now: float) -> float:
        """Return how many seconds from `now` the next message may start."""
        if self._is_off:
            return NEVER
        waits = [window.wait(now) for window in self.windows]
        return max(
            *waits, self._breaker.wait(now), self._parked_until - now, self._pace.wait(now), 0.0
        )

    def is_away(self, now: float) -> bool:
        """Whether the next provider should serve in its place."""
        if self._is_off or self._breaker.circuit is not Circuit.CLOSED or self._parked_until > now:
            return True
        return any(window.wait(now) > SPILL_SECONDS for window in self.windows)

    @property
    def is_off(self) -> bool:
        """Whether it will not be asked again in this run."""
        return self._is_off

    def take(self, now: float) -> None:
        """Take note that a message starts: taken before it is sent, so that rates hold."""
        self.taken += 1
        self._breaker.take()
        self._pace.take(now)
        for window in self.windows:
            window.take(now)

    def give_back(self) -> None:
        """Take note that a session was lost, which says nothing about the provider."""
        self._breaker.undecided()
        self._refund()

    def succeed(self, now: float) -> None:
        """Take note that the server answered about a mail."""
        self.answered = now
        self._breaker.succeed()

    def fail(self, now: float, *, is_lasting: bool = False) -> None:
        """Take note that the provider failed; a lasting failure is not worth waiting for."""
        self._is_lasting = is_lasting
        self._breaker.fail(now)
        self._refund()

    def lose(self, now: float) -> None:
        """Take note that a message was lost at its end: it may have been taken all the same."""
        self._is_lasting = False
        self._breaker.fail(now)

    def slow_down(self, now: float) -> None:
        """Take note that the server finds us too fast."""
        self._breaker.succeed()
        self._pace.complain(now)

    def park(self, now: float) -> None:
        """Take note that the quota is used up."""
        self._breaker.succeed()
        self._parked_until = now + PARKED_SECONDS

    def switch_off(self) -> None:
        """Do not use this provider again in this run."""
        self._is_off = True
        self._refund()

    def _refund(self) -> None:
        """Forget a message that the server has not taken."""
        self.taken -= 1
        for window in self.windows:
            window.give_back()

    def state(self, now: float) -> str:
        """Say in a word or two how it is, for people."""
        if self._is_off:
            return "off"
        if self._parked_until > now:
            return "quota used up"
        if self._breaker.circuit is not Circuit.CLOSED:
            return "failing"
        if self._pace.speed is not None:
            return f"slowed to {self._pace.speed:.1f}/s"
        return "waiting for its rate" if any(w.wait(now) for w in self.windows) else "ready"


class LineUp:
    """Chooses whose turn it is; gates stand in the order in which they are tried."""

    def __init__(self, gates: tuple[Gate, ...], strategy: Strategy = "priority") -> None:
        self.gates = {gate.name: gate for gate in gates}
        self._strategy = strategy

    def may_serve(self, name: str, avoided: frozenset[str], now: float) -> bool:
        """Whether a row that avoids some providers is for this one now."""
        if name in avoided:
            return False
        if len(self.gates) == 1:
            return True
        # One whose breaker is half open has to be tried by somebody.
        gate = self.gates[name]
        if gate.is_away(now) and gate.wait(now) == 0.0:
            return True
        there = [
            each
            for each in self.gates.values()
            if each.name not in avoided and not each.is_away(now)
        ]
        return not there or self._is_its_turn(gate, there)

    def _is_its_turn(self, gate: Gate, there: list[Gate]) -> bool:
        if self._strategy == "priority":
            return there[0] is gate
        best = min(each.rank for each in there)
        if gate.rank != best:
            return False
        equals = [each for each in there if each.rank == best]
        # With round-robin whoever is free takes the next row, so that all are as busy as they can.
        return self._strategy == "round-robin" or _is_due(gate, equals)

    def hopeful(self, now: float, until: float) -> frozenset[str]:
        """Return the names of those that will be of use before `until`."""
        troubles = {name: gate.trouble(now) for name, gate in self.gates.items()}
        return frozenset(
            name for name, trouble in troubles.items() if trouble <= 0 or now + trouble <= until
        )

    def usable(self) -> frozenset[str]:
        """Return the names of those that are not switched off."""
        return frozenset(name for name, gate in self.gates.items() if not gate.is_off)


def _is_due(gate: Gate, there: list[Gate]) -> bool:
    if not gate.weight:
        return not any(each.weight for each in there)
    least = min((each.taken / each.weight for each in there if each.weight), default=0.0)
    return gate.taken / gate.weight <= least + SLACK / gate.weight
