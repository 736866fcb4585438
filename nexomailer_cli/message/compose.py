"""A draft becomes a mail: header, body, envelope, and a last independent check.

Decides which fields a message has and in which order. How a value is written is
`header`'s business, how a body is encoded is `mime`'s.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from nexomailer_cli.errors import MessageError
from nexomailer_cli.message.address import parse_address
from nexomailer_cli.message.check import check, check_paths
from nexomailer_cli.message.header import address_body, text_body, token_body
from nexomailer_cli.message.identity import (
    check_message_id,
    date_body,
    new_message_id,
    references,
)
from nexomailer_cli.message.mime import attachment_part, body_part
from nexomailer_cli.smtp.envelope import Envelope, Mail, distinct

if TYPE_CHECKING:
    from nexomailer_cli.message.draft import Address, Attachment, Draft

Field = tuple[str, str]


def compose(draft: Draft) -> Mail:
    """Return the finished mail; raise MessageError if it cannot or must not be sent.

    The same draft with its `message_id` and `date` set gives the same bytes. Bcc
    recipients are in the envelope only. A non-ASCII local part makes header and
    envelope UTF-8 (RFC 6532): that the server must then offer SMTPUTF8 shows in them.
    """
    envelope = envelope_of(draft)
    message_id = _message_id(draft)
    fields = [*header_fields(draft, message_id), ("MIME-Version", "1.0")]
    body = body_part(draft, message_id)
    head = "".join([f"{name}: {value}\r\n" for name, value in fields])
    pieces = (head.encode(), body.head, b"\r\n", *body.pieces)
    content = b"".join(pieces)
    names = [name for name, _ in fields]
    seen = _without_shared(pieces, draft.attachments) if draft.attachments else content
    check(seen, names=(*names, *body.names), mailboxes=_mailboxes(draft))
    return Mail(envelope, content, message_id)


def _without_shared(pieces: tuple[bytes, ...], attachments: tuple[Attachment, ...]) -> bytes:
    """Leave out what was looked at when it was encoded, before the first of many messages."""
    shared = {id(piece) for each in attachments for piece in attachment_part(each).pieces}
    return b"".join([piece for piece in pieces if id(piece) not in shared])


def envelope_of(draft: Draft) -> Envelope:
    """Return who it is from and to; raise MessageError if it is to nobody."""
    specs = tuple([address.spec for address in (*draft.to, *draft.cc, *draft.bcc)])
    if not specs:
        raise MessageError("there are no recipients", hint="Name one with --to, --cc or --bcc.")
    if len(specs) > 1:
        specs = distinct(specs)
    sender = _reverse_path(draft)
    check_paths((sender, *specs) if sender else specs)
    return Envelope(sender, specs, draft.notify)


def _reverse_path(draft: Draft) -> str:
    if draft.envelope_from is None:
        return draft.sender.spec
    return parse_address(draft.envelope_from).spec if draft.envelope_from else ""


def _message_id(draft: Draft) -> str:
    if draft.message_id:
        return check_message_id(draft.message_id)
    return new_message_id(draft.sender.spec.rpartition("@")[2])


def header_fields(draft: Draft, message_id: str) -> list[Field]:
    """Return the fields that come before MIME-Version, in order."""
    custom = _custom(draft)
    taken = {name.lower() for name, _ in custom}
    fields: list[Field] = []
    if "date" not in taken:
        fields.append(("Date", date_body(draft.date)))
    fields += _people(draft)
    if draft.subject.strip(" "):
        fields.append(("Subject", text_body("Subject", draft.subject)))
    fields.append(("Message-ID", message_id))
    if draft.in_reply_to:
        fields += _thread(draft.in_reply_to, taken)
    if draft.list_unsubscribe:
        fields += _unsubscribe(draft.list_unsubscribe)
    return fields + custom


def _people(draft: Draft) -> list[Field]:
    fields = [("From", _constant("From", (draft.sender,)))]
    if draft.reply_to:
        fields.append(("Reply-To", _constant("Reply-To", draft.reply_to)))
    if draft.to:
        fields.append(("To", address_body("To", draft.to)))
    elif not draft.cc:
        # A message without any destination field looks broken to filters.
        fields.append(("To", "undisclosed-recipients:;"))
    if draft.cc:
        fields.append(("Cc", address_body("Cc", draft.cc)))
    return fields


# The sender is the same in all messages of a run, most often.
_constant = lru_cache(maxsize=16)(address_body)


def _thread(in_reply_to: str, taken: set[str]) -> list[Field]:
    body = token_body("In-Reply-To", references("In-Reply-To", in_reply_to))
    if "references" in taken:
        return [("In-Reply-To", body)]
    return [("In-Reply-To", body), ("References", token_body("References", body.split()))]


def _unsubscribe(uris: tuple[str, ...]) -> tuple[Field, ...]:
    from nexomailer_cli.message.unsubscribe import unsubscribe_fields

    return unsubscribe_fields(uris)


def _custom(draft: Draft) -> list[Field]:
    if not draft.headers:
        return []
    from nexomailer_cli.message.custom import custom_fields

    custom = custom_fields(draft.headers)
    set_by_options = {
        "date": draft.date is not None,
        "in-reply-to": bool(draft.in_reply_to),
        "list-unsubscribe": bool(draft.list_unsubscribe),
    }
    for name, _ in custom:
        if set_by_options.get(name.lower()):
            raise MessageError(f"{name}: set by an option already", hint="Remove one of the two.")
    return list(custom)


def _mailboxes(draft: Draft) -> dict[str, tuple[str, ...]]:
    mailboxes = {"From": (draft.sender.spec,), "To": _specs(draft.to)}
    if draft.cc:
        mailboxes["Cc"] = _specs(draft.cc)
    if draft.reply_to:
        mailboxes["Reply-To"] = _specs(draft.reply_to)
    return mailboxes


def _specs(addresses: tuple[Address, ...]) -> tuple[str, ...]:
    return tuple([address.spec for address in addresses])
