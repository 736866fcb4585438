"""A second look at the finished bytes, by code that shares nothing with what wrote them.

Reads a message as a careless server might and compares what it finds with what was
meant. A mistake in the encoder, or in an interpreter, ends here and not in a mailbox.
Knows neither drafts nor how anything is encoded.
"""

from __future__ import annotations

import binascii
import re
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final, NoReturn

from nexomailer_cli.errors import MessageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_MAX_OCTETS: Final = 1000  # of a line with its CRLF, RFC 5322 section 2.1.1

# The value of a field: lines of which none but the first is white space alone. That every CR is
# one of a CRLF is known by then.
_VALUE: Final = rb"((?: [^\r]*+|[ \t]*+)\r\n(?:[ \t]++[^ \t\r\n][^\r]*+\r\n)*+)"
_FIELD: Final = re.compile(rb"([!-9;-~]++):" + _VALUE)
_PRINTABLE: Final = b"\r\n" + bytes(range(0x20, 0x7F))
# With the control characters of Unicode as UTF-8: C1, and U+2028, U+2029.
_CONTROL: Final = re.compile(
    rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]"
)
_ENCODED_WORD: Final = re.compile(rb"=\?[^?\s]*\?([bBqQ])\?([^?\s]*)\?=")
_LOCAL: Final = rb'(?:[^\s<>",;:()@]+|"[^"\\<>@]*")'
_DOMAIN: Final = rb'(?:[^\s<>",;:()@\[\]\x80-\xff]+|\[[^\s<>"@\[\]]+\])'
_MAILBOX: Final = re.compile(
    rb'\s*+(?:(?:[^"<>,;:@()]++|"(?:[^"\\]++|\\.)*+")*+'
    rb"<(%(local)s@%(domain)s)>|(%(local)s@%(domain)s))\s*+(,|\Z)"
    % {b"local": _LOCAL, b"domain": _DOMAIN}
)
_PATH: Final = re.compile(rb"%(local)s@%(domain)s" % {b"local": _LOCAL, b"domain": _DOMAIN})
_ONCE: Final = frozenset(
    {"from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id"}
    | {"in-reply-to", "references", "mime-version", "content-type"}
)


def check(
    content: bytes, *, names: Sequence[str], mailboxes: Mapping[str, tuple[str, ...]]
) -> None:
    """Raise MessageError unless the message is exactly what was meant.

    `names` are the names of all header fields in order; a Bcc among them is never right.
    `mailboxes` are the addr-specs that From, To, Cc, ... must hold.
    """
    check_lines(content)
    fields = _fields(_head(content))
    expected = tuple(names)
    if tuple([name for name, _ in fields]) != _encoded(expected):
        _refuse("its header fields are not the intended ones")
    for (_, value), name in zip(fields, expected, strict=True):
        if name in mailboxes and _mailboxes(value) != mailboxes[name]:
            _refuse(f"{name} would not name exactly the intended addresses")


class Shape:
    """The same look for many messages whose header fields have the same names, quicker.

    `mailbox` is the one field whose addresses are compared, `""` for none: what the others hold
    is for whoever writes them to know.
    """

    def __init__(self, names: Sequence[str], mailbox: str) -> None:
        fields = [
            re.escape(name) + b":" + (_VALUE if name == mailbox.encode() else _unnamed(_VALUE))
            for name in _encoded(tuple(names))
        ]
        self._pattern = re.compile(b"".join(fields))
        self._mailbox = mailbox

    def check(self, content: bytes, specs: tuple[str, ...]) -> None:
        """Raise MessageError unless the message has this shape and names these addresses."""
        check_lines(content)
        head = _head(content)
        found = self._pattern.fullmatch(head)
        if found is None:
            _fields(head)
            _refuse("its header fields are not the intended ones")
        if self._mailbox and _mailboxes(found[1]) != specs:
            _refuse(f"{self._mailbox} would not name exactly the intended addresses")


def _unnamed(group: bytes) -> bytes:
    return b"(?:" + group[1:]


# A run has few sets of names, whatever its number of messages.
@lru_cache(maxsize=64)
def _encoded(names: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return the names as octets; refuse a combination that no message may have."""
    kinds = [name.lower() for name in names]
    if "bcc" in kinds:
        _refuse("it has a Bcc field")
    if any(kinds.count(kind) > 1 for kind in _ONCE):
        _refuse("it has two fields of a kind that stands once")
    return tuple(name.encode() for name in names)


def check_paths(paths: Iterable[str]) -> None:
    """Raise MessageError unless each is one addr-spec that cannot be taken for more.

    What stands in `MAIL FROM:<…>` and `RCPT TO:<…>` need not stand in any header.
    """
    for path in paths:
        if _PATH.fullmatch(path.encode(errors="replace")) is None or not path.isprintable():
            _refuse("an envelope address is not a plain addr-spec")


def check_lines(content: bytes) -> None:
    """Raise MessageError unless every line ends with CRLF, has 998 octets at most, and no NUL.

    A bare CR or LF is what SMTP smuggling is made of (CVE-2023-51764).
    """
    if b"\0" in content:
        _refuse("it contains NUL")
    # Every CR taken out and one put before every LF: the same octets, or one stood alone.
    if content.replace(b"\r", b"").replace(b"\n", b"\r\n") != content:
        _refuse("a line does not end with CRLF")
    if content[-2:] != b"\r\n":
        _refuse("a line does not end with CRLF")
    start, size = 0, len(content)
    while size - start > _MAX_OCTETS:
        end = content.rfind(b"\n", start, start + _MAX_OCTETS)
        if end < 0:
            line = content.count(b"\n", 0, start) + 1
            _refuse(f"line {line} is longer than 998 octets")
        start = end + 1


def _head(content: bytes) -> bytes:
    """Return the header, in which there is nothing that a reader could stumble over."""
    head = content[: content.find(b"\r\n\r\n") + 2]
    if head.translate(None, _PRINTABLE) and _CONTROL.search(head):
        _refuse("its header holds a control character")
    if b"=?" in head:
        _check_encoded_words(head)
    return head


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    fields: list[tuple[bytes, bytes]] = _FIELD.findall(head)
    # Nothing may stand between the fields: their lengths add up to the whole.
    if not fields or len(fields) + sum(map(len, chain.from_iterable(fields))) != len(head):
        _refuse("its header is not well-formed")
    return fields


def _check_encoded_words(head: bytes) -> None:
    """Look into the encoded-words: a reader decodes them before it writes them anew."""
    for kind, text in _ENCODED_WORD.findall(head):
        decode = binascii.a2b_base64 if kind in b"bB" else binascii.a2b_qp
        if re.search(rb"[\x00-\x1f\x7f]", decode(text)):
            _refuse("an encoded-word hides a control character")


def _mailboxes(value: bytes) -> tuple[str, ...]:
    if value == b" undisclosed-recipients:;\r\n":
        return ()
    found: list[str] = []
    position, more = 0, True
    while more:
        match = _MAILBOX.match(value, position)
        if match is None:
            _refuse("an address list is not well-formed")
        found.append((match[1] or match[2]).decode(errors="replace"))
        position, more = match.end(), match[3] == b","
    return tuple(found)


def _refuse(why: str) -> NoReturn:
    raise MessageError(
        f"refusing to send: {why}", hint="This is a bug in nexomailer; please report it."
    )
