"""Templates and values become texts.

With `--var` or `--vars`, subject and bodies are templates too; without, nothing that
stands in braces is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from nexomailer_cli.cli import sources
from nexomailer_cli.errors import AddressError, UsageError
from nexomailer_cli.message.address import parse_addresses
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nexomailer_cli.cli.send_options import SendOptions
    from nexomailer_cli.message.draft import Address
    from nexomailer_cli.message.template import Kind


class Filling(Struct, frozen=True, kw_only=True):
    """The texts of a message, with all values in their places.

    `markdown` is the source of the HTML part, in which values mean themselves and no markup;
    `plain_markdown` the same for the text part, where they stand as they are.
    """

    sender: Address | None = None
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    markdown: str | None = None
    plain_markdown: str | None = None
    attach: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


def filled(options: SendOptions) -> Filling:
    """Return what the options and the template say."""
    values = sources.values_of(options.var, options.vars_file)
    if options.template is not None:
        return _from_template(options, options.template, values)
    return _from_options(options, values if options.var or options.vars_file else None)


def _from_options(options: SendOptions, values: dict[str, Any] | None) -> Filling:
    _require_one_stdin(options)

    def rendered(source: str | None, option: str, kind: Kind) -> str | None:
        if source is None or values is None:
            return source
        return _rendered(source, option, kind, values)

    text, html, markdown = (
        None if value is None else sources.read_text(value, option)
        for option, value in (
            ("--text", options.text),
            ("--html", options.html),
            ("--markdown", options.markdown),
        )
    )
    return Filling(
        subject=rendered(options.subject, "--subject", "text") or "",
        text=rendered(text, "--text", "text"),
        html=rendered(html, "--html", "html"),
        markdown=rendered(markdown, "--markdown", "markdown"),
        plain_markdown=rendered(markdown, "--markdown", "text"),
    )


def _require_one_stdin(options: SendOptions) -> None:
    if [options.text, options.html, options.markdown].count("-") > 1:
        raise UsageError("only one body can come from standard input")


def _rendered(source: str, name: str, kind: Kind, values: dict[str, Any]) -> str:
    from nexomailer_cli.message.template import Template

    return Template(source, name=name, kind=kind).render(values)


def _from_template(options: SendOptions, path: str, values: dict[str, Any]) -> Filling:
    from nexomailer_cli.message.template_file import parse_template_file

    for option in ("text", "html", "markdown"):
        if getattr(options, option) is not None:
            raise UsageError(f"--template and --{option} do not go together")
    file = parse_template_file(sources.decoded(sources.read_file(path), path), path)
    rendered = [(name, template.render(values).strip()) for name, template in file.headers]
    headers = [(name, value) for name, value in rendered if value]
    body = file.body.render(values)
    text = file.text.render(values) if file.text is not None else None
    filling = _with_headers(headers, path)
    if options.subject is not None:
        subject = _rendered(options.subject, "--subject", "text", values)
        filling = structs.replace(filling, subject=subject)
    match file.kind:
        case "markdown":
            return structs.replace(filling, markdown=body, plain_markdown=text)
        case "html":
            return structs.replace(filling, html=body, text=text)
        case "text":
            return structs.replace(filling, text=body)


_OWN = {"from", "to", "cc", "bcc", "reply-to", "subject", "attachment"}


def _with_headers(headers: list[tuple[str, str]], path: str) -> Filling:
    def values_of(wanted: str) -> list[str]:
        return [value for name, value in headers if name.lower() == wanted]

    def people(wanted: str) -> tuple[Address, ...]:
        return tuple(_addresses(values_of(wanted), wanted, path))

    senders = people("from")
    if len(senders) > 1:
        raise AddressError(f"{printable(path)}: From names more than one sender")
    return Filling(
        sender=senders[0] if senders else None,
        to=people("to"),
        cc=people("cc"),
        bcc=people("bcc"),
        reply_to=people("reply-to"),
        subject=" ".join(values_of("subject")),
        attach=tuple(values_of("attachment")),
        headers=tuple(each for each in headers if each[0].lower() not in _OWN),
    )


def _addresses(values: list[str], name: str, path: str) -> Iterable[Address]:
    for value in values:
        try:
            yield from parse_addresses(value)
        except AddressError as error:
            place = f"{printable(path)}, {name.title()}"
            raise AddressError(f"{place}: {error}", hint=error.hint) from error
