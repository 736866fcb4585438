"""Encoded-words (RFC 2047): Unicode text as ASCII that no header parser can misread.

Only encodes. Which text needs it, and where lines break, is decided in `header`.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_WORD: Final = 75  # characters, RFC 2047 section 2
_FRAME: Final = len("=?utf-8?q??=")
# A name longer than this leaves its first line a little over 76 rather than without content.
_LEAST: Final = 28

# RFC 2047 section 5 (3): what may stand bare in a phrase is safe everywhere.
_SAFE: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/ "
_Q: Final = tuple(
    "_" if byte == 0x20 else chr(byte) if byte in _SAFE else f"={byte:02X}" for byte in range(256)
)


def encoded_words(text: str, first: int = MAX_WORD) -> tuple[str, ...]:
    """Return `text` as encoded-words in UTF-8, B or Q, whichever is shorter.

    Each has at most 75 characters (the first one `first`) and whole characters only,
    RFC 2047 section 5. They are to be separated by white space, which means nothing.
    """
    data = text.encode()
    first = max(first, _LEAST) - _FRAME
    if len(data) + 2 * len(data.translate(None, _SAFE)) <= (len(data) + 2) // 3 * 4:
        return tuple(f"=?utf-8?q?{piece}?=" for piece in _q_pieces(text, first))
    return tuple(
        f"=?utf-8?b?{binascii.b2a_base64(piece, newline=False).decode('ascii')}?="
        for piece in _b_pieces(data, first // 4 * 3)
    )


def _q_pieces(text: str, room: int) -> Iterator[str]:
    whole = "".join([_Q[byte] for byte in text.encode()])
    if len(whole) <= room:
        yield whole
        return
    piece: list[str] = []
    for character in text:
        quoted = "".join([_Q[byte] for byte in character.encode()])
        if len(quoted) > room:
            yield "".join(piece)
            piece, room = [], MAX_WORD - _FRAME
        piece.append(quoted)
        room -= len(quoted)
    yield "".join(piece)


def _b_pieces(data: bytes, room: int) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        end = start + room
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[start:end]
        start, room = end, (MAX_WORD - _FRAME) // 4 * 3
