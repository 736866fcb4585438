"""A finished message of somebody else's, made ready to send.

Nothing is encoded anew, so that signatures survive: apart from the line ends, what
leaves is what came, without Bcc, and with a Date and a Message-ID if it had none.
Knows nothing of bodies.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from msgspec import Struct

from nexomailer_cli.errors import AddressError, MessageError
from nexomailer_cli.message.characters import shown
from nexomailer_cli.message.identity import date_body, new_message_id
from nexomailer_cli.message.mailboxes import mailboxes
from nexomailer_cli.smtp.envelope import Envelope, Mail, distinct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from nexomailer_cli.message.draft import Address

_MAX_OCTETS = 1000  # of a line with its CRLF, RFC 5322 section 2.1.1
_BARE_CR = re.compile(rb"\r(?!\n)")
_MBOX = re.compile(rb"From (?![ \t]*:)")
# White space before the colon is obsolete (section 4.5.8), and yet some readers take such a
# field for what it says: a Bcc written like this must be seen here too. A line of white space
# alone ends the header for some readers and not for others, so it is no continuation.
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\r\n]*\r\n(?:[ \t]+[^ \t\r\n][^\r\n]*\r\n)*)")
# Section 3.6; of two, servers and readers would pick different ones, or refuse the message.
_ONCE = {"from", "sender", "subject", "date", "message-id"}
# Return-Path is for the server that delivers to write (RFC 5321 section 4.4).
_HIDDEN = {"bcc", "resent-bcc", "return-path"}
_MESSAGE_ID = re.compile(r"<[!-;=?-~]+>")


class _Field(Struct, frozen=True):
    """A header field: its name in lower case, its value unfolded, and all its octets."""

    name: str
    value: bytes
    source: bytes
    line: int


def read_raw(
    content: bytes,
    *,
    recipients: tuple[str, ...] | None = None,
    sender: str | None = None,
    now: datetime | None = None,
    notify: tuple[str, ...] = (),
) -> Mail:
    """Make a mail of a finished RFC 5322 message.

    `recipients` and `sender` are canonical addr-specs; without them they come from To, Cc
    and Bcc, and from Sender or From, or from the newest Resent- block if there is one
    (RFC 5322 section 3.6.6). `now` is for a missing Date. Raises MessageError for what
    cannot be sent as it is, AddressError when in doubt about an address.
    """
    content, first_line = _with_crlf(content)
    _check(content, first_line)
    head, body = _split(content, first_line)
    fields = tuple(_fields(head, first_line))
    _check_singles(fields)
    author = _author(fields)
    block = _newest_resent(fields)
    if sender is None:
        sender = _sender(fields, block)
    if recipients is None:
        recipients = _recipients(fields, block)
    added, message_id = _missing(fields, author, now)
    kept = [field.source for field in fields if field.name not in _HIDDEN]
    return Mail(
        Envelope(sender, recipients, notify), b"".join([*kept, added, b"\r\n", body]), message_id
    )


def author_of(content: bytes) -> str:
    """Return the first address in the From of a finished message."""
    head, _ = _split(content, 1)
    return _author(tuple(_fields(head, 1))).spec


def _with_crlf(content: bytes) -> tuple[bytes, int]:
    """Return the message with CRLF line ends, and the number of its first line in the file."""
    first_line = 1
    content = content.removeprefix(b"\xef\xbb\xbf")
    # Without a bare CR, as many LF as CR leave no bare LF.
    if _BARE_CR.search(content) or content.count(b"\n") != content.count(b"\r"):
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    if _MBOX.match(content):
        first_line = 2
        content = content.partition(b"\r\n")[2]
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return content, first_line


def _check(content: bytes, first_line: int) -> None:
    nul = content.find(b"\0")
    if nul >= 0:
        _refuse(_line(content, nul, first_line), "it has a NUL byte, which SMTP cannot carry")
    start = 0
    while len(content) - start > _MAX_OCTETS:
        end = content.rfind(b"\n", start, start + _MAX_OCTETS)
        if end < 0:
            _refuse(
                _line(content, start, first_line),
                "it is longer than 998 octets (RFC 5322 section 2.1.1)",
                hint="Have whatever writes the message encode it as quoted-printable or base64.",
            )
        start = end + 1


def _line(content: bytes, position: int, first_line: int) -> int:
    return first_line + content.count(b"\n", 0, position)


def _split(content: bytes, first_line: int) -> tuple[bytes, bytes]:
    if content.startswith(b"\r\n"):
        _refuse(first_line, "the message has no header", hint="It begins with From:, To:, Subject:")
    end = content.find(b"\r\n\r\n")
    return (content, b"") if end < 0 else (content[: end + 2], content[end + 4 :])


def _fields(head: bytes, first_line: int) -> Iterator[_Field]:
    position, line = 0, first_line
    while position < len(head):
        match = _FIELD.match(head, position)
        if match is None:
            text = head[position : head.index(b"\r\n", position)].decode(errors="replace")
            _refuse(
                line,
                f"it is no header field: {shown(text)}",
                hint="An empty line stands between the header and the body.",
            )
        yield _Field(match[1].decode("ascii").lower(), match[2], match[0], line)
        position = match.end()
        line += match[0].count(b"\n")


def _check_singles(fields: Iterable[_Field]) -> None:
    seen: set[str] = set()
    for field in fields:
        if field.name in seen & _ONCE:
            _refuse(field.line, f"a second {field.name.title()} field")
        seen.add(field.name)


def _newest_resent(fields: Iterable[_Field]) -> tuple[_Field, ...]:
    """Return the first run of Resent- fields: each resending puts its own before the others."""
    block: dict[str, _Field] = {}
    for field in fields:
        is_resent = field.name.startswith("resent-")
        if block and (not is_resent or field.name in block):
            break
        if is_resent:
            block[field.name] = field
    return tuple(block.values())


def _named(fields: Iterable[_Field], *names: str) -> tuple[_Field, ...]:
    return tuple(field for field in fields if field.name in names)


def _author(fields: Sequence[_Field]) -> Address:
    """Return the first author, for the domain of a new Message-ID."""
    authors = [address for field in _named(fields, "from") for address in _addresses(field)]
    if not authors:
        raise MessageError(
            "the message does not say whom it is from",
            hint="Add a header field such as From: Ops <ops@example.com>.",
        )
    return authors[0]


def _sender(fields: Sequence[_Field], block: Sequence[_Field]) -> str:
    prefix, source = ("resent-", block) if block else ("", fields)
    found = _named(source, f"{prefix}sender") or _named(source, f"{prefix}from")
    addresses = [address for field in found for address in _addresses(field)]
    if len(addresses) != 1:
        names = f"{prefix}sender or {prefix}from".title().replace(" Or ", " or ")
        raise MessageError(
            f"{names} names {len(addresses)} addresses, where one has to be the sender",
            hint="Give the sender with --envelope-from.",
        )
    return addresses[0].spec


def _recipients(fields: Sequence[_Field], block: Sequence[_Field]) -> tuple[str, ...]:
    prefix, source = ("resent-", block) if block else ("", fields)
    found = _named(source, f"{prefix}to", f"{prefix}cc", f"{prefix}bcc")
    specs = [address.spec for field in found for address in _addresses(field)]
    if not specs:
        raise MessageError(
            "the message names no recipient"
            + (" in its newest Resent- fields" if block else " in To, Cc or Bcc"),
            hint="Name them on the command line: with --to, or for sendmail behind its options.",
        )
    return distinct(specs)


def _addresses(field: _Field) -> tuple[Address, ...]:
    try:
        return mailboxes(_unfolded(field))
    except AddressError as error:
        option = "--envelope-from" if field.name.endswith("sender") else "--to"
        hint = "Correct it." if field.name == "from" else f"Correct it, or use {option} instead."
        raise AddressError(f"line {field.line}, {field.name.title()}: {error}", hint=hint) from None


def _unfolded(field: _Field) -> str:
    try:
        return field.value.replace(b"\r\n", b"").decode()
    except UnicodeDecodeError:
        raise AddressError("it is not UTF-8") from None


def _missing(fields: Sequence[_Field], author: Address, now: datetime | None) -> tuple[bytes, str]:
    """Return the fields to add, and the Message-ID."""
    added = b""
    if not _named(fields, "date"):
        added += f"Date: {date_body(now)}\r\n".encode("ascii")
    present = _named(fields, "message-id")
    if not present:
        message_id = new_message_id(author.spec.rpartition("@")[2])
        return added + f"Message-ID: {message_id}\r\n".encode("ascii"), message_id
    given = present[0].value.decode(errors="replace").strip()
    return added, given if _MESSAGE_ID.fullmatch(given) else ""


def _refuse(line: int, why: str, *, hint: str = "") -> NoReturn:
    raise MessageError(f"line {line} of the message: {why}", hint=hint)
