"""The end of a run, for people, programs, spreadsheets and the shell."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from nexomailer_cli.bulk.report import REASONED, reasons, table
from nexomailer_cli.bulk.state import State
from nexomailer_cli.cli.bulk_display import SCHEMA
from nexomailer_cli.cli.exit_status import ExitStatus
from nexomailer_cli.cli.screen_words import counted
from nexomailer_cli.errors import OutputError, UsageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nexomailer_cli.bulk.journal import Journal
    from nexomailer_cli.bulk.recipients import Rows
    from nexomailer_cli.cli.output import Output

MOST_REASONS = 20
MOST_NAMED = 1000
# What stands for states that last only as long as a run does.
MEANT = {State.LEASED: State.WAITING, State.SENDING: State.UNKNOWN}
NOT_SENT = (State.WAITING, State.LEASED)


class Ending(Struct, frozen=True, kw_only=True):
    """How a run has ended. `counts` are of all its rows, by all runs on this journal."""

    counts: Mapping[State, int]
    exit_status: int
    journal: str = ""
    elapsed: float = 0.0
    sent: int = 0  # rows that this run brought to an end
    by_provider: Mapping[str, Counter[State]] = {}
    invalid: int = 0

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(self.counts.values()) + self.invalid


def as_json(ending: Ending) -> dict[str, Any]:
    """Return the last line of `--json`, as the command-line contract has it."""
    counts = ending.counts
    return {
        "schema": SCHEMA,
        "event": "report",
        "rows": ending.rows,
        "accepted": counts.get(State.ACCEPTED, 0),
        "deferred": counts.get(State.DEFERRED, 0),
        "rejected": counts.get(State.REJECTED, 0),
        "unknown": counts.get(State.UNKNOWN, 0) + counts.get(State.SENDING, 0),
        "skipped": counts.get(State.SKIPPED, 0),
        "invalid": ending.invalid,
        "waiting": sum(counts.get(state, 0) for state in NOT_SENT),
        "messages_per_second": round(ending.sent / ending.elapsed, 1) if ending.elapsed else 0.0,
        "elapsed_s": round(ending.elapsed, 3),
        "providers": {
            name: {state.word: count for state, count in sorted(states.items())}
            for name, states in ending.by_provider.items()
        },
        "journal": ending.journal or None,
        "exit_code": int(ending.exit_status),
    }


def exit_status(counts: Mapping[State, int], trouble: int | None) -> int:
    """Return the exit status for where the rows stand that were to be sent.

    `trouble` is that of what kept a provider from working, if anything did.
    """
    unsent = counts.get(State.DEFERRED, 0) + sum(counts.get(state, 0) for state in NOT_SENT)
    if counts.get(State.UNKNOWN, 0) or counts.get(State.SENDING, 0):
        return ExitStatus.UNKNOWN
    if not (unsent or counts.get(State.REJECTED, 0)):
        return ExitStatus.OK
    if counts.get(State.ACCEPTED, 0):
        return ExitStatus.PARTIAL
    if not unsent:
        return ExitStatus.REFUSED
    return ExitStatus.TEMPORARY if trouble is None else trouble


def tell(ending: Ending, journal: Journal, output: Output) -> None:
    """Tell people how it went, and why where it did not."""
    counts: Counter[State] = Counter()
    for state, count in ending.counts.items():
        counts[MEANT.get(state, state)] += count
    words = ", ".join(f"{counts[state]} {state.word}" for state in sorted(counts) if counts[state])
    speed = f" in {ending.elapsed:.1f} s" if ending.sent else ""
    output.note(f"{counted(ending.rows, 'row')}: {words}{speed}")
    for name, states in ending.by_provider.items():
        through = ", ".join(f"{count} {state.word}" for state, count in sorted(states.items()))
        output.note(f"  {name}: {through}")
    tell_reasons(journal, output)


def tell_reasons(journal: Journal, output: Output) -> None:
    """Tell why rows were not accepted, the most frequent reason first."""
    found = reasons(journal.records(REASONED)).most_common()
    for (state, reason), count in found[:MOST_REASONS]:
        output.fact(f"  {count} × {state.word}: {reason}")
    if len(found) > MOST_REASONS:
        output.fact(f"  and {len(found) - MOST_REASONS} further reasons")


def tell_unknown(
    journal: Journal, output: Output, told: frozenset[int] = frozenset()
) -> frozenset[int]:
    """Name the rows of which nobody knows whether they were delivered; return their numbers.

    Without those that were `told` before.
    """
    unknown = [record for record in journal.records((State.UNKNOWN,)) if record.number not in told]
    for record in unknown[:MOST_NAMED]:
        output.fact(f"row {record.number}, {record.key}: unknown: {record.text}")
    if len(unknown) > MOST_NAMED:
        output.fact(f"and {len(unknown) - MOST_NAMED} more; “nexomailer journal rows” lists them")
    return frozenset(record.number for record in unknown)


def require_place(path: str, kept: Iterable[str]) -> None:
    """Raise unless a table can be written at `path` without harm to files that are `kept`.

    Asked before anything is sent: afterwards it would be too late to choose another one.
    """
    place = Path(path)
    if path == "-":
        raise UsageError("a report cannot go to standard output", hint="Name a file.")
    if any(_is_same(place, Path(each)) for each in kept):
        raise UsageError(
            f"{printable(path)} would be overwritten, and it is still needed",
            hint="Name another file for the report.",
        )
    reason = _why_unwritable(place)
    if reason:
        raise OutputError(f"cannot write {printable(path)}: {reason}")


def _is_same(one: Path, other: Path) -> bool:
    # Files that are yet to be made are one if their names are.
    with contextlib.suppress(OSError, ValueError):
        return one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)


def _why_unwritable(place: Path) -> str:
    if place.is_dir():
        return "it is a directory"
    if not place.parent.is_dir():
        return "there is no such folder"
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        return "permission denied"
    return ""


def write_table(
    path: str, rows: Rows, journal: Journal, wanted: Iterable[State] | None = None
) -> int:
    """Write a CSV of the input's rows with what became of each; return how many.

    Raises OutputError when it cannot be written.
    """
    states = frozenset(State if wanted is None else wanted)
    lines = table(rows.columns, rows, journal.records(), states.__contains__)
    import csv

    try:
        with open(path, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - "-" is none
            writer = csv.writer(file)
            writer.writerow(next(lines))
            return sum(1 for line in lines if writer.writerow(line))
    except OSError as error:
        raise OutputError(f"cannot write {printable(path)}: {error.strerror}") from error
