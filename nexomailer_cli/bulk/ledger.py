"""The journal's group commit: everything that comes in one turn of the loop is one transaction.

What is about to happen is on record before it does. What has happened is recorded lazily:
losing that record makes a row unknown, never a duplicate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.bulk.state import Intent, Verdicted
from nexomailer_cli.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.bulk.journal import Journal, Spending
    from nexomailer_cli.bulk.schedule import LineUp
    from nexomailer_cli.bulk.turns import Turns
    from nexomailer_cli.errors import NexomailerError

LAZY_SECONDS = 0.05  # how long a verdict may be in memory only
LONG_PERIOD = 60.0  # seconds; what was taken of shorter rates is not worth remembering


class Ledger:
    """Collects records and commits them together.

    `on_failure` is called once when the journal cannot be written; after that nothing is
    recorded and nobody is told to go on.
    """

    def __init__(
        self, journal: Journal, line_up: LineUp, turns: Turns, clock: Callable[[], float]
    ) -> None:
        self.failure: NexomailerError | None = None
        self.on_failure: Callable[[NexomailerError], None] = lambda _error: None
        self._journal = journal
        self._line_up = line_up
        self._turns = turns
        self._clock = clock
        self._intents: dict[int, tuple[Intent, Callable[[], None]]] = {}
        self._verdicts: list[Verdicted] = []
        self._is_due = False
        self._is_planned = False

    def intend(self, intent: Intent, go: Callable[[], None]) -> None:
        """Call `go` when the intent is on record."""
        self._intents[intent.number] = intent, go
        if not self._is_due:
            self._is_due = True
            self._turns.soon(self.flush)

    def withdraw(self, number: int) -> None:
        """Forget an intent that is not on record yet."""
        self._intents.pop(number, None)

    def record(self, verdict: Verdicted) -> None:
        """Put a verdict on record, soon."""
        self._verdicts.append(verdict)
        if not (self._is_due or self._is_planned):
            self._is_planned = True
            self._turns.at(self._clock() + LAZY_SECONDS, self.flush)

    def flush(self) -> None:
        """Commit everything, then let the ends go out."""
        self._is_due = self._is_planned = False
        waiting, self._intents = self._intents, {}
        verdicts, self._verdicts = self._verdicts, []
        if self.failure is not None or not (waiting or verdicts):
            return
        try:
            self._journal.record(
                (intent for intent, _ in waiting.values()), verdicts, self._spending()
            )
        except OutputError as error:
            self.give_up(error)
            return
        for _, go in waiting.values():
            go()

    def give_up(self, error: NexomailerError) -> None:
        """Record nothing more, and let nobody go on."""
        self.failure = error
        self.on_failure(error)

    def close(self, *, in_flight: int) -> None:
        """Commit what is left; with nothing in flight, that the rest was not sent."""
        self.flush()
        if self.failure is None and not in_flight:
            self._journal.release()

    def _spending(self) -> list[Spending]:
        return [
            (window.owner, window.rate.period, slot, count)
            for gate in self._line_up.gates.values()
            for window in gate.windows
            for slot, count in window.changes()
            if window.rate.period >= LONG_PERIOD
        ]
