"""Cells that a spreadsheet would run as a formula, made harmless and read back.

A name such as `=HYPERLINK(…)`, or a server's reply that begins like one, must do nothing when
a report is opened (CWE-1236). An apostrophe in front makes a text of it in every spreadsheet.
What already looks like that gets one more, so that reading takes away exactly what writing
has added.
"""

from __future__ import annotations

import re
from typing import Final

_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")
_HARMLESS: Final = re.compile(r"'+[=+\-@\t\r]")


def harmless(cell: str) -> str:
    """Return a cell as it may stand in a report."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def original(cell: str) -> str:
    """Return what a cell was before it was made harmless."""
    return cell[1:] if _HARMLESS.match(cell) else cell
