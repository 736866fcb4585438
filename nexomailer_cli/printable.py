"""Make text from outside harmless for terminals, logs and JSON.

A server's reply may hold escape sequences that set the window title, fill the
clipboard or hide what came before, line breaks that forge log lines, and bidi
controls that reorder what is shown. They become visible `\\x..` here, once,
where such text enters the program.
"""

from __future__ import annotations

import re
from functools import cache

# C0 and C1 controls, DEL; line and paragraph separators; the bidi controls of
# UAX #9; lone surrogates, which no encoder takes.
_HARMFUL = (
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    """Return `text` with every control, bidi and separator character made visible."""
    if text.isprintable():  # nothing below is; the pattern takes a millisecond to compile
        return text
    return _harmful().sub(_visible, text)


@cache
def _harmful() -> re.Pattern[str]:
    return re.compile(_HARMFUL)


def _visible(match: re.Match[str]) -> str:
    point = ord(match[0])
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}"
