"""Header fields: values to bodies that are safe to put behind `Name: `.

Our own encoder: the standard library's turned `=?utf-8?q?hi=0D=0ABcc=3A_x?=` into a Bcc
header (CVE-2024-6923). Each function returns a field's body, folded, without the last
CRLF. Knows the shapes of values, not which fields a message has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nexomailer_cli.errors import MessageError
from nexomailer_cli.message.characters import CONTROL, describe, shown
from nexomailer_cli.message.encodedword import MAX_WORD, encoded_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nexomailer_cli.message.draft import Address

WIDTH: Final = 78  # characters a line should have at most, RFC 5322 section 2.1.1
MAX_LINE: Final = 998  # octets a line must have at most, the same section
_WORD_WIDTH: Final = 76  # a line with an encoded-word, RFC 2047 section 2
# Leaves room for the field's name, a space and a comma.
_MAX_TOKEN: Final = 900

_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


def refuse_controls(name: str, value: str) -> None:
    """Raise MessageError if `value` holds a character that could end a line or worse."""
    found = CONTROL.search(value)
    if found:
        raise MessageError(
            f"{name}: {describe(found[0])} at character {found.start() + 1} of {shown(value)}",
            hint="A header is one line of text; remove the character.",
        )


def is_plain(value: str) -> bool:
    """Tell whether `value` means itself: printable ASCII that no reader decodes."""
    return value.isascii() and value.isprintable() and "=?" not in value


def text_body(name: str, value: str) -> str:
    """Return unstructured text (RFC 5322 section 3.2.5), encoded as a whole if need be.

    Spaces around it mean nothing and are dropped. Raises MessageError for control
    characters.
    """
    value = value.strip(" ")
    if is_plain(value):
        if len(name) + len(value) + 2 <= WIDTH:
            return value
        # The first of several spaces stays behind, so no line is white space alone.
        words = re.split(" (?! )", value)
        if max(map(len, words)) <= _MAX_TOKEN:
            return fold(name, words)
    refuse_controls(name, value)
    return fold(name, encoded_words(value, _first(name)), width=_WORD_WIDTH)


def address_body(name: str, addresses: Sequence[Address]) -> str:
    """Return an address list; display names are quoted or encoded, whatever they hold.

    A non-ASCII local part stays as UTF-8 (RFC 6532), which makes the message one that
    needs SMTPUTF8. Raises MessageError for control characters in a name.
    """
    if len(addresses) == 1 and not addresses[0].name:
        return addresses[0].spec
    words: list[str] = []
    for address in addresses:
        words += mailbox_words(name, address)
        words[-1] += ","
    words[-1] = words[-1][:-1]
    return fold(name, words, width=_WORD_WIDTH)


def mailbox_words(name: str, address: Address) -> list[str]:
    """Return one mailbox as words between which a line may break."""
    if not address.name:
        return [address.spec]
    return [*phrase_words(name, address.name), f"<{address.spec}>"]


def phrase_words(name: str, phrase: str) -> tuple[str, ...]:
    """Return a phrase (RFC 5322 section 3.2.5): atoms, a quoted string, or encoded-words."""
    if is_plain(phrase) and len(phrase) <= WIDTH:
        if _ATOMS.fullmatch(phrase):
            return tuple(phrase.split(" "))
        return ('"' + phrase.replace("\\", "\\\\").replace('"', '\\"') + '"',)
    refuse_controls(name, phrase)
    return encoded_words(phrase, _first(name))


def token_body(name: str, tokens: Iterable[str]) -> str:
    """Return tokens that must never be encoded: message identifiers, URIs in brackets.

    Raises MessageError for one that cannot stand in a header as it is.
    """
    tokens = tuple(tokens)
    for token in tokens:
        if not is_plain(token) or " " in token or len(token) > _MAX_TOKEN:
            raise MessageError(
                f"{name}: {shown(token)} cannot stand in this header: it takes up to "
                f"{_MAX_TOKEN} printable ASCII characters without spaces and '=?'"
            )
    return fold(name, tokens)


def fold(name: str, words: Iterable[str], *, width: int = WIDTH) -> str:
    """Join words by spaces, breaking lines before a word that goes beyond `width`."""
    used = len(name) + 1
    folded: list[str] = []
    for word in words:
        used += 1 + len(word)
        if folded:
            fits = used <= width
            folded.append(" " if fits else "\r\n ")
            used = used if fits else 1 + len(word)
        folded.append(word)
    return "".join(folded)


def _first(name: str) -> int:
    return min(MAX_WORD, _WORD_WIDTH - len(name) - 2)
