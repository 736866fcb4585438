"""The report of an examination, put together from what is known at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nexomailer_cli import __version__
from nexomailer_cli.probe.report import (
    AuthSummary,
    Capabilities,
    Examinations,
    Found,
    Ready,
    Report,
    Severity,
    Tool,
)
from nexomailer_cli.probe.stage import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nexomailer_cli.probe.examination import Examination
    from nexomailer_cli.probe.stage import AnyStage
    from nexomailer_cli.probe.stage_data import EhloData

    Word = Literal["ok", "warn", "fail", "unknown"]

# Of a run that was fine but for warnings, with --strict.
WARNINGS_EXIT = 1
INTERRUPTED_EXIT = 130


def report_of(exam: Examination, stages: tuple[AnyStage, ...], *, is_interrupted: bool) -> Report:
    """Return everything that was found out about one target."""
    verdict = verdict_of(exam.found)
    code = exit_code_of(exam.found, strict=exam.wishes.strict)
    return Report(
        tool=_tool(),
        started_at=exam.started_at,
        duration_ms=round(exam.transcript.ms, 1),
        target=exam.case.target,
        verdict="unknown" if is_interrupted else verdict,
        exit_code=INTERRUPTED_EXIT if is_interrupted else code,
        ready=_ready(exam, stages),
        stages=stages,
        findings=tuple(exam.found),
        capabilities=_capabilities(exam),
        auth=_auth(exam),
        alternatives=tuple(exam.alternatives),
        recommended=exam.recommended,
        transcript=tuple(exam.transcript.lines) if exam.wishes.transcript else None,
    )


def together(reports: tuple[Report, ...], found: Iterable[Found] = ()) -> Examinations:
    """Return several reports as one: as bad as the worst, with the exit status of the first."""
    found = tuple(found)
    words: list[Word] = [*(each.verdict for each in reports), verdict_of(found)]
    order: tuple[Word, ...] = ("fail", "unknown", "warn", "ok")
    codes = [exit_code_of(found, strict=False), *(each.exit_code for each in reports)]
    is_interrupted = INTERRUPTED_EXIT in codes
    # A failure tells more than a warning, whichever came first.
    telling = [code for code in codes if code > WARNINGS_EXIT] or codes
    return Examinations(
        verdict=min(words, key=order.index),
        exit_code=INTERRUPTED_EXIT if is_interrupted else next(filter(None, telling), 0),
        findings=found,
        examinations=reports,
    )


def interrupted() -> Examinations:
    """Return what is known where somebody ended it before the first examination."""
    return Examinations(verdict="unknown", exit_code=INTERRUPTED_EXIT, findings=(), examinations=())


def verdict_of(found: Iterable[Found]) -> Word:
    """Return the findings in one word."""
    severities = {each.severity for each in found}
    if Severity.FAIL in severities:
        return "fail"
    return "warn" if Severity.WARN in severities else "ok"


def exit_code_of(found: Iterable[Found], *, strict: bool) -> int:
    """Return the exit status of the first failure; with `strict` warnings have one too."""
    found = tuple(found)
    failures = [each.exit_code for each in found if each.severity is Severity.FAIL]
    if failures:
        return failures[0]
    return WARNINGS_EXIT if strict and verdict_of(found) == "warn" else 0


def _tool() -> Tool:
    import platform
    import ssl
    import sys

    return Tool(
        name="nexomailer",
        version=__version__,
        python=platform.python_version(),
        openssl=ssl.OPENSSL_VERSION,
        platform=sys.platform,
    )


def _ready(exam: Examination, stages: tuple[AnyStage, ...]) -> Ready:
    failed = {each.id for each in stages if each.status is Status.FAIL}
    is_encrypted = exam.wire is not None and exam.wire.is_encrypted
    is_plain = exam.announced is not None and not exam.will_be_encrypted
    tried_tls = bool(failed & {"starttls", "tls", "certificate"}) or is_plain
    return Ready(
        connect=True if exam.wire else False if failed & {"dns", "tcp"} else None,
        encrypted=True if is_encrypted else False if tried_tls else None,
        trusted=exam.is_trusted,
        authenticated=False if "auth" in failed else exam.is_signed_in,
        envelope=exam.has_envelope,
    )


def _capabilities(exam: Examination) -> Capabilities:
    is_first_encrypted = exam.terms.implicit_tls
    before = None if is_first_encrypted else exam.announced
    after = exam.announced if is_first_encrypted else exam.announced_again
    known, known_after = _keywords(before), _keywords(after)
    both = known is not None and known_after is not None
    last = after or before
    return Capabilities(
        before_tls=known,
        after_tls=known_after,
        added=_without(known_after, known) if both else None,
        removed=_without(known, known_after) if both else None,
        auth_before_tls=before.auth if before else None,
        auth_after_tls=after.auth if after else None,
        size_limit=exam.extensions.size,
        limits=_limits(last.extensions.get("LIMITS", "")) if last else {},
    )


def _keywords(announced: EhloData | None) -> tuple[str, ...] | None:
    return tuple(sorted(announced.extensions)) if announced else None


def _without(some: tuple[str, ...] | None, others: tuple[str, ...] | None) -> tuple[str, ...]:
    return tuple(each for each in some or () if each not in (others or ()))


def _limits(parameters: str) -> dict[str, int]:
    pairs = (each.partition("=") for each in parameters.split())
    return {
        name: int(value)
        for name, _, value in pairs
        if value.isascii() and value.isdigit() and len(value) < 10
    }


def _auth(exam: Examination) -> AuthSummary:
    result: Literal["accepted", "refused", "failed"] | None = None
    if exam.is_signed_in is not None:
        result = "accepted" if exam.is_signed_in else "refused" if exam.was_refused else "failed"
    return AuthSummary(
        attempted=exam.mechanism is not None,
        mechanism=exam.mechanism,
        username=exam.case.username,
        secret_source=exam.case.target.source.secret,
        result=result,
    )
