"""The course of `nexomailer bulk`: examine everything, ask, send, report."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from nexomailer_cli.cli import signals
from nexomailer_cli.cli.exit_status import ExitStatus, of_error
from nexomailer_cli.cli.ip_version import by_ip_version, ip_version_of
from nexomailer_cli.cli.screen_words import counted
from nexomailer_cli.config.settings import Config, Defaults
from nexomailer_cli.errors import MessageError, NexomailerError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from nexomailer_cli.bulk.examination import Examination
    from nexomailer_cli.cli.bulk_letter import Writing
    from nexomailer_cli.cli.bulk_options import BulkOptions
    from nexomailer_cli.cli.bulk_report import Ending
    from nexomailer_cli.cli.everywhere import Globals
    from nexomailer_cli.cli.output import Output


def perform(options: BulkOptions, everywhere: Globals) -> int:
    """Do what `bulk` was asked for; return the exit status.

    With `--json` an error is an event and a report as well; without, it is raised.
    """
    try:
        # Until the run's own loop listens, and after: rows are read, a journal is opened.
        with signals.interruptible():
            return _perform(options, everywhere)
    except NexomailerError as error:
        if not options.as_json:
            raise
        return report_error(error, _ending(error, of_error(error)), everywhere.output)
    except KeyboardInterrupt:
        if not options.as_json:
            raise
        # A run itself ends in order; this was before it.
        cut = NexomailerError("interrupted before anything was sent")
        return report_error(cut, _ending(cut, ExitStatus.INTERRUPTED), everywhere.output)


class RowsError(MessageError):
    """There are rows that no message can be made for; `right` are the others."""

    def __init__(self, message: str, hint: str, *, right: int, wrong: int) -> None:
        super().__init__(message, hint=hint)
        self.right = right
        self.wrong = wrong


def _ending(error: NexomailerError, status: int) -> Ending:
    from nexomailer_cli.bulk.state import State
    from nexomailer_cli.cli.bulk_report import Ending

    if isinstance(error, RowsError):
        counts = {State.WAITING: error.right}
        return Ending(counts=counts, exit_status=status, invalid=error.wrong)
    return Ending(counts={}, exit_status=status)


def _perform(options: BulkOptions, everywhere: Globals) -> int:
    from nexomailer_cli.bulk.recipients import open_rows
    from nexomailer_cli.cli.bulk_letter import Writing
    from nexomailer_cli.cli.bulk_options import require_sense
    from nexomailer_cli.cli.bulk_plan import plan_of

    require_sense(options)
    config = _configuration(options, everywhere)
    ip_version = ip_version_of(only_4=options.only_4, only_6=options.only_6)
    config = by_ip_version(config, ip_version) if config else None
    defaults = config.standing if config else Defaults()
    plan = plan_of(options, defaults)
    with open_rows(
        options.file, delimiter=options.delimiter or "", encoding=options.encoding or ""
    ) as rows:
        written = Writing(options, defaults, rows)
        if options.check:
            return _check(written, options, everywhere.output)
        if options.dry_run or options.test_to is not None:
            from nexomailer_cli.cli.bulk_trial import dry_run, send_one

            if options.dry_run:
                return dry_run(written, plan, options, everywhere.output)
            assert config is not None
            return send_one(written, config, options, everywhere.output)
        from nexomailer_cli.cli.bulk_course import Whole

        assert config is not None
        return Whole(config, options, plan, written, everywhere).perform()


def _configuration(options: BulkOptions, everywhere: Globals) -> Config | None:
    """Return the configuration; where nothing is sent, none is needed."""
    from nexomailer_cli.config.file import find_config, load_config

    is_needed = not (options.check or options.dry_run)
    if is_needed or find_config(everywhere.config, os.environ) or "NEXOMAILER_URL" in os.environ:
        return load_config(everywhere.config, os.environ, warn=everywhere.output.warn)
    return None


def _check(written: Writing, options: BulkOptions, output: Output) -> int:
    """Examine everything, and say what there is."""
    from nexomailer_cli.cli.bulk_report import Ending, as_json

    examination = written.examination()
    for _ in examination.entries():
        pass
    refuse(examination)
    tell_examined(examination, output)
    if options.as_json:
        from nexomailer_cli.bulk.state import State

        counts = {
            State.WAITING: examination.right - examination.skipped,
            State.SKIPPED: examination.skipped,
        }
        output.result(msgspec.json.encode(as_json(Ending(counts=counts, exit_status=0))).decode())
    return ExitStatus.OK


def refuse(examination: Examination) -> None:
    """Raise MessageError that names everything that is wrong with the rows."""
    if not examination.invalid:
        return
    problems = examination.problems
    more = examination.invalid - len(problems)
    lines = [str(problem) for problem in problems]
    if more > 0:
        lines.append(f"and {more} further problems")
    raise RowsError(
        "\n".join(lines),
        "Nothing was sent. Mend the rows, or take them out, and run the command again.",
        right=examination.right,
        wrong=examination.invalid,
    )


def tell_examined(examination: Examination, output: Output) -> None:
    """Say how many rows there are, and who gets nothing."""
    output.note(f"{counted(examination.rows, 'row')}, nothing wrong")
    if examination.suppressed:
        output.note(f"  {examination.suppressed} skipped: suppressed")
    if examination.duplicates:
        output.note(f"  {examination.duplicates} skipped: the same once more")


def report_error(error: NexomailerError, ending: Ending, output: Output) -> int:
    """Tell people and programs of an error, and programs how the rows stand; return the status."""
    from nexomailer_cli.cli.bulk_display import SCHEMA
    from nexomailer_cli.cli.bulk_report import as_json

    words = "\n".join(map(printable, str(error).split("\n")))
    output.error(words)
    if error.hint:
        output.note(error.hint)
    told = {"schema": SCHEMA, "event": "error", "text": words, "fix": error.hint}
    output.result(msgspec.json.encode(told).decode())
    output.result(msgspec.json.encode(as_json(ending)).decode())
    return ending.exit_status
