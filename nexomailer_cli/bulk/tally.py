"""How many rows ended how, and when that is bad enough to stop."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.bulk.state import State

if TYPE_CHECKING:
    from nexomailer_cli.bulk.events import Settled

MIN_SAMPLE = 100  # rows before a share of errors means anything


class Bounds(Struct, frozen=True):
    """How many rows may fail, as a number and as a part of all; 0 is no limit."""

    rows: int = 0
    share: float = 0.0


class Tally:
    """Counts the rows of this run; a row that is tried again is not counted yet."""

    def __init__(self, bounds: Bounds) -> None:
        self.rows: Counter[State] = Counter()
        self.by_provider: defaultdict[str, Counter[State]] = defaultdict(Counter)
        self._bounds = bounds

    def add(self, settled: Settled) -> str:
        """Count a row; return why the run should stop, `""` where it should not."""
        if not settled.is_final:
            return ""
        self.rows[settled.state] += 1
        if settled.provider:
            self.by_provider[settled.provider][settled.state] += 1
        is_error = settled.state in (State.REJECTED, State.UNKNOWN)
        return self._complaint() if is_error else ""

    @property
    def errors(self) -> int:
        """How many rows failed for good, or may have."""
        return self.rows[State.REJECTED] + self.rows[State.UNKNOWN]

    def _complaint(self) -> str:
        bounds, total = self._bounds, self.rows.total()
        if bounds.rows and self.errors >= bounds.rows:
            return f"{self.errors} rows failed (--max-errors)"
        is_sample = total >= MIN_SAMPLE
        if bounds.share and is_sample and self.errors >= bounds.share * total:
            return f"{self.errors} of {total} rows failed (--max-errors)"
        return ""
