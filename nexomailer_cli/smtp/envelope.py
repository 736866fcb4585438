"""Who a message is from and to at SMTP level, and the message itself.

The headers are not looked at here: RFC 5321 section 2.3.1 keeps envelope and
content apart, and so does everything below this line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, structs

if TYPE_CHECKING:
    from collections.abc import Iterable


class Envelope(Struct, frozen=True):
    """The reverse-path and the forward-paths of one mail.

    `sender` may be empty, the null reverse-path of RFC 5321 section 4.5.5.
    Addresses are bare addr-specs with domains as A-labels. `notify` are the
    delivery status notifications asked for: `("never",)` or some of `success`,
    `failure`, `delay` (RFC 3461 section 4.1); empty leaves it to the server.
    """

    sender: str
    recipients: tuple[str, ...]
    notify: tuple[str, ...] = ()


def distinct(addresses: Iterable[str]) -> tuple[str, ...]:
    """Return the addresses without those that are the same mailbox, in their order.

    Domains do not know case, local parts do (RFC 5321 section 2.4).
    """
    unique: dict[tuple[str, str], str] = {}
    for address in addresses:
        local, _, domain = address.rpartition("@")
        unique.setdefault((local, domain.lower()), address)
    return tuple(unique.values())


class Mail(Struct, frozen=True):
    """The mail object of RFC 5321 section 2.3.1: an envelope and its content.

    `content` is the finished RFC 5322 message with CRLF line ends, not yet
    dot-stuffed. `message_id` is the content's Message-ID, angle brackets included.
    """

    envelope: Envelope
    content: bytes
    message_id: str = ""

    def only(self, recipients: tuple[str, ...]) -> Mail:
        """Return the same mail for some of its recipients."""
        if recipients == self.envelope.recipients:
            return self
        return structs.replace(self, envelope=structs.replace(self.envelope, recipients=recipients))
