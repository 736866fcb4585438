"""What the shell is told: sysexits.h, where it has a word for it."""

from __future__ import annotations

from enum import IntEnum, unique
from typing import TYPE_CHECKING

from nexomailer_cli import errors
from nexomailer_cli.smtp.outcome import Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.probe.diagnosis import Finding
    from nexomailer_cli.smtp.outcome import Attempt


@unique
class ExitStatus(IntEnum):
    """The exit status of every command. README lists them for people."""

    OK = 0
    WARNINGS = 1  # of `test-connection --strict` alone
    USAGE = 2
    PARTIAL = 3
    UNKNOWN = 4
    REFUSED = 65  # EX_DATAERR
    NO_INPUT = 66
    NO_HOST = 68
    UNAVAILABLE = 69
    BUG = 70  # EX_SOFTWARE
    CANNOT_CREATE = 73
    TEMPORARY = 75  # EX_TEMPFAIL
    PROTOCOL = 76
    NO_PERMISSION = 77
    CONFIG = 78
    INTERRUPTED = 130


_OF_ERRORS: tuple[tuple[type[errors.NexomailerError], ExitStatus], ...] = (
    (errors.UsageError, ExitStatus.USAGE),
    (errors.ConfigError, ExitStatus.CONFIG),
    (errors.InputError, ExitStatus.NO_INPUT),
    (errors.OutputError, ExitStatus.CANNOT_CREATE),
    (errors.MessageError, ExitStatus.REFUSED),
)


def of_error(error: errors.NexomailerError) -> ExitStatus:
    """Return the exit status for an error that kept a command from its work."""
    for kind, status in _OF_ERRORS:
        if isinstance(error, kind):
            return status
    return ExitStatus.BUG


_OF_STATUS = {
    Status.ACCEPTED: ExitStatus.OK,
    Status.PARTIAL: ExitStatus.PARTIAL,
    Status.UNKNOWN: ExitStatus.UNKNOWN,
    Status.DEFERRED: ExitStatus.TEMPORARY,
    Status.REJECTED: ExitStatus.REFUSED,
}


def of_outcome(outcome: Outcome, diagnose: Callable[[Attempt], Finding]) -> ExitStatus:
    """Return the exit status for what became of a mail.

    Where no server answered about the mail, it is that of the finding: a temporary one
    if there is any, since then trying again may help, otherwise that of the provider which
    was tried first.
    """
    if outcome.status is not Status.FAILED:
        return _OF_STATUS[outcome.status]
    findings = [diagnose(attempt) for attempt in outcome.attempts]
    if any(finding.temporary for finding in findings):
        return ExitStatus.TEMPORARY
    return ExitStatus(findings[0].exit_status) if findings else ExitStatus.UNAVAILABLE
