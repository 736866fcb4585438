"""Which characters may not stand in a header or an address, and how to show them.

Knows nothing of syntax: a comma is as good as a letter here.
"""

from __future__ import annotations

import re
from typing import Final

# C0, DEL, C1 (with NEL), LINE and PARAGRAPH SEPARATOR: every one of them ends a line for
# some reader. Lone surrogates are bytes that were not UTF-8; they cannot be encoded.
_CONTROL: Final = "\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
# Embeddings, overrides and isolates make `gpj.exe` read as `exe.jpg` (CVE-2021-42574).
_OVERRIDE: Final = "\u202a-\u202e\u2066-\u2069"
# Nothing to see, but another mailbox: soft hyphen, zero-width, bidi marks, tags, fillers.
# U+200C and U+200D are left out: Persian names and family emoji are spelt with them.
_INVISIBLE: Final = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
_SPACE: Final = "\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"


class CharacterClass:
    """Some characters, none of which is printable ASCII.

    Compiled when it is first needed: at every start, classes this wide would take longer
    than a message to compose.
    """

    def __init__(self, characters: str) -> None:
        self._characters = characters

    def search(self, text: str) -> re.Match[str] | None:
        """Return the first of them in `text`."""
        if text.isascii() and text.isprintable():
            return None
        return re.search(f"[{self._characters}]", text)  # re keeps what it has compiled


CONTROL: Final = CharacterClass(_CONTROL)
CONTROL_OR_OVERRIDE: Final = CharacterClass(_CONTROL + _OVERRIDE)
HIDDEN: Final = CharacterClass(_CONTROL + _OVERRIDE + _INVISIBLE)
HIDDEN_OR_SPACE: Final = CharacterClass(
    _CONTROL
    + _OVERRIDE
    + _INVISIBLE
    + _SPACE
    + "\u200c\u200d\ufe00-\ufe0f\ue000-\uf8ff\ufffd\ufffe\uffff"
)

_NAMES: Final = {
    "\0": "NUL",
    "\t": "a tab",
    "\n": "a line feed",
    "\r": "a carriage return",
    "\x1b": "an escape character",
    "\x7f": "a DEL character",
    "\x85": "a line break (NEL)",
    "\u2028": "a line separator",
    "\u2029": "a paragraph separator",
}


def describe(character: str) -> str:
    """Name a character for a person who cannot see it."""
    name = _NAMES.get(character)
    if name:
        return name
    if "\ud800" <= character <= "\udfff":
        return "a byte that is not UTF-8"
    return f"the hidden character U+{ord(character):04X}"


def shown(text: str, limit: int = 80) -> str:
    """Quote text for a message to a person: short, and every hidden character as an escape."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")
