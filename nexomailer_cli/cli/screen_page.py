"""How text is laid out on a terminal or in a file: columns, wrapping, frames, glyphs.

Knows nothing about examinations, and prints nothing. Texts are made harmless a second time
here, since one escape sequence that slipped through would own the terminal. The layout needs
no library, so that a run whose output nobody watches does not pay for one.
"""

from __future__ import annotations

import os
from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.cli.output import MAX_WIDTH, may_color, painted
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

MIN_WIDTH = 40
USUAL_WIDTH = 80
_GLYPHS = {"ok": "✓", "warn": "!", "fail": "✗", "unknown": "?", "info": "·", "skip": "·"}
_ASCII_GLYPHS = _GLYPHS | {"ok": "ok", "fail": "FAIL", "info": "-", "skip": "-"}
_STYLES = {"ok": "good", "warn": "warning", "fail": "error", "unknown": "warning"}
_BORDER = tuple("╭─╮│╰╯")
_ASCII_BORDER = tuple("+-+|++")
# Joiners and spaces of no width; other formatting characters may be drawn.
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
# What our own sentences are set with.
_TYPED = str.maketrans(
    {"·": "-", "…": "...", "−": "-", "–": "-", "“": '"', "”": '"', "’": "'", "→": "->"}
)


class Cell(Struct, frozen=True):
    """Paragraphs in a column of `width` cells."""

    paragraphs: tuple[str, ...]
    width: int
    style: str = ""
    is_right: bool = False


class Page(Struct, frozen=True):
    """What can be shown, and where. `width` is in cells, of which a wide character takes two."""

    width: int = USUAL_WIDTH
    encoding: str = "utf-8"
    is_ascii: bool = False
    is_framed: bool = False
    is_colored: bool = False
    is_verbose: bool = False

    @property
    def inner_width(self) -> int:
        """What a frame leaves."""
        return self.width - 4 if self.is_framed else self.width

    @property
    def glyph_width(self) -> int:
        """The widest glyph."""
        return 4 if self.is_ascii else 1

    def glyph(self, status: str) -> Cell:
        """Return the sign of a status."""
        glyphs = _ASCII_GLYPHS if self.is_ascii else _GLYPHS
        return Cell((glyphs[status],), self.glyph_width, _STYLES.get(status, "faint"))

    def clean(self, text: str) -> str:
        """Return text as it can be shown here."""
        text = printable(text)
        if text.isascii():
            return text
        if self.is_ascii:
            text = text.translate(_TYPED)
        return text.encode(self.encoding, "backslashreplace").decode(self.encoding)

    def row(self, *cells: Cell) -> list[str]:
        """Return cells side by side, in as many lines as the longest one needs."""
        columns = [self._filled(cell) for cell in cells]
        empty = [" " * cell.width for cell in cells]
        lines = zip_longest(*columns)
        return [
            " ".join(part or blank for part, blank in zip(line, empty, strict=True))
            for line in lines
        ]

    def paragraph(self, text: str, style: str = "", indent: int = 0) -> list[str]:
        """Return text over the whole width, its further lines indented."""
        text = self.clean(text).strip()
        first, *rest = list(wrapped(text, self.width))
        further = wrapped(text[len(first) :].lstrip(" "), self.width - indent) if rest else ()
        lines = [first, *(" " * indent + line for line in further)]
        return [self._painted(line, style) for line in lines]

    def block(self, heading: str, lines: Iterable[str], style: str) -> list[str]:
        """Return lines of `inner_width` below a heading in capitals, in a frame where that is
        of use."""
        title = self.clean(heading.upper())
        if not self.is_framed:
            heads = [self._painted(each, style) for each in wrapped(title, self.width)]
            return [*heads, *lines]
        return list(self._framed(title, lines, style))

    def _framed(self, title: str, lines: Iterable[str], style: str) -> Iterator[str]:
        nw, flat, ne, side, sw, se = _ASCII_BORDER if self.is_ascii else _BORDER
        edge = self._painted(side, style)
        room = self.width - 6
        titles = list(wrapped(title, room))
        above = f" {titles[0]} " if len(titles) == 1 else ""
        yield self._painted(nw + flat + above + flat * (self.width - 3 - cells(above)) + ne, style)
        inside = Cell(tuple(titles) if not above else (), self.inner_width, style)
        for line in [*self._filled(inside), *lines]:
            yield f"{edge} {line} {edge}"
        yield self._painted(sw + flat * (self.width - 2) + se, style)

    def _filled(self, cell: Cell) -> list[str]:
        lines = [line for each in cell.paragraphs for line in wrapped(self.clean(each), cell.width)]
        return [self._padded(line, cell) for line in lines]

    def _padded(self, line: str, cell: Cell) -> str:
        gap = " " * (cell.width - cells(line))
        shown = self._painted(line, cell.style)
        return gap + shown if cell.is_right else shown + gap

    def _painted(self, text: str, style: str) -> str:
        return painted(text, style) if style and text.strip() and self.is_colored else text


def page_of(stream: TextIO | None, *, color: bool, verbose: bool) -> Page:
    """Return what can be shown on a stream."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    is_dumb = os.environ.get("TERM") == "dumb"
    is_terminal = stream is not None and stream.isatty()
    return Page(
        width=min(max(_columns(stream if is_terminal else None), MIN_WIDTH), MAX_WIDTH),
        encoding=encoding,
        is_ascii=is_dumb or encoding.lower().replace("-", "") not in ("utf8", "utf8sig"),
        is_framed=is_terminal and not is_dumb,
        is_colored=color and may_color(stream),
        is_verbose=verbose,
    )


def _columns(terminal: TextIO | None) -> int:
    # shutil.get_terminal_size does the same, and imports the compressors with it.
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdecimal() and len(wanted) < 6 and int(wanted) > 0:
        return int(wanted)
    try:
        return os.get_terminal_size(terminal.fileno()).columns if terminal else USUAL_WIDTH
    except (OSError, ValueError):
        return USUAL_WIDTH


def wrapped(text: str, width: int) -> Iterator[str]:
    """Yield text in lines, broken between words; only a word that is too long is cut in two."""
    line: str | None = None
    for word in _words(text):
        longer = word if line is None else f"{line} {word}"
        if cells(longer) <= width:
            line = longer
            continue
        if line and line.strip():
            yield line.rstrip()
        *full, line = _pieces(word, width)
        yield from full
    yield line or ""


def _words(text: str) -> Iterator[str]:
    # What separates the parts of a list stays at the end of a line.
    glued = text.replace(" · ", "\0· ").replace(" - ", "\0- ")
    return (word.replace("\0", " ") for word in glued.split(" "))


def _pieces(word: str, width: int) -> list[str]:
    pieces = [""]
    room = width
    for character in word:
        size = cells(character)
        if size > room:
            pieces.append("")
            room = width
        pieces[-1] += character
        room -= size
    return pieces


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes; rather one too many than too few."""
    return len(text) if text.isascii() else sum(map(_cells, text))


@cache
def _cells(character: str) -> int:
    from unicodedata import category, east_asian_width

    if east_asian_width(character) in "WF":
        return 2
    # The selector of the emoji form takes nothing itself, but makes its neighbour wider.
    is_mark = category(character) in ("Mn", "Me") and character != "\ufe0f"
    return 0 if is_mark or character in _INVISIBLE else 1
