"""What programs read: one object, or a line for each event; and the schema of it."""

from __future__ import annotations

import json
from itertools import cycle
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexomailer_cli.cli.output import Output
from nexomailer_cli.cli.screen import screen_for
from nexomailer_cli.cli.screen_schema import report_schema
from nexomailer_cli.probe.report import Report
from nexomailer_cli.probe.stage import AnyStage
from tests.cli import screen_examples as examples
from tests.cli.test_screen_hostile import EVERY, NASTY, scrambled

SCHEMA = json.loads(report_schema())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def play(report: Report, form: Any, capsys: pytest.CaptureFixture[str]) -> list[Any]:
    screen = screen_for(Output(), stdout=None, stderr=None, form=form)
    screen.begin(report.target)
    for stage in report.stages:
        screen.stage(stage)
    screen.report(report)
    screen.close()
    captured = capsys.readouterr()
    assert captured.err == ""
    return [json.loads(line) for line in captured.out.splitlines()]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"]
    assert SCHEMA["title"]


@pytest.mark.parametrize("make", EVERY)
def test_json_is_one_object_that_the_schema_knows(
    make: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (value,) = play(make(), "json", capsys)
    VALIDATOR.validate(value)
    assert msgspec.convert(value, Report) == make()


def test_several_are_one_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    screen = screen_for(Output(), stdout=None, stderr=None, form="json", several=True)
    screen.examinations(examples.several())
    value = json.loads(capsys.readouterr().out)
    VALIDATOR.validate(value)
    assert len(value["examinations"]) == 3


@pytest.mark.parametrize("make", EVERY)
def test_ndjson_is_a_line_for_each_stage_and_the_result(
    make: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    report = make()
    *events, result = play(report, "ndjson", capsys)
    assert [event["event"] for event in events] == ["stage"] * len(report.stages)
    assert [event["id"] for event in events] == [stage.id for stage in report.stages]
    assert {event["target"]["host"] for event in events} == {report.target.host}
    assert result.pop("event") == "result"
    VALIDATOR.validate(result)


def objects(value: Any) -> list[dict[str, Any]]:
    """Return every object inside that is a record, not a map of keywords."""
    if isinstance(value, list):
        return [each for item in value for each in objects(item)]
    if not isinstance(value, dict):
        return []
    inside = [each for item in value.values() for each in objects(item)]
    is_map = not value or set(value) <= {"CN", "O", "RCPTMAX"}
    return inside if is_map else [value, *inside]


@pytest.mark.parametrize("make", [examples.wrong_name, examples.wrong_tls_mode])
def test_no_property_may_be_missing_and_none_be_added(make: Any) -> None:
    value = msgspec.to_builtins(make(), str_keys=True)
    value = json.loads(json.dumps(value))
    for each in objects(value):
        each["surplus"] = 1
        assert not VALIDATOR.is_valid(value)
        del each["surplus"]
        name, kept = next(iter(each.items()))
        del each[name]
        assert not VALIDATOR.is_valid(value)
        each[name] = kept
    VALIDATOR.validate(value)


def test_every_stage_is_in_the_schema() -> None:
    ids = {
        identity
        for definition in SCHEMA["$defs"].values()
        for identity in definition.get("properties", {}).get("id", {}).get("enum", ())
    }
    kinds: Any = AnyStage
    assert {kind.__struct_config__.tag for kind in kinds.__args__} <= ids


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(EVERY), st.lists(st.sampled_from(NASTY[:-6]), min_size=1))
def test_any_words_are_json(make: Any, texts: list[str]) -> None:
    report = scrambled(make(), cycle(texts))
    VALIDATOR.validate(json.loads(msgspec.json.encode(report)))
