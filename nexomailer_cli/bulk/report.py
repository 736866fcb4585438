"""What became of every row: as a table to be sent again, and as reasons with their numbers."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from nexomailer_cli.bulk.cell import harmless
from nexomailer_cli.bulk.state import FAILED, State
from nexomailer_cli.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nexomailer_cli.bulk.recipients import Row
    from nexomailer_cli.bulk.state import Record

COLUMNS = ("verdict", "code", "enhanced", "text", "provider", "attempts")
# Different words of one server for the same thing are rarely more; nobody reads further.
MAX_REASONS = 1000
REASONED: Final = FAILED | {State.UNKNOWN}
# What differs from row to row although the reason is the same.
_PARTICULAR = re.compile(
    r"<[^<>\s]*>|[^\s<>]+@[^\s<>,;:]+|\b(?=\w*[0-9])(?=\w*[a-z])\w{6,}\b|\b[0-9]{5,}\b",
    re.IGNORECASE,
)


def table(
    columns: tuple[str, ...],
    rows: Iterable[Row],
    records: Iterator[Record],
    wanted: Callable[[State], bool],
) -> Iterator[list[str]]:
    """Yield the header and the rows in a wanted state, each with what became of it.

    Cells that a spreadsheet would run are made harmless; `bulk` reads them back as they
    were. Raises InputError when the input is not the one that was sent.
    """
    kept = tuple(name for name in columns if name not in COLUMNS)
    yield [*map(harmless, kept), *COLUMNS]
    for row in rows:
        record = next(records, None)
        if record is None or record.number != row.number:
            raise InputError("the input is no longer the one that was sent: rows are missing")
        if wanted(record.state):
            values = (_text(row.values.get(name, "")) for name in kept)
            yield [*map(harmless, values), *_told(record)]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    import msgspec

    return msgspec.json.encode(value).decode()


def _told(record: Record) -> list[str]:
    return [
        record.state.word,
        str(record.code or ""),
        record.enhanced,
        harmless(record.text),
        harmless(record.provider),
        str(record.tries),
    ]


def reasons(records: Iterable[Record]) -> Counter[tuple[State, str]]:
    """Count the reasons of records in one of the states `REASONED`.

    What differs from row to row is left out.
    """
    counted: Counter[tuple[State, str]] = Counter()
    for record in records:
        reason = record.state, _reason(record)
        if reason in counted or len(counted) < MAX_REASONS:
            counted[reason] += 1
    return counted


def _reason(record: Record) -> str:
    text = _PARTICULAR.sub("…", record.text)
    return " ".join(part for part in (str(record.code or ""), record.enhanced, text) if part)
