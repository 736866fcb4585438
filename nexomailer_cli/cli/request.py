"""What `send` was asked for, and the mail that comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nexomailer_cli.cli import sources
from nexomailer_cli.cli.shortcut import option_names
from nexomailer_cli.errors import ConfigError, MessageError, Problem, UsageError
from nexomailer_cli.message.draft import Address, Draft
from nexomailer_cli.smtp.envelope import distinct

if TYPE_CHECKING:
    from nexomailer_cli.cli.send_options import SendOptions
    from nexomailer_cli.config.settings import Defaults
    from nexomailer_cli.smtp.envelope import Mail

NOTIFY = ("never", "success", "failure", "delay")
# What takes the place of a whole message leaves no room for these.
_COMPOSED = (
    *("sender", "reply_to", "subject", "text", "html", "markdown", "attach", "inline", "header"),
    *("template", "var", "vars_file", "list_unsubscribe", "message_id", "in_reply_to"),
)


def compose_mail(options: SendOptions, defaults: Defaults) -> Mail:
    """Return the finished mail.

    Raises UsageError for options that do not go together, InputError and MessageError for
    what they name.
    """
    if options.raw is not None:
        return _finished(options, defaults)
    from nexomailer_cli.message.compose import compose

    return compose(draft_of(options, defaults))


def _finished(options: SendOptions, defaults: Defaults) -> Mail:
    from nexomailer_cli.message.raw import read_raw

    for name in _COMPOSED:
        if getattr(options, name):
            option = option_names(name)[0]
            raise UsageError(
                f"--raw and {option} do not go together",
                hint="A finished message already says what it is; --to and --envelope-from"
                " change only whom it goes to.",
            )
    content = (
        sources.read_stdin("--raw") if options.raw == "-" else sources.read_file(options.raw or "")
    )
    people = (*_people(options, "to"), *_people(options, "cc"), *_people(options, "bcc"))
    recipients = distinct(address.spec for address in people)
    return read_raw(
        content,
        recipients=recipients or None,
        sender=_envelope_from(options, defaults),
        notify=notify_of(options.dsn),
    )


def draft_of(options: SendOptions, defaults: Defaults) -> Draft:
    """Return the draft that options, template and defaults make together."""
    from nexomailer_cli.cli.body import body_of
    from nexomailer_cli.cli.filling import filled
    from nexomailer_cli.message.attachment import load_attachments, load_inline

    filling = filled(options)
    body = body_of(filling, attached=bool(options.attach or filling.attach))
    # What a template names lies beside it, wherever the command is run.
    beside = Path(options.template).parent if options.template else None
    files = (*load_attachments(filling.attach, base=beside), *load_attachments(options.attach))
    images = tuple(load_inline(spec) for spec in options.inline)
    if images and body.html is None:
        raise UsageError(
            "--inline: there is no HTML body that could show an image",
            hint="Give --html or --markdown, or attach the file with --attach.",
        )
    draft = Draft(
        sender=_sender(filling.sender, options, defaults),
        to=_people(options, "to") or filling.to,
        cc=_people(options, "cc") or filling.cc,
        bcc=_people(options, "bcc") or filling.bcc,
        reply_to=_people(options, "reply_to") or filling.reply_to or _default_reply_to(defaults),
        subject=filling.subject,
        text=body.text,
        html=body.html,
        attachments=(*images, *files),
        headers=_headers(options, filling.headers, defaults),
        message_id=_bracketed(options.message_id),
        in_reply_to=_bracketed(options.in_reply_to),
        list_unsubscribe=options.list_unsubscribe,
        envelope_from=_envelope_from(options, defaults),
        notify=notify_of(options.dsn),
    )
    if not (draft.to or draft.cc or draft.bcc):
        raise UsageError("there is no recipient", hint="Name one with --to, --cc or --bcc.")
    return draft


def _people(options: SendOptions, name: str) -> tuple[Address, ...]:
    return sources.addresses(getattr(options, name), option_names(name)[0])


def _sender(templated: Address | None, options: SendOptions, defaults: Defaults) -> Address:
    if options.sender is not None:
        return sources.typed_address(options.sender, "--from")
    if templated is not None:
        return templated
    if defaults.from_ is None:
        raise UsageError(
            "there is no sender",
            hint="Name one with --from, or once and for all as defaults.from in the configuration.",
        )
    return sources.typed_address(defaults.from_, "defaults.from")


def _default_reply_to(defaults: Defaults) -> tuple[Address, ...]:
    return sources.typed(defaults.reply_to, "defaults.reply_to") if defaults.reply_to else ()


def _headers(
    options: SendOptions, templated: tuple[tuple[str, str], ...], defaults: Defaults
) -> tuple[tuple[str, str], ...]:
    """Return the further header fields; what is said on the command line takes precedence."""
    typed = sources.header_fields(options.header)
    taken = {name.lower() for name, _ in typed}
    kept = tuple(field for field in templated if field[0].lower() not in taken)
    taken |= {name.lower() for name, _ in kept}
    check_standing_headers(defaults)
    standing = tuple(field for field in defaults.headers.items() if field[0].lower() not in taken)
    return (*kept, *typed, *standing)


def check_standing_headers(defaults: Defaults) -> None:
    """Raise ConfigError for a standing header that no message may have."""
    from nexomailer_cli.message.custom import custom_fields

    for field in defaults.headers.items():
        try:
            custom_fields((field,))
        except MessageError as error:
            key = f"defaults.headers.{field[0]}"
            raise ConfigError(Problem(str(error), key=key), hint=error.hint) from error


def _envelope_from(options: SendOptions, defaults: Defaults) -> str | None:
    value = options.envelope_from
    if value is None:
        value = defaults.envelope_from
    if value is None:
        return None
    if value in ("", "<>"):
        return ""
    return sources.typed_address(value, "--envelope-from").spec


def _bracketed(message_id: str | None) -> str:
    if not message_id or message_id.startswith("<"):
        return message_id or ""
    return f"<{message_id}>"


def notify_of(value: str | None) -> tuple[str, ...]:
    """Return the conditions of `--dsn`; raise UsageError for a word that is none."""
    words = tuple(word.strip().lower() for word in value.split(",")) if value is not None else ()
    if any(word not in NOTIFY for word in words) or ("never" in words and len(words) > 1):
        raise UsageError(
            f"--dsn: “{value}” is not understood",
            hint="Write never, or some of success, failure and delay with commas between them.",
        )
    return tuple(dict.fromkeys(words))
