"""The report: one word, one exit status, and what is known, whatever came of the examination."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from nexomailer_cli.probe.examination import Case, Examination, Wishes
from nexomailer_cli.probe.report import Found, Origins, Report, Severity, Target
from nexomailer_cli.probe.stage import AuthStage, DnsStage, Status, TcpStage
from nexomailer_cli.probe.stage_data import EhloData
from nexomailer_cli.probe.summary import exit_code_of, report_of, together, verdict_of
from nexomailer_cli.smtp.extensions import Extensions
from nexomailer_cli.transport.terms import Terms


def found(severity: Severity, exit_code: int = 0) -> Found:
    return Found(
        id="x.y",
        severity=severity,
        stage="tcp",
        heading="h",
        title="t",
        evidence="e",
        meaning="m",
        fix="f",
        config=(),
        temporary=False,
        retry_after_s=None,
        docs=(),
        exit_code=exit_code,
    )


WARNING, NOTE = found(Severity.WARN, 76), found(Severity.INFO)
REFUSED, LATER = found(Severity.FAIL, 77), found(Severity.FAIL, 75)


@pytest.fixture
def exam() -> Examination:
    origins = Origins(host="argument", port="argument", security="argument", secret="env:PASS")
    target = Target(
        input="x", host="x.test", ascii_host="x.test", port=587, security="none", source=origins
    )
    terms = Terms(host="x.test", port=587)
    return Examination(Case(target=target, terms=terms, wishes=Wishes(), username="tim"))


@pytest.mark.parametrize(
    ("findings", "verdict", "status", "strict_status"),
    [
        ([], "ok", 0, 0),
        ([NOTE], "ok", 0, 0),
        ([WARNING, NOTE], "warn", 0, 1),
        ([WARNING, REFUSED, LATER], "fail", 77, 77),
    ],
)
def test_the_first_failure_decides_and_warnings_only_where_that_is_wished(
    findings: list[Found], verdict: str, status: int, strict_status: int
) -> None:
    assert verdict_of(findings) == verdict
    assert exit_code_of(findings, strict=False) == status
    assert exit_code_of(iter(findings), strict=True) == strict_status


def test_of_nothing_everything_is_unknown(exam: Examination) -> None:
    report = report_of(exam, (), is_interrupted=False)
    ready = structs.asdict(report.ready)
    assert set(ready.values()) == {None}
    assert structs.asdict(report.capabilities) == {
        **dict.fromkeys(structs.asdict(report.capabilities)),
        "limits": {},
    }
    assert structs.asdict(report.auth) == {
        "attempted": False,
        "mechanism": None,
        "username": "tim",
        "secret_source": "env:PASS",
        "result": None,
    }


def test_an_interruption_is_no_verdict(exam: Examination) -> None:
    exam.found.append(REFUSED)
    report = report_of(exam, (), is_interrupted=True)
    assert (report.verdict, report.exit_code, report.findings) == ("unknown", 130, (REFUSED,))


@pytest.mark.parametrize("stage", [DnsStage(status=Status.FAIL), TcpStage(status=Status.FAIL)])
def test_without_a_name_or_a_connection_nobody_is_connected(exam: Examination, stage: Any) -> None:
    assert report_of(exam, (stage,), is_interrupted=False).ready.connect is False


@pytest.mark.parametrize(
    ("is_signed_in", "was_refused", "result"),
    [(True, False, "accepted"), (False, True, "refused"), (False, False, "failed")],
)
def test_a_sign_in_was_accepted_refused_or_broken_off(
    exam: Examination, is_signed_in: bool, was_refused: bool, result: str
) -> None:
    exam.mechanism, exam.is_signed_in, exam.was_refused = "PLAIN", is_signed_in, was_refused
    status = Status.OK if is_signed_in else Status.FAIL
    report = report_of(exam, (AuthStage(status=status),), is_interrupted=False)
    assert (report.auth.attempted, report.auth.result) == (True, result)
    assert report.ready.authenticated is is_signed_in


def announced(**extensions: str) -> EhloData:
    return EhloData(
        sent_name="me.test",
        extensions=extensions,
        auth=("PLAIN",) if "AUTH" in extensions else (),
        used_helo=False,
    )


def test_what_tls_changes_in_the_offer_is_told(exam: Examination) -> None:
    exam.announced = announced(STARTTLS="", SIZE="1000", VRFY="")
    exam.announced_again = announced(SIZE="1000", AUTH="PLAIN", LIMITS="RCPTMAX=50 MAILMAX=x Y")
    exam.extensions = Extensions(size=1000)
    seen = report_of(exam, (), is_interrupted=False).capabilities
    assert (seen.added, seen.removed) == (("AUTH", "LIMITS"), ("STARTTLS", "VRFY"))
    assert (seen.auth_before_tls, seen.auth_after_tls) == ((), ("PLAIN",))
    assert (seen.size_limit, seen.limits) == (1000, {"RCPTMAX": 50})


@pytest.mark.parametrize(
    "parameters", ["RCPTMAX=99999999999999999999", "RCPTMAX=²", "RCPTMAX=-1", "RCPTMAX", "="]
)
def test_a_limit_that_is_no_number_is_none(exam: Examination, parameters: str) -> None:
    exam.announced = announced(LIMITS=parameters)
    assert report_of(exam, (), is_interrupted=False).capabilities.limits == {}


# --- several ------------------------------------------------------------------------------


def reported(exam: Examination, *findings: Found, interrupted: bool = False) -> Report:
    exam.found[:] = findings
    return report_of(exam, (), is_interrupted=interrupted)


def test_several_are_as_bad_as_the_worst_with_the_status_of_the_first_failure(
    exam: Examination,
) -> None:
    fine, warned = reported(exam), structs.replace(reported(exam, WARNING), exit_code=1)
    refused, later = reported(exam, REFUSED), reported(exam, LATER)
    assert structs.astuple(together((fine, fine)))[1:3] == ("ok", 0)
    assert structs.astuple(together((fine, warned)))[1:3] == ("warn", 1)
    assert structs.astuple(together((warned, refused, later)))[1:3] == ("fail", 77)
    assert together((fine, later)).examinations == (fine, later)


def test_one_that_was_interrupted_interrupts_them_all(exam: Examination) -> None:
    several = together((reported(exam, REFUSED), reported(exam, interrupted=True)))
    assert (several.verdict, several.exit_code) == ("fail", 130)
    assert together((reported(exam), reported(exam, interrupted=True))).verdict == "unknown"


def test_what_is_about_all_of_them_counts_first(exam: Examination) -> None:
    several = together((reported(exam, REFUSED),), [LATER])
    assert (several.verdict, several.exit_code, several.findings) == ("fail", 75, (LATER,))
    assert together(()).exit_code == 0
