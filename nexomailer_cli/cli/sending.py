"""The course of `nexomailer send`: compose, deliver, report."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nexomailer_cli.cli.exit_status import ExitStatus, of_error, of_outcome
from nexomailer_cli.cli.request import SendOptions, compose_mail
from nexomailer_cli.config.settings import Config, Defaults
from nexomailer_cli.errors import NexomailerError, OutputError, UsageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.cli.options import Globals
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.core import Wishes
    from nexomailer_cli.smtp.envelope import Mail


def perform(options: SendOptions, everywhere: Globals) -> int:
    """Do what `send` was asked for; return the exit status.

    With `--json` an error is one JSON object as well; without, it is raised.
    """
    started = time.monotonic()
    try:
        return _perform(options, everywhere, started)
    except NexomailerError as error:
        if not options.as_json:
            raise
        return _report_error(error, everywhere.output)


def _perform(options: SendOptions, everywhere: Globals, started: float) -> int:
    output = everywhere.output
    with _configuration(options, everywhere, output) as config:
        defaults = config.defaults if config else Defaults()
        mail = compose_mail(options, defaults)
        if options.output_file is not None:
            _keep(mail, options.output_file)
        if options.dry_run:
            return _show(mail, options, output)
        assert config is not None
        return _deliver(config, mail, _wishes(options, defaults, mail, started), options, output)


@contextlib.contextmanager
def _configuration(
    options: SendOptions, everywhere: Globals, output: Output
) -> Iterator[Config | None]:
    """Yield the configuration; with `--sandbox` one that leads to a capture server.

    A message can be composed without any, so `--dry-run` does not insist.
    """
    from nexomailer_cli.config.file import find_config, load_config

    config = None
    needed = not (options.dry_run or options.sandbox)
    if needed or find_config(everywhere.config, os.environ) or os.environ.get("NEXOMAILER_URL"):
        config = load_config(everywhere.config, os.environ, warn=output.warn)
    if not options.sandbox or options.dry_run:
        yield config
        return
    from nexomailer_cli.cli.sandboxed import sandboxed

    with sandboxed(config, output) as config:
        yield config


def _wishes(options: SendOptions, defaults: Defaults, mail: Mail, started: float) -> Wishes:
    from nexomailer_cli.core import Wishes

    deadline = _seconds(options.deadline, "--deadline") or defaults.deadline
    return Wishes(
        sender=mail.envelope.sender,
        provider=None if options.sandbox else options.provider,
        failover=options.failover,
        deadline=started + deadline if deadline else float("inf"),
        retry_for=_seconds(options.retry_for, "--retry-for") or defaults.retry_for or 0.0,
    )


def _seconds(value: str | None, option: str) -> float | None:
    if value is None:
        return None
    from nexomailer_cli.config.duration import parse_duration

    try:
        return parse_duration(value, bare="s")
    except ValueError as error:
        raise UsageError(f"{option}: “{printable(value)}”: {error}") from error


def _deliver(
    config: Config, mail: Mail, wishes: Wishes, options: SendOptions, output: Output
) -> int:
    from nexomailer_cli.cli.delivery import deliver
    from nexomailer_cli.cli.report import as_json, explain, explain_interruption, finding_of

    outcome, was_interrupted = deliver(config, mail, wishes, output)
    status = ExitStatus.INTERRUPTED if was_interrupted else of_outcome(outcome, finding_of)
    if options.as_json:
        _print_json(as_json(outcome, mail, status), output)
    (explain_interruption if was_interrupted else explain)(outcome, output)
    return status


def _keep(mail: Mail, path: str) -> None:
    try:
        Path(path).write_bytes(mail.content)
    except OSError as error:
        raise OutputError(f"cannot write {printable(path)}: {error.strerror}") from error


def _show(mail: Mail, options: SendOptions, output: Output) -> int:
    """Show what would be sent, and to whom."""
    if options.as_json:
        envelope = mail.envelope
        shown = {
            "schema": "nexomailer.send/1",
            "status": "composed",
            "message_id": mail.message_id,
            "sender": envelope.sender,
            "recipients": [{"address": each} for each in envelope.recipients],
            "size": len(mail.content),
            "exit_code": 0,
        }
        _print_json(shown, output)
    elif options.output_file is None:
        output.result_bytes(mail.content)
    output.note(_envelope_words(mail))
    return ExitStatus.OK


def _envelope_words(mail: Mail) -> str:
    sender = mail.envelope.sender or "<>"
    recipients = ", ".join(mail.envelope.recipients)
    return f"not sent: from {sender} to {recipients}, {len(mail.content)} octets"


def _print_json(value: object, output: Output) -> None:
    import msgspec

    output.result(msgspec.json.encode(value).decode())


def _report_error(error: NexomailerError, output: Output) -> int:
    from nexomailer_cli.cli.report import failure_json

    status = of_error(error)
    identity = _IDENTITIES.get(status, "internal")
    words = "\n".join(map(printable, str(error).split("\n")))
    _print_json(failure_json(identity, words, error.hint, status), output)
    output.error(words)
    return status


_IDENTITIES = {
    ExitStatus.USAGE: "usage",
    ExitStatus.REFUSED: "message.invalid",
    ExitStatus.NO_INPUT: "input.unreadable",
    ExitStatus.CANNOT_CREATE: "output.unwritable",
    ExitStatus.CONFIG: "config.invalid",
}
