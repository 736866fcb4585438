"""The subject of a message that anybody may have sent, for a line in a list.

Never fails: what cannot be decoded is shown as it stands. Does not make the text
harmless; whoever shows it does.
"""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header

_SUBJECT = re.compile(rb"^Subject:((?:.*\r?\n[ \t])*.*)", re.IGNORECASE | re.MULTILINE)
_BLANK_LINE = re.compile(rb"^\r?\n", re.MULTILINE)
_SPACE = re.compile(r"\s+")


def read_subject(content: bytes) -> str:
    """Return the decoded Subject in one line, `""` where there is none."""
    blank = _BLANK_LINE.search(content)
    match = _SUBJECT.search(content, 0, blank.start() if blank else len(content))
    if match is None:
        return ""
    return _SPACE.sub(" ", _decoded(match[1].decode("utf-8", "replace"))).strip()


def _decoded(text: str) -> str:
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (LookupError, ValueError, HeaderParseError):  # unknown charset, or none of it
        return text
