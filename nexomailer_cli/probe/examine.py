"""The order of an examination: which step comes when, how long it took, and what follows a failure.

What is asked and understood is in the steps; the report is put together in `summary`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from msgspec import structs

from nexomailer_cli.probe import step_auth, step_envelope, step_network, step_smtp, step_tls
from nexomailer_cli.probe.examination import Case, Examination
from nexomailer_cli.probe.stage import (
    AuthStage,
    BannerStage,
    CertificateStage,
    DnsStage,
    EhloStage,
    EhloTlsStage,
    EnvelopeStage,
    EnvironmentStage,
    QuitStage,
    SizeStage,
    Stage,
    StarttlsStage,
    Status,
    TargetStage,
    TcpStage,
    TlsStage,
)
from nexomailer_cli.probe.summary import report_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nexomailer_cli.probe.report import Report
    from nexomailer_cli.probe.stage import AnyStage

    Step = tuple[type[Stage], Callable[[Examination], Stage]]

_ARRIVAL: tuple[Step, ...] = (
    (TargetStage, step_network.target),
    (EnvironmentStage, step_network.environment),
    (DnsStage, step_network.dns),
    (TcpStage, step_network.tcp),
)
_GREETING: tuple[Step, ...] = ((BannerStage, step_smtp.banner), (EhloStage, step_smtp.ehlo))
_STARTTLS: Step = (StarttlsStage, step_tls.starttls)
_TLS: tuple[Step, ...] = ((TlsStage, step_tls.tls), (CertificateStage, step_tls.certificate))
_AGAIN: Step = (EhloTlsStage, step_smtp.ehlo_again)
_BUSINESS: tuple[Step, ...] = (
    (AuthStage, step_auth.sign_in),
    (EnvelopeStage, step_envelope.envelope),
    (SizeStage, step_envelope.size),
)
_GOODBYE: Step = (QuitStage, step_envelope.goodbye)

# Of the time in which the server thinks, in milliseconds; the greeting has its own.
SLOW_MS = {"ehlo": 2000, "starttls": 2000, "ehlo_tls": 2000, "tls": 1000, "auth": 3000}


def examine(case: Case, listener: Callable[[AnyStage], None] = lambda _: None) -> Report:
    """Examine a server; `listener` is told each stage as it ends.

    Being interrupted ends the examination, not the report: what is known is in it.
    """
    exam = Examination(case)
    stages: list[AnyStage] = []
    is_interrupted = False
    try:
        for kind, step in _plan(exam, stages):
            stage = _taken(exam, kind, step)
            stages.append(stage)
            listener(stage)
    except KeyboardInterrupt:
        is_interrupted = True
    finally:
        if exam.wire is not None:
            exam.wire.close()
    return report_of(exam, tuple(stages), is_interrupted=is_interrupted)


def _plan(exam: Examination, stages: list[AnyStage]) -> Iterator[Step]:
    """Yield the steps; whether TLS follows STARTTLS shows only on the way."""
    terms = exam.terms
    yield from _ARRIVAL
    if terms.implicit_tls:
        yield from (*_TLS, *_GREETING)
    else:
        yield from _GREETING
        if terms.tls is not None:
            yield _STARTTLS
            if stages[-1].status is not Status.INFO:
                yield from (*_TLS, _AGAIN)
    yield from (*_BUSINESS, _GOODBYE)


def _taken(exam: Examination, kind: type[Stage], step: Callable[[Examination], Stage]) -> AnyStage:
    is_over = exam.failed_at is not None
    if is_over and not (step is _GOODBYE[1] and exam.wire and exam.is_session_usable):
        return cast("AnyStage", kind(status=Status.SKIP, reason=exam.failed_at))
    start = exam.transcript.ms
    before = exam.wire.exchanges if exam.wire else 0
    stage = step(exam)
    if stage.status is Status.SKIP:
        return cast("AnyStage", stage)
    took = exam.transcript.ms - start
    rounds = (exam.wire.exchanges if exam.wire else 0) - before
    return cast("AnyStage", _timed(exam, stage, start, took, rounds))


def _timed(exam: Examination, stage: Stage, start: float, took: float, rounds: int) -> Stage:
    rtt = exam.race.seconds * 1000
    rounds = _round_trips(stage, rounds)
    thought = max(0.0, took - rounds * rtt) if rounds else None
    stage = structs.replace(
        stage,
        start_ms=round(start, 1),
        duration_ms=round(took, 1),
        rtt_ms=round(rtt, 1) if rounds else None,
        server_ms=None if thought is None else round(thought, 1),
    )
    slow = SLOW_MS.get(stage.id)
    if slow is None or thought is None or thought <= slow or stage.status is Status.FAIL:
        return stage
    return exam.remark(
        stage, stage.id.removesuffix("_tls"), "slow-server", f"{thought / 1000:.1f} s"
    )


def _round_trips(stage: Stage, exchanges: int) -> int:
    if isinstance(stage, TcpStage | BannerStage):
        return 1
    if isinstance(stage, TlsStage):
        return stage.data.round_trips if stage.data else 0
    return exchanges
