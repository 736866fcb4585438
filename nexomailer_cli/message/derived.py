"""What a conversion makes of a template: HTML of Markdown, readable text of HTML.

To convert every message of a run takes a hundred times as long as to fill it. So the template
is converted once, with marks where values go; what comes out has the marks in new places and
is filled instead. That is right only if no value can change anything but its own place: the
template is tried with values that begin and end in every kind of character, and values out of
the ordinary (empty, of several lines, no clean URL inside a link) go the long way.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nexomailer_cli.message.straight import Hole, Straight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nexomailer_cli.message.template import Template

# Of equal length, as the layout of text depends on it; the digits could be a list's number.
_MARKS: Final = ("Zq{:04}xQ", "70{:04}13", "!q{:04}x!", "!q{:04}xQ", "Zq{:04}x!")
# A character reference that a value might complete.
_REFERENCE: Final = re.compile(r"&#?\w*\Z")
_IN_TAG: Final = re.compile(r"<[^<>]*\Z")
# Stays as it is in a URL, whoever writes it.
_CLEAN: Final = re.compile(
    r"https?://[a-z0-9][a-z0-9.-]*+(?::[0-9]+)?(?:/[A-Za-z0-9/._~?=&+@-]*)?|[A-Za-z0-9._~+@-]+"
)

_Place = tuple[str, str | None]


class Derived:
    """A template of which `convert` makes a text; `escape` is what it does to plain words."""

    def __init__(
        self, template: Template, convert: Callable[[str], str], escape: Callable[[str], str]
    ) -> None:
        self._template = template
        self._convert = convert
        self._quick = _converted(template.straight, convert, escape) if template.straight else None
        self._ordinary: tuple[_Place, ...] = ()
        self._clean: tuple[_Place, ...] = ()
        if template.straight is not None and self._quick is not None:
            self._divide(template.straight)

    @property
    def is_quick(self) -> bool:
        """Whether most values need no conversion."""
        return self._quick is not None

    def render(self, values: Mapping[str, object]) -> str:
        """Return the converted text with `values` in it; raise TemplateError."""
        if self._quick is not None and self._are_ordinary(values):
            filled = self._quick.fill(values)
            if filled is not None:
                return filled
        return self._convert(self._template.render(values))

    def _divide(self, source: Straight) -> None:
        """Find out which values stand in an attribute, where a space would be something else."""
        assert self._quick is not None
        inside = {*_in_tags(source), *_in_tags(self._quick)}
        places = {(hole.name, hole.member) for hole in source.holes}
        self._clean = tuple(inside)
        self._ordinary = tuple(places - inside)

    def _are_ordinary(self, values: Mapping[str, object]) -> bool:
        return all(_is_ordinary(_value(values, place)) for place in self._ordinary) and all(
            _CLEAN.fullmatch(_value(values, place)) for place in self._clean
        )


def _converted(
    source: Straight, convert: Callable[[str], str], escape: Callable[[str], str]
) -> Straight | None:
    """Return the converted template, None if it depends on its values."""
    places = tuple(dict.fromkeys((hole.name, hole.member) for hole in source.holes))
    if not places:
        return Straight([convert(source.marked(()))], (), escape)
    if len(places) > 9999 or any(_REFERENCE.search(piece) for piece in source.pieces[:-1]):
        return None
    attempts = [_attempt(source, convert, form, places) for form in _MARKS]
    pieces, found = attempts[0]
    if any(attempt != attempts[0] for attempt in attempts) or not set(found) <= set(places):
        return None
    holes: list[Hole] = []
    filled: list[str] = [pieces[0]]
    for (name, member), piece in zip(found, pieces[1:], strict=True):
        holes.append(Hole(len(filled), name, member))
        filled += ("", piece)
    return Straight(filled, tuple(holes), escape)


def _attempt(
    source: Straight, convert: Callable[[str], str], form: str, places: tuple[_Place, ...]
) -> tuple[tuple[str, ...], tuple[_Place, ...]]:
    """Convert with marks of a form; return what is between them, and which they are."""
    marks = {place: form.format(number) for number, place in enumerate(places)}
    escape = source.escape or str
    text = source.marked([escape(marks[hole.name, hole.member]) for hole in source.holes])
    parts = re.split(f"({'|'.join(map(re.escape, marks.values()))})", convert(text))
    by_mark = {mark: place for place, mark in marks.items()}
    return tuple(parts[::2]), tuple(by_mark[mark] for mark in parts[1::2])


def _in_tags(template: Straight) -> set[_Place]:
    before = ""
    found: set[_Place] = set()
    holes = {hole.at: hole for hole in template.holes}
    for index, piece in enumerate(template.pieces):
        hole = holes.get(index)
        if hole is not None and _IN_TAG.search(before):
            found.add((hole.name, hole.member))
        # What an earlier value was inside a tag does not end it.
        before = before[-1000:] + piece
    return found


def _value(values: Mapping[str, object], place: _Place) -> str:
    name, member = place
    value = values.get(name, "")
    if member is not None:
        value = value.get(member, "") if isinstance(value, dict) else ""
    return value if isinstance(value, str) else str(value)


def _is_ordinary(value: str) -> bool:
    return value.isprintable() and value.strip(" ") == value != "" and "  " not in value
