"""The course of `nexomailer send`: compose, deliver, report."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from nexomailer_cli.cli.exit_status import ExitStatus, of_error, of_outcome
from nexomailer_cli.cli.ip_version import by_ip_version, ip_version_of
from nexomailer_cli.cli.quantities import seconds_of
from nexomailer_cli.cli.request import compose_mail
from nexomailer_cli.config.settings import Config, Defaults
from nexomailer_cli.errors import NexomailerError, OutputError, UsageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.cli.everywhere import Globals
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.cli.send_options import SendOptions
    from nexomailer_cli.core import Wishes
    from nexomailer_cli.smtp.envelope import Mail

MOST_NAMED = 10  # recipients in a line for people


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
    except KeyboardInterrupt:
        # While reading or composing; once there is a connection, `deliver` has the answer.
        if options.as_json:
            _print_interruption(everywhere.output)
        raise


def _perform(options: SendOptions, everywhere: Globals, started: float) -> int:
    output = everywhere.output
    patience = _patience(options)
    ip_version = ip_version_of(only_4=options.only_4, only_6=options.only_6)
    with _configuration(options, everywhere, output) as config:
        defaults = config.standing if config else Defaults()
        mail = compose_mail(options, defaults)
        if options.output_file is not None:
            _keep(mail, options.output_file)
        if options.dry_run:
            return _show(mail, options, output)
        assert config is not None
        config = by_ip_version(config, ip_version)
        wishes = _wishes(options, mail, patience.after(defaults), started)
        return deliver_and_report(config, mail, wishes, output, as_json=options.as_json)


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


class _Patience(Struct, frozen=True):
    """How long to wait, in seconds; `None` where nobody said."""

    deadline: float | None
    retry_for: float | None

    def after(self, defaults: Defaults) -> _Patience:
        """Return it with the defaults where the command line says nothing."""
        return _Patience(
            defaults.deadline if self.deadline is None else self.deadline,
            defaults.retry_for if self.retry_for is None else self.retry_for,
        )


def _patience(options: SendOptions) -> _Patience:
    deadline = seconds_of(options.deadline, "--deadline")
    if deadline == 0:
        raise UsageError(
            "--deadline: nothing can be sent in no time",
            hint="Leave it out to wait as long as it takes.",
        )
    return _Patience(deadline, seconds_of(options.retry_for, "--retry-for"))


def _wishes(options: SendOptions, mail: Mail, patience: _Patience, started: float) -> Wishes:
    wishes = wishes_for(
        mail, started=started, deadline=patience.deadline, retry_for=patience.retry_for
    )
    provider = None if options.sandbox else options.provider
    return structs.replace(
        wishes,
        keeps_content=options.raw is not None,
        provider=provider,
        failover=options.failover,
    )


def wishes_for(
    mail: Mail, *, started: float, deadline: float | None, retry_for: float | None
) -> Wishes:
    """Return what one mail wants of its transport; `deadline` is in seconds from `started` on."""
    from nexomailer_cli.core import Wishes

    return Wishes(
        sender=mail.envelope.sender,
        deadline=started + deadline if deadline else float("inf"),
        retry_for=retry_for or 0.0,
    )


def deliver_and_report(
    config: Config, mail: Mail, wishes: Wishes, output: Output, *, as_json: bool
) -> int:
    """Send a mail and tell what became of it; return the exit status."""
    from nexomailer_cli.cli import signals
    from nexomailer_cli.cli.delivery import deliver
    from nexomailer_cli.cli.report import as_json as report_of
    from nexomailer_cli.cli.report import explain, explain_interruption, finding_of

    outcome, was_interrupted = deliver(config, mail, wishes, output)
    signals.ignore()
    status = ExitStatus.INTERRUPTED if was_interrupted else of_outcome(outcome, finding_of)
    (explain_interruption if was_interrupted else explain)(outcome, output)
    if as_json:
        _print_report(report_of(outcome, mail, status, was_interrupted=was_interrupted), output)
    return status


def _print_report(report: dict[str, Any], output: Output) -> None:
    try:
        _print_json(report, output)
    except OutputError as error:
        # Whoever takes this for a failed send would send it again.
        raise OutputError(f"{error}; the mail itself: {report['status']}") from error


def _keep(mail: Mail, path: str) -> None:
    try:
        Path(path).write_bytes(mail.content)
    except OSError as error:
        raise OutputError(f"cannot write {printable(path)}: {error.strerror}") from error


def _show(mail: Mail, options: SendOptions, output: Output) -> int:
    """Show what would be sent, and to whom."""
    if options.as_json:
        from nexomailer_cli.cli.report import composed_json

        _print_json(composed_json(mail), output)
    elif options.output_file is None:
        output.result_bytes(mail.content)
    output.note(_envelope_words(mail))
    return ExitStatus.OK


def _envelope_words(mail: Mail) -> str:
    sender = mail.envelope.sender or "<>"
    recipients = mail.envelope.recipients
    more = len(recipients) - MOST_NAMED
    named = ", ".join(recipients[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"not sent: from {sender} to {named}, {len(mail.content)} octets"


def _print_json(value: object, output: Output) -> None:
    import msgspec

    output.result(msgspec.json.encode(value).decode())


def _report_error(error: NexomailerError, output: Output) -> int:
    from nexomailer_cli.cli.report import failure_json

    status = of_error(error)
    identity = _IDENTITIES.get(status, "internal")
    words = "\n".join(map(printable, str(error).split("\n")))
    output.error(words)
    _print_json(failure_json(identity, words, error.hint, status), output)
    return status


def _print_interruption(output: Output) -> None:
    from nexomailer_cli.cli.report import failure_json

    report = failure_json("interrupted", "interrupted", "", ExitStatus.INTERRUPTED)
    _print_json(report, output)


_IDENTITIES = {
    ExitStatus.USAGE: "usage",
    ExitStatus.REFUSED: "message.invalid",
    ExitStatus.NO_INPUT: "input.unreadable",
    ExitStatus.CANNOT_CREATE: "output.unwritable",
    ExitStatus.CONFIG: "config.invalid",
}
