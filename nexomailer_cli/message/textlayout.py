"""Paragraphs, table rows and links as lines of text.

Knows nothing of HTML: words, widths and cells come in, lines go out.
"""

from __future__ import annotations

import re

# A cell is a list of lines, a row a list of cells.
Row = list[list[str]]

_MANY_SPACES = re.compile(r" {2,}")
_AROUND_BREAK = re.compile(r" ?\n ?")
_MANY_BREAKS = re.compile(r"\n{3,}")
_NOT_FOR_READERS = re.compile(r"(?:#|(?:javascript|vbscript|data|cid|mid|about):)", re.IGNORECASE)
_IMPLIED = re.compile(r"(?:https?://|mailto:|tel:)", re.IGNORECASE)
_IN_URL = {ord(" "): "%20", ord("<"): "%3C", ord(">"): "%3E", **dict.fromkeys(map(ord, "\t\r\n"))}


def wrap(text: str, width: int) -> list[str]:
    """Break text into lines. A line feed is a break; a word is never broken."""
    text = _AROUND_BREAK.sub("\n", _MANY_SPACES.sub(" ", text))
    text = _MANY_BREAKS.sub("\n\n", text).strip()
    if not text:
        return []
    return [line for part in text.split("\n") for line in _filled(part.split(" "), width)]


def _filled(words: list[str], width: int) -> list[str]:
    lines: list[str] = []
    line: list[str] = []
    room = width
    for word in words:
        if line and len(word) + 1 > room:
            lines.append(" ".join(line).rstrip())
            line, room = [], width
        room -= len(word) + bool(line)
        line.append(word)
    return [*lines, " ".join(line).rstrip()]


def table_lines(rows: list[Row], width: int, *, has_heading: bool = False) -> list[str]:
    """Lay out rows: in columns where every cell is one short line, else cell by cell."""
    rows = [row for row in rows if any(row)]
    if any(len(cell) > 1 for row in rows for cell in row):
        return _stacked(rows, width)
    columns = _column_widths(rows)
    # Checked before anything is padded: padding is what could be more than linear.
    if sum(columns) + 2 * len([column for column in columns if column]) - 2 > width:
        return _stacked(rows, width)
    lines = [_aligned(row, columns) for row in rows]
    if has_heading and len(lines) > 1:
        lines.insert(1, _aligned([["-" * column] for column in columns], columns))
    return lines


def _column_widths(rows: list[Row]) -> list[int]:
    widths = [0] * max(map(len, rows), default=0)
    for row in rows:
        for index, cell in enumerate(row):
            widths[index] = max(widths[index], len("".join(cell)))
    return widths


def _aligned(row: Row, columns: list[int]) -> str:
    cells = zip(row, columns, strict=False)
    return "  ".join("".join(cell).ljust(column) for cell, column in cells if column).rstrip()


def _stacked(rows: list[Row], width: int) -> list[str]:
    lines: list[str] = []
    was_tall = False
    for row in rows:
        row_lines, is_tall = _stacked_row(row, width)
        if lines and (is_tall or was_tall):
            lines.append("")
        lines += row_lines
        was_tall = is_tall
    return lines


def _stacked_row(row: Row, width: int) -> tuple[list[str], bool]:
    """Return the lines of a row, and whether it needs space around it."""
    cells = [cell for cell in row if cell]
    if all(len(cell) == 1 for cell in cells):
        joined = "  ".join(cell[0] for cell in cells)
        if len(joined) <= width:
            return [joined], False
    lines: list[str] = []
    for cell in cells:
        lines += ["", *cell] if lines and len(cell) > 1 else cell
    return lines, True


def link_target(href: str) -> str:
    """Return what to show of a link, or nothing where a reader could not use it."""
    target = href.strip().translate(_IN_URL)
    if _NOT_FOR_READERS.match(target):
        return ""
    if target[:7].lower() == "mailto:":
        return target[7:].partition("?")[0]
    return target[4:] if target[:4].lower() == "tel:" else target


def says(text: str, target: str) -> bool:
    """Tell whether the text of a link is its target already."""
    return _bare(text) == _bare(target)


def _bare(link: str) -> str:
    return _IMPLIED.sub("", link.strip(), count=1).rstrip("/").casefold()
