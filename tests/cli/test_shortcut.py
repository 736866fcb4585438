"""The straight way and Typer's understand every command line alike."""

from collections.abc import Sequence
from typing import Any

import pytest
import typer
from msgspec import Struct

from nexomailer_cli.cli import bulking, probing, sending
from nexomailer_cli.cli.app import app
from nexomailer_cli.cli.bulk_options import BulkOptions
from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.probe_options import ProbeOptions
from nexomailer_cli.cli.send_options import SendOptions
from nexomailer_cli.cli.shortcut import _table, straight

# Nothing is done that the straight way could shorten.
LEFT_TO_TYPER = {"--help", "-h", "--version", "--schema"}


def kind(option: Any) -> str:
    if option.is_flag:
        return "bool"
    if option.type.name.startswith("int"):
        return "number"
    return "many" if option.multiple else "one"


def typer_table(name: str) -> dict[str, str]:
    group: Any = typer.main.get_command(app)
    command = group.get_command(typer.Context(group), name)
    return {
        option: kind(each)
        for each in command.params
        if each.param_type_name == "option"
        for option in each.opts
        if option not in LEFT_TO_TYPER
    }


@pytest.mark.parametrize(
    ("name", "options"),
    [("send", SendOptions), ("bulk", BulkOptions), ("test-connection", ProbeOptions)],
)
def test_both_know_the_same_options(name: str, options: type[Struct]) -> None:
    assert {option: kind for option, (_, kind) in _table(options, Globals)} == typer_table(name)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the commands were told to do, in the order of their calls."""
    seen: list[tuple[object, ...]] = []

    def perform(*request: object) -> int:
        seen.append(request)
        return 0

    monkeypatch.setattr(sending, "perform", perform)
    monkeypatch.setattr(bulking, "perform", perform)
    monkeypatch.setattr(probing, "perform", perform)
    return seen


def assert_both_ways_agree(arguments: Sequence[str], seen: Sequence[tuple[object, ...]]) -> None:
    with pytest.raises(SystemExit) as done:
        app(arguments, prog_name="nexomailer")
    assert done.value.code == 0
    perform = straight(arguments)
    assert perform and perform() == 0
    assert len(seen) == 2
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--to", "a@x.test", "--to=b@x.test", "--cc", "--subject", "--subject", "--to"],
        ["--from", "a@x.test", "-o", "x.eml", "--json", "-v", "--no-failover", "--dry-run"],
        ["--text=", "--header", "X: a=b", "--var", "a=b=c", "--vars=v.json", "--deadline", "5"],
        ["--config", "c.toml", "-q", "--no-color", "--debug", "--sandbox", "--output=y.eml"],
        ["--text", "-", "--raw", "-", "--html", "-v"],
    ],
)
def test_both_ways_understand_the_same_of_a_message(
    words: list[str], seen: list[tuple[object, ...]]
) -> None:
    assert_both_ways_agree(["send", *words], seen)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["mail.x.test:587"],
        [""],
        ["--security", "starttls", "mail.x.test", "--user", "me", "--password-env", "PATH"],
        ["--user=me", "--password-file=-v", "-4", "--from", "a@x.test", "--rcpt=b@x.test", "-v"],
        ["-6", "--size", "25MB", "--ca-file", __file__, "--helo-name", "me.x.test", "--strict"],
        ["x.test", "--mx", "--no-alternatives", "--json", "--timeout", "5", "--from", "<>"],
        ["--insecure", "--ndjson", "x.test", "--config", "c.toml", "-q", "--no-color", "--debug"],
    ],
)
def test_both_ways_understand_the_same_of_an_examination(
    words: list[str], seen: list[tuple[object, ...]]
) -> None:
    assert_both_ways_agree(["test-connection", *words], seen)


@pytest.mark.parametrize(
    "words",
    [
        ["people.csv"],
        ["people.csv", "--template", "letter.md", "--yes", "-v"],
        ["--from", "a@x.test", "--subject", "{{ x }}", "--text=@body", "-y", "people.csv"],
        ["x.tsv", "--row", "3", "--limit=1000", "--offset", "1", "--connections", "007"],
        ["x.csv", "--rate", "14/s", "--rate", "2000/h", "--max-errors", "5%", "--dedupe", "skip"],
        ["x.csv", "--attach", "a", "--attach", "b", "--suppress", "s", "--no-failover", "-4", "-6"],
        ["x.csv", "-o", "out", "--dry-run", "--report=r.csv", "--json", "--durable", "--check"],
        ["x.csv", "--row", "3", "--row", "4", "--key", "--yes", "--retry-failed"],
        ["x.csv", "--accept-changes", "--resend-unknown", "--journal", "j", "--config", "c", "-q"],
    ],
)
def test_both_ways_understand_the_same_of_a_run(
    words: list[str], seen: list[tuple[object, ...]]
) -> None:
    assert_both_ways_agree(["bulk", *words], seen)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-v", "send", "--to", "a@x.test"],
        ["--config", "send", "send", "-q"],
        ["--config=a.toml", "--debug", "send", "--config", "b.toml"],
        ["--config", "-v", "send", "--no-color", "--quiet"],
        ["--verbose", "-q", "--no-color", "test-connection", "x.test", "-v"],
        ["--config", "c.toml", "test-connection", "send"],
    ],
)
def test_global_options_may_stand_before_the_command(
    arguments: list[str], seen: list[tuple[object, ...]]
) -> None:
    assert_both_ways_agree(arguments, seen)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--version"],
        ["-v"],
        ["sandbox"],
        ["-v", "sandbox"],
        ["--to", "a@x.test", "send"],
        ["--config"],
        ["--config", "send"],
        ["-vq", "send"],
        ["--quiet=yes", "send"],
        ["-v=yes", "send"],
        ["--", "send"],
        ["--help", "send"],
        ["--version", "send"],
        ["send", "--help"],
        ["send", "--to"],
        ["send", "--tox", "a"],
        ["send", "-vq"],
        ["send", "-oFILE"],
        ["send", "--json=yes"],
        ["send", "stray"],
        ["send", "--target", "x.test"],
        ["send", "--"],
        ["bulk"],
        ["bulk", "--yes"],
        ["bulk", "-"],
        ["bulk", "x.csv", "stray"],
        ["bulk", "x.csv", "--file", "y.csv"],
        ["bulk", "x.csv", "--row", "x"],
        ["bulk", "x.csv", "--row", "0"],
        ["bulk", "x.csv", "--row", "-1"],
        ["bulk", "x.csv", "--row", "²"],
        ["bulk", "x.csv", "--row="],
        ["bulk", "x.csv", "--limit", "1001"],
        ["bulk", "x.csv", "--limit", "9" * 5000],
        ["test-connection", "--schema"],
        ["test-connection", "x.test", "stray"],
        ["test-connection", "--target", "x.test"],
        ["test-connection", "-46"],
        ["test-connection", "--", "x.test"],
        ["test-connection", "-"],
    ],
)
def test_what_is_not_plain_is_left_to_typer(arguments: list[str]) -> None:
    assert straight(arguments) is None
