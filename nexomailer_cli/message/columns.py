"""The names a template uses, and the columns of a table they mean.

`First name` is no name a template could use: it is `first_name` there, or
`row["First name"]`. A column's own name always comes first, and two columns that would have
the same short name have none.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROW: Final = "row"

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NO_WORD: Final = re.compile(r"\W+")
_MEMBER: Final = re.compile(r"""\brow\s*\[\s*(?:"([^"\\]*)"|'([^'\\]*)')\s*\]""")


def short_name(column: str) -> str:
    """Return a column's name as an identifier: `Erste Zeile` is `erste_zeile`."""
    name = _NO_WORD.sub("_", _HUMP.sub("_", column).lower()).strip("_")
    return f"_{name}" if name[:1].isdigit() else name


class Columns:
    """The columns of a table, by every name they have."""

    def __init__(self, columns: Iterable[str]) -> None:
        names = tuple(columns)
        short = {name: short_name(name) for name in names}
        often = Counter(short.values())
        self._columns = {alias: name for name, alias in short.items() if often[alias] == 1}
        self._columns |= {name: name for name in names}

    @property
    def names(self) -> tuple[str, ...]:
        """Every name a template may use."""
        return tuple(self._columns)

    def column(self, name: str) -> str | None:
        """Return the column that a name of a template means."""
        return self._columns.get(name)

    def values(self, wanted: Iterable[str]) -> Values:
        """Return what makes the values of a template with these names out of a row."""
        names = tuple(wanted)
        pairs = tuple((name, self._columns[name]) for name in names if name in self._columns)
        return Values(pairs, has_row=ROW in names and ROW not in self._columns)


class Values:
    """Picks from a row what templates want, which is seldom all of it."""

    def __init__(self, pairs: tuple[tuple[str, str], ...], *, has_row: bool) -> None:
        self._pairs = pairs
        self._has_row = has_row

    def of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values by the templates' names; what a row lacks is left out."""
        try:
            values = {name: row[column] for name, column in self._pairs}
        except KeyError:
            values = {name: row[column] for name, column in self._pairs if column in row}
        if self._has_row:
            values[ROW] = row
        return values


def members(source: str) -> tuple[str, ...]:
    """Return the columns that a template names as `row["…"]`."""
    found = (double or single for double, single in _MEMBER.findall(source))
    return tuple(dict.fromkeys(found))


def is_provided_for(name: str, source: str) -> bool:
    """Tell whether a template says what to do where a name has no value."""
    word = rf"(?<![\w.]){re.escape(name)}\s*"
    return bool(
        re.search(rf"{word}(?:\|\s*(?:default|d)\b|\bis\s+(?:not\s+)?(?:un)?defined\b)", source)
    )
