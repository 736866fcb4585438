"""What a journal says, for people, programs and spreadsheets."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from nexomailer_cli.bulk.identity import RowsDigest
from nexomailer_cli.bulk.journal import Journal
from nexomailer_cli.bulk.recipients import open_rows
from nexomailer_cli.bulk.report import REASONED, reasons
from nexomailer_cli.bulk.state import FAILED, OPEN, State
from nexomailer_cli.cli.bulk_report import require_place, write_table
from nexomailer_cli.cli.exit_status import ExitStatus
from nexomailer_cli.cli.screen_words import counted
from nexomailer_cli.errors import InputError, UsageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.bulk.recipients import Rows
    from nexomailer_cli.bulk.state import Record
    from nexomailer_cli.cli.output import Output

SCHEMA = "nexomailer.journal/1"
_STATES = {
    "accepted": frozenset({State.ACCEPTED}),
    "rejected": frozenset({State.REJECTED}),
    "deferred": frozenset({State.DEFERRED}),
    # A row that was being sent when the run was killed is unknown; the next run says so.
    "unknown": frozenset({State.UNKNOWN, State.SENDING}),
    "waiting": OPEN - {State.DEFERRED},
    "skipped": frozenset({State.SKIPPED}),
    "failed": FAILED,
}


class Wanted(Struct, frozen=True):
    """Which rows are wanted, where they are to be written, and where the input is."""

    state: str | None
    output: str | None
    source: str | None


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Journal]:
    journal = Journal(path, create=False)
    try:
        yield journal
    finally:
        journal.close()


def show_status(path: str, output: Output, *, as_json: bool) -> int:
    """Say how many rows stand where; return the exit status."""
    with _opened(path) as journal:
        counts = journal.counts()
        found = reasons(journal.records(REASONED)).most_common()
        if as_json:
            output.result(msgspec.json.encode(_status_json(counts, found)).decode())
            return ExitStatus.OK
        output.result(f"{sum(counts.values())} rows of {printable(journal.facts.get('path', '?'))}")
        for name, states in _STATES.items():
            count = sum(counts.get(state, 0) for state in states)
            if count and name != "failed":
                output.result(f"{count:>10} {name}")
        for (state, reason), count in found:
            output.result(f"{count:>10} × {state.word}: {reason}")
    return ExitStatus.OK


def _status_json(
    counts: dict[State, int], found: list[tuple[tuple[State, str], int]]
) -> dict[str, object]:
    named = {
        name: sum(counts.get(state, 0) for state in states)
        for name, states in _STATES.items()
        if name != "failed"
    }
    return {
        "schema": SCHEMA,
        "rows": sum(counts.values()),
        **named,
        "reasons": [
            {"verdict": state.word, "text": reason, "count": count}
            for (state, reason), count in found
        ],
    }


def show_rows(path: str, wanted: Wanted, output: Output) -> int:
    """List rows, or write them with their input; return the exit status."""
    states = _states(wanted.state)
    with _opened(path) as journal:
        if wanted.output is not None:
            return _write(journal, wanted, wanted.output, states, output)
        for record in journal.records(states):
            output.result("\t".join(_told(record)))
    return ExitStatus.OK


def _states(name: str | None) -> frozenset[State]:
    if name is None:
        return frozenset(State)
    if name not in _STATES:
        raise UsageError(
            f"--state: there is no “{printable(name)}”", hint=f"Known: {', '.join(_STATES)}."
        )
    return _STATES[name]


def _told(record: Record) -> tuple[str, ...]:
    reply = " ".join(
        part for part in (str(record.code or ""), record.enhanced, record.text) if part
    )
    return str(record.number), record.key, record.state.word, record.provider, reply


def _write(
    journal: Journal, wanted: Wanted, path: str, states: frozenset[State], output: Output
) -> int:
    facts = journal.facts
    source = wanted.source or facts.get("path", "")
    if source == "-" or not Path(source).is_file():
        what = "came from standard input" if source == "-" else f"{printable(source)} is not there"
        raise InputError(f"the input of this run {what}", hint="Say where it is with --input FILE.")
    require_place(path, (source, journal.path))
    with open_rows(
        source, delimiter=facts.get("delimiter", ""), encoding=facts.get("encoding", "")
    ) as rows:
        _require_same(rows, facts.get("input", ""))
        count = write_table(path, rows, journal, states)
    output.note(f"{counted(count, 'row')} written to {printable(path)}")
    return ExitStatus.OK


def _require_same(rows: Rows, sent: str) -> None:
    """Raise InputError unless these are the rows that were sent: verdicts go by their number."""
    found = RowsDigest(rows.columns)
    for row in rows:
        found.add(row)
    if found.hex != sent:
        raise InputError(
            f"{rows.name} is not the input that was sent, or it has been changed since",
            hint="Give the file as it was with --input FILE.",
        )
