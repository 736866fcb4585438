"""What programs on this machine write that know no domain: `To: root`, or no From at all.

A finished message is completed before it is read (`message.raw`); whatever has a domain, or is
written in a way that two readers could understand differently, is left as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nexomailer_cli.message.header import address_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.message.draft import Address

_HEAD_END = re.compile(rb"\r?\n\r?\n|\Z")
_MBOX = re.compile(rb"From (?![ \t]*:)[^\n]*\n")
_ANY_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_FROM = re.compile(rb"^From[ \t]*:", re.IGNORECASE | re.MULTILINE)
_FIELD = re.compile(
    rb"^(From|Sender|Reply-To|To|Cc|Bcc)[ \t]*:([^\r\n]*(?:\r?\n[ \t]+[^ \t\r\n][^\r\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_ITEM = re.compile(rb"(?:[^,()]|\([^()]*\))+")
_LOCAL = rb"([A-Za-z0-9_.+-]+)"
_BARE = re.compile(rb"(\s*)" + _LOCAL + rb"(\s*(?:\([^()]*\)\s*)?)")
_ANGLE = re.compile(rb"([^<>@()]*<)" + _LOCAL + rb"(>\s*)")
_NAME = re.compile(rb"(?:\s*|.*<)" + _LOCAL + rb"(?:>\s*|\s*(?:\(([^()]*)\)\s*)?)", re.DOTALL)


def completed(content: bytes, author: Callable[[], Address]) -> bytes:
    """Return a message whose local names have the domain of `author`, who writes if nobody does.

    A local name in From is no address that anybody could answer to: `author` takes its place. Who
    that is, is asked only where it is needed.
    """
    line_end = b"\r\n" if b"\r\n" in content else b"\n"
    before = _MBOX.match(content)
    mbox, content = (before[0], content[before.end() :]) if before else (b"", content)
    head, rest = _split(content, line_end)
    head = _FIELD.sub(lambda match: _field(match, author), head)
    if not _FROM.search(head):
        head = _from(author()) + line_end + head
    return mbox + head + rest


def _split(content: bytes, line_end: bytes) -> tuple[bytes, bytes]:
    """Return the header and what follows it; a first line that is no field begins the body."""
    if not _ANY_FIELD.match(content):
        return b"", content if content.startswith(line_end) else line_end + content
    end = _HEAD_END.search(content)
    assert end is not None
    return content[: end.start()], content[end.start() :]


def with_domain(recipient: str, author: Callable[[], Address]) -> str:
    """Return a recipient from a command line, with a domain if it has none."""
    if re.fullmatch(r"[A-Za-z0-9_.+-]+", recipient):
        return f"{recipient}@{_domain(author)}"
    return recipient


def _domain(author: Callable[[], Address]) -> str:
    return author().spec.rpartition("@")[2]


def _field(match: re.Match[bytes], author: Callable[[], Address]) -> bytes:
    name, value = match[1], match[2]
    if b'"' in value or (b"@" in value and name.lower() == b"from"):
        return match[0]
    if name.lower() == b"from" and (local := _NAME.fullmatch(value)):
        return _from(author(), local[2])
    completed = _ITEM.sub(lambda item: _item(item[0], author), value)
    return match[0].removesuffix(value) + completed


def _from(author: Address, comment: bytes | None = None) -> bytes:
    from msgspec import structs

    said = (comment or b"").decode("ascii", "ignore").strip()
    if said and not author.name:
        author = structs.replace(author, name=said)
    return f"From: {address_body('From', (author,))}".encode()


def _item(item: bytes, author: Callable[[], Address]) -> bytes:
    match = _BARE.fullmatch(item) or _ANGLE.fullmatch(item)
    if match is None:
        return item
    return match[1] + match[2] + b"@" + _domain(author).encode() + match[3]
