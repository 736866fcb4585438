"""Messages that are like one before, but for some words: made of the pieces of that one.

The first message is composed as any other. Where subject, people, text and HTML stand in it is
known then, and for the next ones only these are encoded. Whatever differs in anything else is
left to `compose`, which makes the same octets: this is its short cut, not another opinion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.message.check import Shape
from nexomailer_cli.message.compose import compose, envelope_of, header_fields
from nexomailer_cli.message.header import address_body, text_body
from nexomailer_cli.message.identity import check_message_id, date_body
from nexomailer_cli.message.mime import attachment_part, nested, text_parts
from nexomailer_cli.message.unsubscribe import unsubscribe_fields
from nexomailer_cli.smtp.envelope import Mail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexomailer_cli.message.draft import Draft
    from nexomailer_cli.message.mime import Part

_MAX_MODELS = 8  # a run whose messages are of more shapes gains nothing here


class Press:
    """Composes drafts, the faster the more they have in common."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._models = 0

    def mail(self, draft: Draft) -> Mail:
        """Return what `compose` returns; raise as it does."""
        model = self._model
        if model is not None and model.covers(draft):
            content = model.content(draft)
            if content is not None:
                return Mail(envelope_of(draft), content, draft.message_id)
        mail = compose(draft)
        if self._models < _MAX_MODELS and draft.boundary and draft.message_id:
            self._models += 1
            self._model = Model(draft)
        return mail


class Model:
    """A message that was composed, with the places where others may differ from it."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        fields = [*header_fields(draft, draft.message_id), ("MIME-Version", "1.0")]
        names = [name for name, _ in fields]
        self._head = [f"{name}: {value}\r\n" for name, value in fields]
        # A Date among the fields that somebody added stands behind all others.
        self._date = 0 if names[0] == "Date" else None
        self._to = names.index("To") if draft.to else None
        self._subject = names.index("Subject") if draft.subject.strip(" ") else None
        self._message_id = names.index("Message-ID")
        self._unsubscribe = names.index("List-Unsubscribe") if draft.list_unsubscribe else None
        self._unsubscribe_fields = len(unsubscribe_fields(draft.list_unsubscribe))
        self._set_body(draft)
        # What the other address fields hold was looked at when the first one was composed.
        self._shape = Shape((*names, *self._body_names), "To" if draft.to else "")

    def _set_body(self, draft: Draft) -> None:
        texts = text_parts(draft)
        whole = nested(draft, texts, draft.boundary)
        self._body_names = whole.names
        self._body = [whole.head, b"\r\n", *whole.pieces]
        self._texts = [_places(text, self._body) for text in texts]
        self._mark = draft.boundary.encode()
        shared = {id(piece) for each in draft.attachments for piece in attachment_part(each).pieces}
        self._own = [i for i, piece in enumerate(self._body) if id(piece) not in shared]

    def covers(self, draft: Draft) -> bool:
        """Whether `draft` differs from this message in nothing but what may differ."""
        model = self._draft
        return (
            draft.sender == model.sender
            and draft.cc == model.cc
            and draft.reply_to == model.reply_to
            and draft.headers == model.headers
            and draft.attachments == model.attachments
            and draft.in_reply_to == model.in_reply_to
            and draft.boundary == model.boundary
            and (draft.text is None) == (model.text is None)
            and (draft.html is None) == (model.html is None)
        )

    def content(self, draft: Draft) -> bytes | None:
        """Return the octets of a draft, None if it would have other fields or boundaries."""
        head = self._written_head(draft)
        body = self._written_body(draft)
        if head is None or body is None:
            return None
        content = b"".join((head, *body))
        seen = content
        if len(self._own) < len(body):
            seen = b"".join((head, *[body[index] for index in self._own]))
        self._shape.check(seen, tuple([address.spec for address in draft.to]))
        return content

    def _written_head(self, draft: Draft) -> bytes | None:
        head = self._head.copy()
        if self._date is not None:
            head[self._date] = f"Date: {date_body(draft.date)}\r\n"
        if (self._to is None) != (not draft.to):
            return None
        if self._to is not None:
            head[self._to] = f"To: {address_body('To', draft.to)}\r\n"
        if (self._subject is None) == bool(draft.subject.strip(" ")):
            return None
        if self._subject is not None:
            head[self._subject] = f"Subject: {text_body('Subject', draft.subject)}\r\n"
        head[self._message_id] = f"Message-ID: {check_message_id(draft.message_id)}\r\n"
        if not self._fill_unsubscribe(draft, head):
            return None
        return "".join(head).encode()

    def _fill_unsubscribe(self, draft: Draft, head: list[str]) -> bool:
        fields = unsubscribe_fields(draft.list_unsubscribe) if draft.list_unsubscribe else ()
        if len(fields) != self._unsubscribe_fields:
            return False
        if self._unsubscribe is not None:
            head[self._unsubscribe] = f"List-Unsubscribe: {fields[0][1]}\r\n"
        return True

    def _written_body(self, draft: Draft) -> list[bytes] | None:
        body = self._body.copy()
        for (head, at), text in zip(self._texts, text_parts(draft), strict=True):
            (octets,) = text.pieces
            if len(body) > _ALONE and self._mark in octets:
                return None
            body[head], body[at] = text.head, octets
        return body


_ALONE = 3  # pieces of a body without boundaries


def _places(text: Part, pieces: Sequence[bytes]) -> tuple[int, int]:
    """Return where the head and the body of a text stand."""
    head = next(index for index, piece in enumerate(pieces) if piece is text.head)
    body = next(index for index, piece in enumerate(pieces) if piece is text.pieces[0])
    return head, body
