"""JSON Lines: one object on each line, its members the values of a row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nexomailer_cli.bulk.recipients import MAX_COLUMNS, MAX_FIELD, Row, Rows
from nexomailer_cli.bulk.source import BadLine, Source
from nexomailer_cli.errors import InputError, Problem
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Twice(ValueError):  # noqa: N818 - told from other errors in this file only
    """A name that one object has twice: readers do not agree on which value counts."""


class JsonRows(Rows):
    """Rows that may lack members others have. A fraction keeps its text, `null` is empty."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        # Which members there are is known only when all lines have been seen.
        columns: dict[str, None] = {}
        for row in self.examined():
            if isinstance(row, Row):
                columns.update(dict.fromkeys(row.values))
            if len(columns) > MAX_COLUMNS:
                raise InputError(f"{self.name}: more than {MAX_COLUMNS:,} different names")
        if not columns:
            first = next(self.examined(), None)
            what = f"{self.name} is empty" if first is None else str(first)
            raise InputError(what, hint='A line looks like {"email": "ann@example.org"}.')
        self.columns = tuple(columns)

    def examined(self) -> Iterator[Row | Problem]:
        """Yield rows, and problems where rows should be."""
        number = line = 0
        try:
            for line, text in enumerate(self.source.lines(), 1):
                if not text.strip():
                    continue
                row = self._row(number + 1, line, text)
                number += isinstance(row, Row)
                yield row
        except BadLine as bad:
            yield self._problem(bad.line, str(bad))

    def _row(self, number: int, line: int, text: str) -> Row | Problem:
        try:
            values = _decode(text.strip())
        except json.JSONDecodeError as error:
            return self._problem(line, f"not JSON: {error.msg} at character {error.colno}")
        except _Twice as error:
            return self._problem(line, f"two members are called {printable(str(error))!r}")
        except (ValueError, RecursionError):
            return self._problem(line, "a number or a nesting beyond all bounds")
        if not isinstance(values, dict):
            return self._problem(line, 'not an object like {"email": "ann@example.org"}')
        flaw = _flaw(values, text)
        return self._problem(line, flaw) if flaw else Row(number, line, values)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return members


def _refuse_constant(text: str) -> Any:
    raise ValueError(text)


# What is written 1.10 is meant so; as a float it would be 1.1.
_decode = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=str, parse_constant=_refuse_constant
).decode


def _flaw(values: dict[str, Any], text: str) -> str:
    folded = {name.strip().casefold() for name in values}
    if "" in folded:
        return "a member has no name"
    if len(folded) < len(values):
        return "two members have names that differ in capitals or spaces only"
    if len(text) > MAX_FIELD and any(len(str(value)) > MAX_FIELD for value in values.values()):
        return f"a value is larger than {MAX_FIELD:,} characters"
    if "\\" in text and not _is_unicode(values):
        return "an escape such as \\ud800 stands for no character"
    for name, value in values.items():
        if value is None:
            values[name] = ""
    return ""


def _is_unicode(values: dict[str, Any]) -> bool:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
