"""Fields somebody adds by hand: which names, and what shape each value has.

A field that an option sets is refused with the option's name, so that no message has
two of them and none goes out unchecked.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nexomailer_cli.errors import MessageError
from nexomailer_cli.message.address import parse_address, parse_addresses
from nexomailer_cli.message.characters import shown
from nexomailer_cli.message.header import (
    address_body,
    fold,
    phrase_words,
    refuse_controls,
    text_body,
    token_body,
)
from nexomailer_cli.message.identity import date_body, references
from nexomailer_cli.message.unsubscribe import split_uris, unsubscribe_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Field = tuple[str, str]

MAX_NAME: Final = 70  # characters; leaves half a line for an encoded-word
# RFC 5322 section 2.2 allows any printable character but the colon; names in use are tokens,
# and `=?utf-8?q?…?=` as a name is an attempt at something.
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

_SET_BY: Final = {
    "from": "set it with --from",
    "to": "set it with --to",
    "cc": "set it with --cc",
    "bcc": "set it with --bcc",
    "reply-to": "set it with --reply-to",
    "subject": "set it with --subject",
    "message-id": "set it with --message-id",
    "return-path": "set it with --envelope-from; the last server writes this header",
    "received": "servers write this header",
    "mime-version": "the body decides it",
    "list-unsubscribe-post": "it follows from an https: List-Unsubscribe",
}


def custom_fields(headers: Iterable[tuple[str, str]]) -> tuple[Field, ...]:
    """Return fields for names and values given by hand, each encoded as its kind needs.

    A blank value leaves the field out. Raises MessageError for a name that is not one,
    that the message sets itself, or that may stand only once.
    """
    fields: list[Field] = []
    seen: set[str] = set()
    for name, value in headers:
        kind = _kind(name)
        refuse_controls(name, value)
        if not value.strip(" "):
            continue
        if kind in _STANDS_ONCE and kind in seen:
            raise MessageError(f"{name}: given more than once")
        seen.add(kind)
        fields += _fields(name, value.strip(" "), kind)
    return tuple(fields)


@lru_cache(maxsize=64)
def _kind(name: str) -> str:
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise MessageError(
            f"not a header name: {shown(name)}",
            hint=f"A name is up to {MAX_NAME} ASCII letters, digits and hyphens.",
        )
    kind = name.lower()
    why = _SET_BY.get(kind)
    if kind.startswith("content-"):
        why = "the body and the attachments decide it"
    if kind.startswith("resent-"):
        why = "a message that is sent on keeps its own headers; use --raw"
    if why:
        raise MessageError(
            f"{name}: not to be set as a header", hint=f"{why[:1].upper()}{why[1:]}."
        )
    return kind


# Most headers of a run are the same in each of its messages.
@lru_cache(maxsize=128)
def _fields(name: str, value: str, kind: str) -> tuple[Field, ...]:
    if kind == "list-unsubscribe":
        return unsubscribe_fields(split_uris(value))
    body = _STANDS_ONCE.get(kind) or _MAY_REPEAT.get(kind) or text_body
    return ((name, body(name, value)),)


def _date(name: str, value: str) -> str:
    from datetime import UTC
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(value)
        # `-0000` is universal time of unknown origin, RFC 5322 section 3.3.
        return date_body(when if when.tzinfo else when.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as exc:
        raise MessageError(
            f"{name}: not a date: {shown(value)}",
            hint="A date looks like: Mon, 23 Nov 2026 08:15:00 +0100",
        ) from exc


def _references(name: str, value: str) -> str:
    return token_body(name, references(name, value))


def _mailbox(name: str, value: str) -> str:
    return address_body(name, (parse_address(value),))


def _mailboxes(name: str, value: str) -> str:
    addresses = parse_addresses(value)
    if not addresses:
        raise MessageError(f"{name}: {shown(value)} holds no address")
    return address_body(name, addresses)


def _list_id(name: str, value: str) -> str:
    """RFC 2919: the phrase may be anything, the identifier is a dot-atom."""
    match = re.fullmatch(r"([^<>]*)<([A-Za-z0-9!#$%&'*+/^_`{|}~.-]{1,255})>", value)
    if match is None:
        raise MessageError(f"{name}: {shown(value)} does not end in <list.example.com>")
    phrase = match[1].strip(" ").removeprefix('"').removesuffix('"')
    words = phrase_words(name, phrase) if phrase else ()
    return fold(name, (*words, f"<{match[2]}>"))


def _uris(name: str, value: str) -> str:
    return token_body(name, value.split())


# Fields of these kinds stand once in a message (RFC 5322 section 3.6, RFC 2369, RFC 2919).
_STANDS_ONCE: Final[dict[str, Callable[[str, str], str]]] = {
    "date": _date,
    "sender": _mailbox,
    "in-reply-to": _references,
    "references": _references,
    "list-id": _list_id,
    "list-unsubscribe": text_body,
    "list-help": _uris,
    "list-subscribe": _uris,
    "list-post": _uris,
    "list-owner": _uris,
    "list-archive": _uris,
}

_MAY_REPEAT: Final[dict[str, Callable[[str, str], str]]] = {
    "disposition-notification-to": _mailboxes,
    "return-receipt-to": _mailboxes,
    "errors-to": _mailboxes,
    "mail-followup-to": _mailboxes,
    "mail-reply-to": _mailboxes,
}
