"""Runs `test-connection` at a server of the lab, and checks what every report must keep to."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from nexomailer_cli.cli.screen_schema import report_schema
from nexomailer_cli.config.settings import Config
from nexomailer_cli.probe.report import Found, Report, Severity
from tests.support.run import Result, run
from tests.test_docs import ALL, OPTIONS, keys

SECRET = "tanstaaf-PaRtIcUlAr"
USER = "tim@example.com"
# Of a step, in seconds. On loopback one takes a millisecond, but the machine may be busy: only
# where silence is what is to be found out, little is waited for it.
PATIENT = "8"
HASTY = "0.4"
GLOBAL_OPTIONS = {"-v", "--verbose", "-q", "--quiet", "--config", "--no-color", "--version"}


def patience(case: str) -> str:
    """Return the time-out for a case: `silence ...` is the one that takes as long."""
    return HASTY if case.startswith("silence") else PATIENT


@dataclass(frozen=True)
class Examined:
    """One examination: what the command left behind, and its report."""

    result: Result
    report: Report

    @property
    def worst(self) -> Found:
        """What the screen's last word is about: the first failure, or the first warning."""
        found = [each for each in self.report.findings if each.severity is Severity.FAIL]
        return (found or list(self.report.findings))[0]

    @property
    def ids(self) -> list[str]:
        """All findings, for people to look at where one of them is not the expected one."""
        return [f"{each.severity}:{each.id}" for each in self.report.findings]

    def stage(self, name: str) -> Any:
        """Return a stage by its id."""
        return next(each for each in self.report.stages if each.id == name)

    def failed(self, finding: str, exit_status: int) -> Found:
        """Assert that the examination failed for that reason, and that its advice is usable."""
        assert self.ids, self.report.stages
        assert self.worst.severity is Severity.FAIL, self.ids
        assert (self.worst.id, self.result.exit_status) == (finding, exit_status), self.ids
        assert (self.worst.temporary, self.report.verdict) == (exit_status == 75, "fail")
        check_advice(self.worst)
        return self.worst

    def warned(self, finding: str) -> Found:
        """Assert that mail could be sent, and that the finding is among the warnings."""
        assert (self.result.exit_status, self.report.verdict) == (0, "warn"), self.ids
        found = [each for each in self.report.findings if each.id == finding]
        assert [each.severity for each in found] == [Severity.WARN], self.ids
        check_advice(found[0])
        return found[0]

    def is_ready(self, *notes: str) -> None:
        """Assert that nothing is wrong, beside `notes`."""
        assert (self.result.exit_status, self.ids) == (0, list(notes)), self.report.stages


@dataclass(frozen=True)
class Examiner:
    """Runs the command in a folder of its own."""

    folder: Path
    standard: Sequence[str] = ()
    env: dict[str, str] = field(default_factory=dict)

    def __call__(self, target: str, *arguments: str, timeout: str = PATIENT) -> Examined:
        """Examine `target` with a time-out of `timeout` seconds a step."""
        result = self.run(target, *arguments, timeout=timeout)
        return Examined(result, msgspec.convert(result.json, Report, strict=True))

    def run(self, target: str, *arguments: str, timeout: str = PATIENT) -> Result:
        """Run the command, and check what holds for every run."""
        result = run(
            *("test-connection", target, "--json", "--timeout", timeout),
            *(*self.standard, *arguments),
            env=self.env,
            cwd=self.folder,
        )
        check_harmless(result)
        return result

    def signing_in(self, target: str, *arguments: str, timeout: str = PATIENT) -> Examined:
        """Examine `target` and sign in there with a password."""
        words = ("--user", USER, "--password-env", "LAB_PASSWORD", *arguments)
        return Examiner(self.folder, self.standard, {**self.env, "LAB_PASSWORD": SECRET})(
            target, *words, timeout=timeout
        )


def check_harmless(result: Result) -> None:
    """Assert what holds for every run, whatever the server did."""
    shown = result.stdout.decode() + result.stderr
    assert "Traceback" not in shown, shown
    assert SECRET not in shown
    assert result.stdout, result.stderr
    check_form(json.loads(result.stdout))


def check_form(value: dict[str, Any]) -> None:
    """Assert that a result is as the JSON Schema says.

    A stage is held against its own type only: all fourteen on each take a tenth of a second.
    """
    if "stages" not in value:
        validator().validate(value)
        return
    validator("Report").validate({**value, "stages": []})
    for stage in value["stages"]:
        validator(_stage_types()[stage["id"]]).validate(stage)


def check_advice(found: Found) -> None:
    """Assert that a fix is something to type, and never a way around verification."""
    named = set(re.findall(r"(?:providers\.config|defaults)\.[a-z_.]*[a-z]", found.fix))
    assert named <= _keys(), found.fix
    assert set(found.config) <= _keys(), found.config
    options = set(re.findall(r"(?<!\S)\(?(--?[a-z][a-z-]*)", found.fix))
    assert options <= _options(), found.fix
    commands = set(re.findall(r"nexomailer ([a-z-]+)", found.fix))
    assert commands <= {words[0] for words, _ in ALL}, found.fix
    assert named or options or commands, found.fix
    assert "--insecure" not in found.fix
    assert "reject_unauthorized = false" not in found.fix


@cache
def validator(name: str = "") -> Draft202012Validator:
    """Return what checks a value of the type `name`, or a whole result."""
    schema = json.loads(report_schema())
    return Draft202012Validator(
        {"$defs": schema["$defs"], "$ref": f"#/$defs/{name}"} if name else schema
    )


@cache
def _stage_types() -> dict[str, str]:
    types = json.loads(report_schema())["$defs"].items()
    return {
        each["properties"]["id"]["enum"][0]: name for name, each in types if name.endswith("Stage")
    }


@cache
def _keys() -> set[str]:
    return set(keys(Config))


@cache
def _options() -> set[str]:
    return {option for _, option in OPTIONS} | GLOBAL_OPTIONS
