"""How a table is written: what stands between its fields.

Decided by reading the first records with each candidate, quotation marks and all: counting
characters would take the comma of `"Doe, Jane"` for a delimiter.
"""

from __future__ import annotations

import csv
import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from nexomailer_cli.errors import UsageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CANDIDATES: Final = (",", ";", "\t", "|")
# What Excel writes, and reads, before the header: `sep=;`.
_DECLARED: Final = re.compile(r'"?sep=([^"\r\n])"?[,;\t|]*\r?\n?', re.IGNORECASE)
_SAMPLE: Final = 50  # records
_NAMED: Final = {"tab": "\t", r"\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


def declared_delimiter(line: str) -> str:
    """Return what a first line like `sep=;` declares, nothing if it is no such line."""
    match = _DECLARED.fullmatch(line)
    return match[1] if match else ""


def checked_delimiter(text: str) -> str:
    """Return the character of `--delimiter`, which may be spelt; raise UsageError."""
    delimiter = _NAMED.get(text.lower(), text)
    if len(delimiter) != 1 or delimiter in '"\r\n\0 ' or delimiter.isalnum():
        raise UsageError(
            f"--delimiter: “{printable(text)}” cannot stand between fields",
            hint="Give one character, such as , or ; or tab.",
        )
    return delimiter


def likely_delimiter(lines: Sequence[str]) -> str:
    """Return the delimiter that divides these first lines into rows of the same length.

    The comma where there is but one column.
    """
    return max(CANDIDATES, key=lambda delimiter: _fitness(lines, delimiter))


def _fitness(lines: Iterable[str], delimiter: str) -> tuple[bool, bool, float, int]:
    """Tell how well it does: for several columns at all, then for even rows, then for many.

    Where rows are uneven whatever the delimiter, what divides the header is meant: names of
    columns have none in them.
    """
    lengths: list[int] = []
    try:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        lengths.extend(len(record) for record in islice(reader, _SAMPLE) if record)
    except csv.Error:
        # Also that the last record is cut off by the end of the sample.
        pass
    if not lengths:
        return False, False, 0.0, 0
    even = lengths.count(lengths[0]) / len(lengths)
    is_divided = lengths[0] > 1
    return is_divided and even >= 0.5, is_divided, even, lengths[0]
