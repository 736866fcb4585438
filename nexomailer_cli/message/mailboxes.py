"""The addresses in an address field of a message somebody else has written.

Takes the field apart at its commas, comments and groups (RFC 5322 section 3.4), and leaves
every single mailbox to `message.address`. Whatever two readers could see differently is
refused (CVE-2023-27043): the one who sends knows better and can say it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from nexomailer_cli.errors import AddressError
from nexomailer_cli.message.address import parse_address
from nexomailer_cli.message.characters import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.message.draft import Address

_COMMENT_PIECE = re.compile(r'[^()"\\]++|"(?:[^"\\]++|\\.)*+"|\\.|[()"\\]', re.DOTALL)
_INSIDE_PIECE = re.compile(r"[^()\\]++|\\.|[()\\]", re.DOTALL)
_LIST_PIECE = re.compile(r'[^,:;"<\[]++|"(?:[^"\\]++|\\.)*+"|<[^<>]*+>|\[[^\[\]]*+\]|[,:;"<\[]')

# Where we are in a list, and what separator leads where.
_NEXT = {
    ("list", ","): "list",
    ("list", ":"): "group",
    ("list", ""): "list",
    ("group", ","): "group",
    ("group", ";"): "after group",
    ("after group", ","): "list",
    ("after group", ""): "list",
}


def mailboxes(value: str) -> tuple[Address, ...]:
    """Return the mailboxes of an unfolded field value, members of groups included.

    Comments stand for a space, so that they cannot join or split an address. Raises
    AddressError.
    """
    value = value.replace("\t", " ")
    if "(" in value or ")" in value:
        value = _without_comments(value)
    return tuple(parse_address(item) for item in _items(value))


def _without_comments(value: str) -> str:
    outside: list[str] = []
    position = depth = 0
    while position < len(value):
        pattern = _INSIDE_PIECE if depth else _COMMENT_PIECE
        match = pattern.match(value, position)
        assert match is not None
        piece, position = match[0], match.end()
        if piece == "(":
            depth += 1
        elif piece == ")":
            depth -= 1
        elif not depth:
            outside.append(piece)
        if depth < 0:
            _refuse(value, "a ) that closes nothing")
        if piece in {"(", ")"}:
            outside.append(" ")
    if depth:
        _refuse(value, "a comment that is never closed")
    return "".join(outside)


def _items(value: str) -> Iterator[str]:
    """Yield the mailboxes of the list; a group's name is no mailbox."""
    state = "list"
    for item, separator in _runs(value):
        following = _NEXT.get((state, separator))
        if following is None:
            _refuse(value, f"{separator!r} out of place" if separator else "a group never ends")
        if state == "after group" and item:
            _refuse(value, "no comma after a group")
        if separator == ":" and (not item or "@" in item):
            _refuse(value, "a colon that begins no group")
        if item and separator != ":":
            yield item
        state = following


def _runs(value: str) -> Iterator[tuple[str, str]]:
    """Yield what stands before each separator, and the separator; the last one is empty."""
    pieces: list[str] = []
    for piece in _LIST_PIECE.findall(value):
        if piece in {",", ":", ";"}:
            yield "".join(pieces).strip(), piece
            pieces.clear()
        else:
            pieces.append(piece)
    yield "".join(pieces).strip(), ""


def _refuse(value: str, why: str) -> NoReturn:
    raise AddressError(f"{why}: {shown(value.strip())}")
