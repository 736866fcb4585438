"""The text part that goes with HTML: the same words, for people who read text.

Linear in the size of the input, whatever the input is. Knows no style sheets: an element
is hidden only by what it says itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import TYPE_CHECKING

from nexomailer_cli.message.hidden import HiddenElements
from nexomailer_cli.message.markup import BLOCKS, Tag, tokens
from nexomailer_cli.message.textlayout import Row, link_target, says, table_lines, wrap

if TYPE_CHECKING:
    from collections.abc import Collection

WIDTH = 78  # RFC 5322 section 2.1.1
NARROWEST = 20
# A line is indented once per level; without a bound deep nesting would be quadratic.
MAX_DEPTH = 40

_CELLS = ("td", "th")
# fmt: off
_SPACED = frozenset((
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre",
    "figure", "hr"
))
_FRAMES = frozenset((
    "ul", "ol", "dl", "li", "dd", "table", "tr", "td", "th", "blockquote", "pre", "h1", "h2"
))
# fmt: on
# What a new one ends, and where to stop looking for it.
_SUCCEEDS = {
    "li": (("li",), ("ul", "ol", "table")),
    "dd": (("dd",), ("dl", "table")),
    "dt": (("dd",), ("dl", "table")),
    "tr": (("tr",), ("table",)),
    "td": (_CELLS, ("table",)),
    "th": (_CELLS, ("table",)),
}
_LISTS = ("ul", "ol")
_ROWS = ("tr", "td", "th")
_TABLE = ("table", "td", "th")
_UNDERLINES = {"h1": "=", "h2": "-"}
_SPACES = re.compile(r"[ \t\n\f]+")
_UNSEEN = {
    **dict.fromkeys([*range(9), *range(0x0E, 0x20), *range(0x7F, 0xA0)]),
    **dict.fromkeys([0x0B, 0xAD, 0x34F, 0x200B, 0xFEFF]),
    **dict.fromkeys([0x0D, 0x2028, 0x2029], "\n"),
}


def plaintext(html: str) -> str:
    """Return what `html` says as text, with lines of at most 78 characters except for URLs."""
    page = _Page()
    for token in tokens(html.replace("\r\n", "\n")):
        if isinstance(token, Tag):
            page.tag(token)
        else:
            page.text(token.translate(_UNSEEN))
    return page.finish()


@dataclass(slots=True)
class _Frame:
    """An element that indents or collects: its lines so far, and the space it has."""

    tag: str
    width: int = WIDTH
    first: str = ""
    rest: str = ""
    verbatim: bool = False
    lines: list[str] = field(default_factory=list)
    gap: bool = False
    count: int = 0  # items of a list, headings of a row
    cells: Row = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    has_heading: bool = False

    def add(self, lines: list[str]) -> None:
        if not lines:
            return
        if self.gap and self.lines:
            self.lines.append("")
        self.lines += lines
        self.gap = False

    def add_row(self, row: _Frame) -> None:
        self.add(row.lines)
        self.has_heading = self.has_heading or (not self.rows and row.count == len(row.cells))
        self.rows.append(row.cells)

    def finished(self) -> list[str]:
        self.add(table_lines(self.rows, self.width, has_heading=self.has_heading))
        if self.tag in _UNDERLINES and 0 < len(self.lines) <= 3:
            return [*self.lines, _UNDERLINES[self.tag] * max(map(len, self.lines))]
        if not self.rest:
            return self.lines
        prefixes = chain((self.first,), repeat(self.rest))
        return [(prefix + line).rstrip() for prefix, line in zip(prefixes, self.lines)]  # noqa: B905


class _Page:
    """The page so far: open frames, and the text of the paragraph being read."""

    def __init__(self) -> None:
        self._frames = [_Frame("")]
        self._pieces: list[str] = []
        self._link = ""
        self._link_start = 0
        self._hidden = HiddenElements()
        self._too_deep: dict[str, int] = {}

    def finish(self) -> str:
        self._end_link()
        while len(self._frames) > 1:
            self._close()
        self._flush()
        text = "\n".join(self._frames[0].lines).replace("\xa0", " ")
        return text and text + "\n"

    def text(self, text: str) -> None:
        if self._hidden:
            return
        self._pieces.append(text if self._frames[-1].verbatim else _SPACES.sub(" ", text))

    def tag(self, tag: Tag) -> None:
        if self._hidden.skips(tag):
            return
        if tag.is_end:
            self._end(tag.name)
        else:
            self._start(tag)

    def _start(self, tag: Tag) -> None:
        name = tag.name
        if name in _SUCCEEDS:
            self._close_through(*_SUCCEEDS[name])
        if name in _FRAMES:
            self._open(tag)
        elif name == "a":
            self._end_link()
            self._link = link_target(tag.attributes().get("href", "").translate(_UNSEEN))
            self._link_start = len(self._pieces)
        elif name in BLOCKS:
            self._break(spaced=name in _SPACED)
            self._rule(name)
        else:
            self._inline(tag)

    def _inline(self, tag: Tag) -> None:
        if tag.name == "br":
            self._pieces.append("\n")
        elif tag.name == "img":
            self.text(tag.attributes().get("alt", "").translate(_UNSEEN))

    def _rule(self, name: str) -> None:
        if name == "hr":
            self._frames[-1].add(["-" * min(self._frames[-1].width, 40)])
            self._break(spaced=True)

    def _end(self, name: str) -> None:
        if name == "a":
            self._end_link()
        elif name in _FRAMES:
            self._end_frame(name)
        elif name in BLOCKS:
            self._break(spaced=name in _SPACED)

    def _end_frame(self, name: str) -> None:
        if self._too_deep.get(name):
            self._too_deep[name] -= 1
            self._break(spaced=False)
            return
        barrier = () if name == "table" else ("table",) if name in _ROWS else _TABLE
        self._close_through((name,), barrier)

    def _open(self, tag: Tag) -> None:
        name, top = tag.name, self._frames[-1]
        if name in _CELLS and top.tag == "table":
            self._open(Tag("tr"))
            top = self._frames[-1]
        is_nested_list = name in _LISTS and top.tag in {"li", "dd"}
        self._break(spaced=name in _SPACED and not is_nested_list)
        if len(self._frames) > MAX_DEPTH:
            self._too_deep[name] = self._too_deep.get(name, 0) + 1
            return
        first, rest = _prefixes(name, top)
        width = max(NARROWEST, top.width - len(rest))
        frame = _Frame(name, width, first, rest, verbatim=top.verbatim or name == "pre")
        frame.count = _start_number(tag) - 1
        self._frames.append(frame)

    def _close(self) -> None:
        self._flush()
        frame = self._frames.pop()
        parent, lines = self._frames[-1], frame.finished()
        if frame.tag in _CELLS and parent.tag == "tr":
            parent.cells.append(lines)
            parent.count += frame.tag == "th"
        elif frame.tag == "tr" and parent.tag == "table":
            parent.add_row(frame)
        else:
            parent.add(lines + table_lines([frame.cells], parent.width))
            parent.gap = parent.gap or (frame.tag in _SPACED and parent.tag not in {"li", "dd"})

    def _close_through(self, names: Collection[str], barrier: Collection[str]) -> None:
        """Close the innermost frame of one of `names`, unless a barrier comes first."""
        self._break(spaced=False)
        for depth in range(len(self._frames) - 1, 0, -1):
            if self._frames[depth].tag in names:
                while len(self._frames) > depth:
                    self._close()
                return
            if self._frames[depth].tag in barrier:
                return

    def _end_link(self) -> None:
        target, self._link = self._link, ""
        text = "".join(self._pieces[self._link_start :]) if target else ""
        if target and not says(text, target):
            space = " " if text.endswith(" ") else ""
            self._pieces.append(f" <{target}>{space}")

    def _break(self, *, spaced: bool) -> None:
        self._flush()
        self._frames[-1].gap = self._frames[-1].gap or spaced

    def _flush(self) -> None:
        text = "".join(self._pieces)
        self._pieces.clear()
        self._link_start = 0
        frame = self._frames[-1]
        frame.add(_verbatim(text) if frame.verbatim else wrap(text, frame.width))


def _prefixes(name: str, parent: _Frame) -> tuple[str, str]:
    if name == "blockquote":
        return "> ", "> "
    if name == "dd":
        return "    ", "    "
    if name != "li":
        return "", ""
    parent.count += 1
    marker = f"{parent.count}. " if parent.tag == "ol" else "- "
    return marker, " " * len(marker)


def _start_number(tag: Tag) -> int:
    start = tag.attributes().get("start", "1") if tag.name == "ol" else "1"
    return int(start) if re.fullmatch("[0-9]{1,6}", start) else 1


def _verbatim(text: str) -> list[str]:
    if not text.strip():
        return []
    return [line.rstrip() for line in text.removeprefix("\n").rstrip().split("\n")]
