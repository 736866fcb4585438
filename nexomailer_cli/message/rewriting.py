"""A finished message as one provider wants it: its own sender, and its own header fields.

A provider may not be allowed to send as whoever the message is from, and reads header fields
that are nobody else's business. So this happens when a mail meets its provider, and what the
next provider gets is the message as it was composed.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from msgspec import Struct, structs

from nexomailer_cli.message.address import parse_address, parse_addresses
from nexomailer_cli.message.check import check
from nexomailer_cli.message.custom import custom_fields
from nexomailer_cli.message.header import address_body
from nexomailer_cli.smtp.envelope import Mail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nexomailer_cli.message.draft import Address

Field = tuple[str, str]

_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*")
_BETWEEN: Final = rb"[\s<>,:]"  # what stands around an address in a From field


class Rewriting(Struct, frozen=True, kw_only=True):
    """What a provider changes; empty and `None` is what it leaves alone.

    `fields` are encoded. With `keeps_content` no field that is there is touched: a finished
    message (`--raw`) may be signed.
    """

    sender: Address | None = None
    reply_to: tuple[Address, ...] = ()
    envelope_from: str | None = None
    fields: tuple[Field, ...] = ()
    deduplication_header: str = ""
    keeps_content: bool = False

    def __call__(self, mail: Mail) -> Mail:
        """Return `mail` as the provider wants it; raise MessageError rather than spoil it.

        Doing it twice changes nothing more.
        """
        head, end, body = mail.content.partition(b"\r\n\r\n")
        old = {match[1].lower(): match[0] for match in _FIELD.finditer(head + b"\r\n")}
        new = self._new_fields(mail)
        if self.keeps_content:
            new = [field for field in new if field[0].lower().encode() not in old]
            content = b"".join(map(_written, new)) + mail.content
        else:
            content = _replaced(head + b"\r\n", new) + end[2:] + body
            self._check(content)
        envelope = structs.replace(
            mail.envelope, sender=self._reverse_path(mail, old.get(b"from", b""))
        )
        return Mail(envelope, content, mail.message_id)

    def _new_fields(self, mail: Mail) -> list[Field]:
        fields: list[Field] = []
        if self.sender and not self.keeps_content:
            fields.append(("From", address_body("From", (self.sender,))))
        if self.reply_to and not self.keeps_content:
            fields.append(("Reply-To", address_body("Reply-To", self.reply_to)))
        fields += self.fields
        if self.deduplication_header:
            fields.append((self.deduplication_header, _key(mail)))
        return fields

    def _reverse_path(self, mail: Mail, author: bytes) -> str:
        """Return whom bounces go to: the sender, unless somebody else was to get them."""
        known = mail.envelope.sender
        if self.envelope_from is not None:
            return self.envelope_from
        if self.sender is None or self.keeps_content or not known:
            return known
        address = _BETWEEN + re.escape(known.encode()) + _BETWEEN
        return self.sender.spec if re.search(address, author) else known

    def _check(self, content: bytes) -> None:
        """Look at the header with the eyes of whoever reads it next."""
        head = content[: content.find(b"\r\n\r\n") + 4]
        names = tuple(match[1].decode("ascii") for match in _FIELD.finditer(head))
        senders = (self.sender,) if self.sender else ()
        meant = {"From": senders, "Reply-To": self.reply_to}
        specs = {name: tuple(each.spec for each in meant[name]) for name in meant if meant[name]}
        check(head, names=names, mailboxes=specs)


def rewriting_of(
    *,
    sender: str | None = None,
    reply_to: str | None = None,
    envelope_from: str | None = None,
    headers: Mapping[str, str] | None = None,
    deduplication_header: str | None = None,
    keeps_content: bool = False,
) -> Rewriting | None:
    """Return what a provider with these keys changes, `None` for nothing.

    Raises AddressError and MessageError for what no message may have.
    """
    if not any((sender, reply_to, headers, deduplication_header)) and envelope_from is None:
        return None
    if deduplication_header:
        custom_fields(((deduplication_header, "x"),))
    return Rewriting(
        sender=parse_address(sender) if sender else None,
        reply_to=parse_addresses(reply_to) if reply_to else (),
        envelope_from=_path(envelope_from),
        fields=custom_fields((headers or {}).items()),
        deduplication_header=deduplication_header or "",
        keeps_content=keeps_content,
    )


def _path(address: str | None) -> str | None:
    if address is None:
        return None
    return parse_address(address).spec if address not in ("", "<>") else ""


def _replaced(head: bytes, fields: Iterable[Field]) -> bytes:
    """Put fields in the place of those of the same name, or at the end."""
    waiting = {name.lower().encode(): _written((name, value)) for name, value in fields}
    kept = b"".join(_with_changes(head, waiting))
    return kept + b"".join(waiting.values())


def _with_changes(head: bytes, waiting: dict[bytes, bytes]) -> Iterator[bytes]:
    changed: set[bytes] = set()
    for match in _FIELD.finditer(head):
        name = match[1].lower()
        if name in waiting:
            changed.add(name)
            yield waiting.pop(name)
        elif name not in changed:
            yield match[0]


def _written(field: Field) -> bytes:
    return f"{field[0]}: {field[1]}\r\n".encode()


def _key(mail: Mail) -> str:
    """Return what is the same for a copy only: another recipient's message is none."""
    whole = "\n".join((mail.message_id, *sorted(mail.envelope.recipients)))
    return blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
