"""The rows of a table: CSV, TSV or JSON Lines, one at a time, in constant memory.

Every way in which a table can be other than it seems is a problem with its line: a row that
is too short, a quotation mark that would swallow the rest of the file, two columns of one
name. Knows nothing of templates and mail; a value is what stands in the file.
"""

from __future__ import annotations

import contextlib
import csv
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from nexomailer_cli.bulk.cell import original
from nexomailer_cli.bulk.dialect import (
    checked_delimiter,
    declared_delimiter,
    likely_delimiter,
)
from nexomailer_cli.bulk.source import BadLine, Source
from nexomailer_cli.errors import InputError, Problem
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_FIELD: Final = 1024 * 1024  # characters
MAX_COLUMNS: Final = 10_000
_SAMPLE: Final = 200  # lines
_TABS: Final = (".tsv", ".tab")
_JSON_LINES: Final = (".jsonl", ".ndjson")


class Row(Struct, frozen=True):
    """One row: `number` counts rows from 1, `line` is where it begins in the file.

    The keys of `values` are the columns as the header spells them, in its order. They are
    texts; in JSON Lines also numbers, lists and objects.
    """

    number: int
    line: int
    values: Mapping[str, Any]


class Rows:
    """All rows of a table, as often as they are wanted.

    `columns` are their names; in JSON Lines those of all rows together. Iterating raises
    InputError at the first problem; `examined` tells all of them.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.name = source.name
        self.columns: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Row]:
        for row in self.examined():
            if isinstance(row, Problem):
                raise InputError(str(row))
            yield row

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self.source.close()

    def examined(self) -> Iterator[Row | Problem]:
        """Yield rows, and problems where rows should be; the last may be behind much."""
        raise NotImplementedError

    def _problem(self, line: int, why: str) -> Problem:
        return Problem(why, file=self.name, line=line)


def open_rows(path: str, *, delimiter: str = "", encoding: str = "") -> Rows:
    """Open a table; `-` is standard input. What its name and first lines tell need not be given.

    Raises InputError for a file that cannot be read, one without rows, and a header with
    problems, all of which it names; UsageError for a delimiter or encoding that is none.
    """
    if delimiter:
        delimiter = checked_delimiter(delimiter)
    source = Source(path, encoding)
    try:
        if not delimiter and _is_json_lines(path, source):
            from nexomailer_cli.bulk.jsonlines import JsonRows

            return JsonRows(source)
        return CsvRows(source, delimiter or ("\t" if path.lower().endswith(_TABS) else ""))
    except BaseException:
        source.close()
        raise


def _good_lines(source: Source) -> Iterator[str]:
    with contextlib.suppress(BadLine):
        yield from source.lines()


def _is_json_lines(path: str, source: Source) -> bool:
    """Tell by the name; what came through a pipe has none, but a header never begins with {."""
    if path.lower().endswith(_JSON_LINES):
        return True
    if path.lower().endswith((".csv", ".txt", *_TABS)):
        return False
    first = next((line for line in _good_lines(source) if line.strip()), "")
    return first.lstrip().startswith("{")


class CsvRows(Rows):
    """Comma-separated values as RFC 4180 has them, whatever the delimiter."""

    def __init__(self, source: Source, delimiter: str = "") -> None:
        super().__init__(source)
        # The module's own limit would hold back what is allowed here.
        csv.field_size_limit(MAX_FIELD)
        sample = list(islice(_good_lines(source), _SAMPLE))
        declared = declared_delimiter(sample[0]) if sample else ""
        self._skipped = 1 if declared else 0
        sample = sample[self._skipped :]
        self._delimiter = delimiter or declared or likely_delimiter(sample)
        self.columns = self._header(sample)

    def examined(self) -> Iterator[Row | Problem]:
        """Yield rows, and problems where rows should be."""
        records = self._records()
        next(records)
        columns, width, number = self.columns, len(self.columns), 0
        for line, record in records:
            if isinstance(record, Problem):
                yield record
            elif len(record) != width:
                yield self._ragged(line, record)
            else:
                number += 1
                yield Row(number, line, dict(zip(columns, record, strict=True)))

    def _records(self) -> Iterator[tuple[int, list[str] | Problem]]:
        """Yield the records that are not empty, the header first, and where they begin."""
        lines = islice(self.source.lines(), self._skipped, None)
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        first = 1 + self._skipped
        while True:
            try:
                record = next(reader, None)
            except csv.Error as error:
                last = reader.line_num + self._skipped
                yield first, self._misquoted(first, last, str(error))
                if "field limit" in str(error):
                    return
            except BadLine as bad:
                yield first, self._problem(bad.line, str(bad))
                return
            else:
                if record is None:
                    return
                record = _original(record)
                # Spreadsheets leave rows of nothing but delimiters at the end.
                if record and (record[0].strip() or any(cell.strip() for cell in record)):
                    yield first, record
            first = reader.line_num + 1 + self._skipped

    def _misquoted(self, first: int, last: int, error: str) -> Problem:
        if "unexpected end" in error:
            return self._problem(first, 'a quotation mark (") opens a field that is never closed')
        if "field limit" in error:
            return self._problem(
                first,
                f"a field is larger than {MAX_FIELD:,} characters; "
                'is a closing quotation mark (") missing?',
            )
        why = 'a quotation mark (") in the middle of a field; inside quotes it is written twice'
        if last > first:
            why += f" (the row goes on to line {last}: is a closing quotation mark missing?)"
        return self._problem(first, why)

    def _ragged(self, line: int, record: list[str]) -> Problem:
        there = "1 field" if len(record) == 1 else f"{len(record)} fields"
        columns = "1 column" if len(self.columns) == 1 else f"{len(self.columns)} columns"
        return self._problem(
            line,
            f"{there} where the header has {columns}; a field with a "
            f"{_spelt(self._delimiter)} in it needs quotation marks",
        )

    def _header(self, sample: Sequence[str]) -> tuple[str, ...]:
        line, record = next(self._records(), (1, []))
        if isinstance(record, Problem):
            raise InputError(str(record))
        if not record:
            raise InputError(
                f"{self.name} is empty", hint="The first line names the columns, as in: email,name"
            )
        names = tuple(name.strip() for name in record)
        problems = tuple(self._problem(line, why) for why in _flaws(names))
        if problems:
            raise InputError(
                "\n".join(map(str, problems)),
                hint="Every column needs a name of its own in the first line.",
            )
        if next(islice(self._records(), 1, 2), None) is None:
            raise InputError(f"{self.name} has a header but no rows")
        return names


def _flaws(names: Sequence[str]) -> Iterator[str]:
    if len(names) > MAX_COLUMNS:
        yield f"{len(names):,} columns are more than anybody means"
        return
    first: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name:
            yield f"column {number} has no name"
            continue
        # `Email` and `EMAIL` would be told apart by a template and by nobody who writes one.
        earlier = first.setdefault(name.casefold(), number)
        if earlier != number:
            yield f"columns {earlier} and {number} are both called {printable(name)!r}"


def _original(record: list[str]) -> list[str]:
    # NUL stands in no line, and one search is quicker than one for each cell.
    if "\0'" in "\0".join(("", *record)):
        return [original(cell) for cell in record]
    return record


def _spelt(delimiter: str) -> str:
    return {"\t": "tab", ",": "comma", ";": "semicolon"}.get(delimiter, delimiter)
