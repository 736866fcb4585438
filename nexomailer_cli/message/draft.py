"""What somebody wants to send, before it is a message.

Only values: nothing here encodes, checks or reads a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from datetime import datetime


class Address(Struct, frozen=True):
    """A mailbox: a display name, which may be empty, and an addr-spec (RFC 5322 section 3.4).

    `spec` is checked and canonical: its domain consists of A-labels, its local
    part is as given. Made by `message.address`, never by hand from outside text.
    """

    spec: str
    name: str = ""


# `weakref_slot`: what is worked out from an attachment is kept as long as the attachment.
class Attachment(Struct, frozen=True, weakref=True):
    """A file that travels with the message.

    With a `content_id` it is an inline part that HTML shows as `cid:…`. Give the same
    object to every message that carries it: it is then encoded once.
    """

    filename: str
    media_type: str
    content: bytes
    content_id: str = ""


class Draft(Struct, frozen=True, kw_only=True):
    """Everything that decides what a message will look like.

    `text`, `html` and the header values are Unicode with any line ends.
    `message_id` keeps its angle brackets; empty asks for a fresh one whose domain is
    the sender's. `list_unsubscribe` holds URIs (`https:`, `mailto:`), best first.
    `envelope_from` is `None` for the sender's own address and `""` for the null
    reverse-path. `boundary` is the mark of multipart boundaries, if it may be one that other
    messages have too; by default it follows from the Message-ID.
    """

    sender: Address
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    date: datetime | None = None
    message_id: str = ""
    in_reply_to: str = ""
    list_unsubscribe: tuple[str, ...] = ()
    envelope_from: str | None = None
    notify: tuple[str, ...] = ()
    boundary: str = ""
