"""Templates that only put values into places, filled without the machinery of a language.

Most letters are of this kind, and joining their pieces takes a tenth of the time. The result
is what minijinja makes of the same; whatever would be different, or an error, is left to it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

_TAG: Final = re.compile(
    r"""\{\{[ \t\r\n]*([A-Za-z_][A-Za-z0-9_]*)"""
    r"""(?:\[[ \t]*(?:"([^"\\{}\r\n]*)"|'([^'\\{}\r\n]*)')[ \t]*\])?[ \t\r\n]*\}\}"""
)
# What begins a tag; a brace before one would be a part of it.
_OTHER_TAG: Final = re.compile(r"\{[{%#]")
_CONSTANTS: Final = {"true", "false", "none", "True", "False", "None", "not"}


class Hole(NamedTuple):
    """A place for the value of `name`, or for a member of it; `at` is the number of its piece."""

    at: int
    name: str
    member: str | None


class Straight(Struct, frozen=True):
    """A template as pieces, those of the holes empty. `escape` is for values, if anything is."""

    pieces: list[str]
    holes: tuple[Hole, ...]
    escape: Callable[[str], str] | None

    def fill(self, values: Mapping[str, object]) -> str | None:
        """Return the text; None if a value is missing or no text and no whole number."""
        pieces, escape = self.pieces.copy(), self.escape
        try:
            for index, name, member in self.holes:
                value = values[name]
                if member is not None:
                    value = value[member]  # type: ignore[index]
                if type(value) is str:
                    pieces[index] = value if escape is None else escape(value)
                elif type(value) is int:
                    pieces[index] = str(value)
                else:
                    return None
        except (KeyError, TypeError):
            return None
        return "".join(pieces)

    def marked(self, marks: Sequence[str]) -> str:
        """Return the text with the given marks in its holes as they are."""
        pieces = self.pieces.copy()
        for hole, mark in zip(self.holes, marks, strict=True):
            pieces[hole.at] = mark
        return "".join(pieces)


def straight(
    source: str, reserved: Collection[str], escape: Callable[[str], str] | None
) -> Straight | None:
    """Take a template apart; None if it has any tag but `{{ name }}` and `{{ row["…"] }}`.

    `reserved` are names that are not values.
    """
    pieces: list[str] = []
    holes: list[Hole] = []
    end = 0
    for tag in _TAG.finditer(source):
        name, member = tag[1], tag[2] if tag[2] is not None else tag[3]
        if name in _CONSTANTS or name in reserved or source[end : tag.start()].endswith("{"):
            return None
        pieces += (source[end : tag.start()], "")
        holes.append(Hole(len(pieces) - 1, name, member))
        end = tag.end()
    pieces.append(source[end:])
    if any(_OTHER_TAG.search(piece) for piece in pieces):
        return None
    return Straight(pieces, tuple(holes), escape)


def escaper(escapes: Mapping[int, str]) -> Callable[[str], str]:
    """Return a function that replaces characters, quick where there is nothing to replace."""
    search = re.compile(f"[{re.escape(''.join(map(chr, escapes)))}]").search

    def escape(value: str) -> str:
        return value if search(value) is None else value.translate(escapes)

    return escape
