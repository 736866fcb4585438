"""Which bodies a message gets: HTML never without a readable text part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.cli.sources import decoded, read_stdin, stdin_is_piped
from nexomailer_cli.errors import UsageError

if TYPE_CHECKING:
    from nexomailer_cli.cli.filling import Filling


class Body(Struct, frozen=True):
    """The text and the HTML of a message."""

    text: str | None
    html: str | None = None


def body_of(filling: Filling, *, attached: bool) -> Body:
    """Return the bodies; from standard input where no option names one.

    Raises UsageError when there is none at all, and nothing attached either.
    """
    if filling.markdown is not None:
        return _from_markdown(filling)
    if filling.html is not None:
        return Body(filling.text if filling.text is not None else _readable(filling), filling.html)
    if filling.text is not None:
        return Body(filling.text)
    if stdin_is_piped():
        return Body(decoded(read_stdin("standard input"), "standard input"))
    if attached:
        return Body("")
    raise UsageError(
        "there is no body",
        hint="Give --text, --html, --markdown or --template, or pipe a text in.",
    )


def _from_markdown(filling: Filling) -> Body:
    from nexomailer_cli.message.markdown import html_from_markdown

    if filling.text is not None or filling.html is not None:
        raise UsageError(
            "--markdown makes both the text and the HTML",
            hint="Leave out --text and --html, or --markdown.",
        )
    html = html_from_markdown(filling.markdown or "")
    return Body(filling.plain_markdown or "", html)


def _readable(filling: Filling) -> str:
    from nexomailer_cli.message.plaintext import plaintext

    return plaintext(filling.html or "")
