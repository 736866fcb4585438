"""Shows a message that arrived in the sandbox, the way a reader of mail would see it.

The standard library's parser is used on purpose: it is not ours, so what it sees is what
others will see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage, MIMEPart

    from nexomailer_cli.sandbox.reception import Captured

HEADERS = ("From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID")
MAX_LINES = 12


def arrival(captured: Captured) -> str:
    """Return some lines about a captured message: envelope, headers, text, parts."""
    return "\n".join(_lines(captured))


def _lines(captured: Captured) -> Iterator[str]:
    from email import message_from_bytes
    from email.message import EmailMessage
    from email.policy import default

    encrypted = "over TLS" if captured.tls else "unencrypted"
    signed_in = f"signed in as {captured.user}" if captured.user else "not signed in"
    recipients = ", ".join(map(printable, captured.recipients))
    yield f"sandbox: {captured.size} octets arrived {encrypted}, {signed_in}"
    yield f"  from <{printable(captured.sender)}> to {recipients}"
    message = message_from_bytes(captured.content, _class=EmailMessage, policy=default)
    for name in HEADERS:
        for value in _values(message, name):
            yield f"  {name}: {printable(value)}"
    yield from _text(message)
    yield from _parts(message)


def _values(message: EmailMessage, name: str) -> list[str]:
    try:
        return [str(value) for value in message.get_all(name, [])]
    except Exception:
        # The parser answers some malformed fields of a --raw message with IndexError,
        # AttributeError, ...; the mail was sent all the same.
        return [str(value) for key, value in message.raw_items() if key.lower() == name.lower()]


def _content(body: MIMEPart) -> str:
    try:
        return str(body.get_content())
    except LookupError:  # a character set that Python does not know
        payload = body.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def _text(message: EmailMessage) -> Iterator[str]:
    body = message.get_body(("plain", "html"))
    lines = _content(body).splitlines() if body else []
    for line in lines[:MAX_LINES]:
        yield f"  | {printable(line)}"
    if len(lines) > MAX_LINES:
        yield f"  | … {len(lines) - MAX_LINES} more lines"


def _parts(message: EmailMessage) -> Iterator[str]:
    for part in message.walk():
        if part.is_multipart():
            continue
        payload = part.get_payload(decode=True)
        size = len(payload) if isinstance(payload, bytes) else 0
        name = part.get_filename()
        named = f" “{printable(name)}”" if name else ""
        yield f"  {part.get_content_type()}{named}, {size} octets"
