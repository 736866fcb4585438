"""Findings of a report: from the diagnosis table, or of what kept an examination from beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.errors import ConfigError, TransportError, UsageError
from nexomailer_cli.printable import printable
from nexomailer_cli.probe.diagnosis import Evidence, diagnose
from nexomailer_cli.probe.report import Found, Severity

if TYPE_CHECKING:
    from nexomailer_cli.errors import NexomailerError
    from nexomailer_cli.probe.diagnosis import Finding


def refusal(error: NexomailerError, target: str, exit_status: int | None) -> Found:
    """Return a finding for `error`; one of the table's where DNS had the last word."""
    lines = str(error).split("\n")
    # Below what is wrong with a target stands the target again, and a mark under it.
    shown = lines[:1] if isinstance(error, UsageError) else lines
    words = " ".join(map(printable, shown))
    if isinstance(error, TransportError):
        return _looked_up(error, words, target)
    return Found(
        id=_identity(error),
        severity=Severity.FAIL,
        stage="target",
        heading="Nothing was examined",
        title=words,
        evidence=words,
        meaning=words,
        fix=error.hint or "See nexomailer test-connection --help",
        config=(),
        temporary=False,
        retry_after_s=None,
        docs=(),
        exit_code=exit_status or 70,
    )


def _identity(error: NexomailerError) -> str:
    if isinstance(error, UsageError):
        return "usage"
    return "config.invalid" if isinstance(error, ConfigError) else "input.unreadable"


def _looked_up(error: TransportError, words: str, target: str) -> Found:
    host = printable(target.rpartition("@")[2])
    seen = Evidence(phase=error.phase, reason=error.reason, text=words, host=host)
    return made(diagnose(seen), "dns", words)


def made(finding: Finding, stage: str, evidence: str) -> Found:
    """Return a diagnosis as a report has it."""
    return Found(
        id=finding.id,
        severity=finding.severity,
        stage=stage,
        heading=finding.heading,
        title=finding.title,
        evidence=evidence,
        meaning=finding.meaning,
        fix=finding.fix,
        config=finding.config,
        temporary=finding.temporary,
        retry_after_s=finding.retry_after,
        docs=finding.docs,
        exit_code=finding.exit_status,
    )
