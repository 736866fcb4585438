"""Takes secrets out of text: servers have quoted in an error what they were sent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What a character that is no letter or digit may have become on the way: %2F, %2f, a blank.
_CHANGED = "(?:[^A-Za-z0-9]|%[0-9A-Fa-f]{2})"
_RUNS = re.compile(r"([A-Za-z0-9]+)")
MOST_BYTES = 4  # of a character in UTF-8


def unsaid(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with every form of every secret replaced."""
    for secret in secrets:
        for pattern in _patterns(secret) if secret else ():
            text = re.sub(pattern, "***", text)
    return text


def _patterns(secret: str) -> Iterator[str]:
    yield re.escape(secret)
    if _RUNS.search(secret):
        yield "".join(_piece(piece) for piece in _RUNS.split(secret))
    else:  # of signs only, which match too much where each may be anything
        yield "".join(map(_sign, secret))
    yield from map(re.escape, _in_base64(secret))


def _piece(piece: str) -> str:
    if not piece or _RUNS.fullmatch(piece):
        return piece
    return f"{_CHANGED}{{0,{MOST_BYTES * len(piece)}}}"


def _sign(sign: str) -> str:
    from urllib.parse import quote

    return f"(?i:{re.escape(sign)}|{quote(sign, safe='')})"


def _in_base64(secret: str) -> Iterator[str]:
    import base64

    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            # Behind other text it looks another way, and its ends depend on what that is.
            inside = encode(b"\0" * offset + secret.encode()).decode().rstrip("=")
            yield inside[4 if offset else 0 : -2 or None]
