"""Parameters of structured MIME fields (RFC 2045, RFC 2231): file names above all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nexomailer_cli.errors import MessageError
from nexomailer_cli.message.characters import CONTROL_OR_OVERRIDE, describe, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

# Longer values go in pieces, so that `; filename*0*=utf-8''…;` stays within 78 characters.
_PIECE: Final = 54
_FALLBACK: Final = 60  # characters of the ASCII name for readers that know no RFC 2231
_ATTRIBUTE_SAFE: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`{|}~"
)
_PERCENT: Final = tuple(
    chr(byte) if byte in _ATTRIBUTE_SAFE else f"%{byte:02X}" for byte in range(256)
)
_SIMPLE: Final = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")


def filename_parameters(filename: str) -> tuple[str, ...]:
    """Return the `filename` parameters of a Content-Disposition, in the order to write them.

    A name beyond plain ASCII goes as `filename*` first, then as an ASCII approximation:
    in this order every reader seen takes the exact one if it can. Raises MessageError
    for control characters and for overrides of the reading direction.
    """
    found = CONTROL_OR_OVERRIDE.search(filename)
    if found:
        raise MessageError(
            f"attachment {shown(filename)}: {describe(found[0])} in the file name",
            hint="Rename the file.",
        )
    if len(filename) <= _FALLBACK and "=?" not in filename and _SIMPLE.fullmatch(filename):
        return (f'filename="{filename}"',)
    return (*_extended(filename), f'filename="{_approximation(filename)}"')


def _extended(filename: str) -> Iterator[str]:
    pieces = tuple(_pieces(filename))
    if len(pieces) == 1:
        yield f"filename*=utf-8''{pieces[0]}"
        return
    for number, piece in enumerate(pieces):
        charset = "" if number else "utf-8''"
        yield f"filename*{number}*={charset}{piece}"


def _pieces(filename: str) -> Iterator[str]:
    piece = ""
    for character in filename:
        quoted = "".join([_PERCENT[byte] for byte in character.encode()])
        if len(piece) + len(quoted) > _PIECE:
            yield piece
            piece = ""
        piece += quoted
    yield piece


def _approximation(filename: str) -> str:
    import unicodedata

    plain = unicodedata.normalize("NFKD", filename[-_FALLBACK:]).encode("ascii", "ignore").decode()
    safe = re.sub(r"[^A-Za-z0-9.()+,;@_ -]+", "_", plain)[-_FALLBACK:].strip(" ")
    return re.sub(" +", " ", safe) or "attachment"
