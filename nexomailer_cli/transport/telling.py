"""What an observer hears of the bytes on a wire, secrets and content left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.smtp import command
from nexomailer_cli.transport.base import Said, said_reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nexomailer_cli.smtp.reply import Reply
    from nexomailer_cli.smtp.write import Write


def said_write(write: Write) -> Iterator[Said]:
    """Yield what a write says, line by line."""
    content = f"({write.content_length} octets of content)" if write.content_length else ""
    is_dotted = command.TERMINATOR in write.commands
    for line in write.commands:
        if content and line == command.TERMINATOR:
            yield Said("C", content)
        yield Said("C", line.decode("utf-8", "replace").rstrip())
    if content and not is_dotted:
        yield Said("C", content)


def said_replies(answers: Iterable[tuple[object, Reply]]) -> Iterator[Said]:
    """Yield the lines of all the replies that have come."""
    for _, reply in answers:
        yield from said_reply(reply)
