"""The straight way and Typer's understand every command line alike."""

from typing import Any

import pytest
import typer

from nexomailer_cli.cli import sending
from nexomailer_cli.cli.app import app
from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.send_options import SendOptions
from nexomailer_cli.cli.shortcut import _table, straight


def typer_table() -> dict[str, str]:
    group: Any = typer.main.get_command(app)
    command = group.get_command(typer.Context(group), "send")
    return {
        option: "bool" if each.is_flag else "many" if each.multiple else "one"
        for each in command.params
        for option in each.opts
        if option not in ("--help", "-h", "--version")
    }


def test_both_know_the_same_options() -> None:
    assert {option: kind for option, (_, kind) in _table()} == typer_table()


@pytest.fixture
def through_typer(monkeypatch: pytest.MonkeyPatch) -> list[tuple[SendOptions, Globals]]:
    seen: list[tuple[SendOptions, Globals]] = []

    def perform(options: SendOptions, everywhere: Globals) -> int:
        seen.append((options, everywhere))
        return 0

    monkeypatch.setattr(sending, "perform", perform)
    return seen


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
def test_both_ways_understand_the_same(
    words: list[str], through_typer: list[tuple[SendOptions, Globals]]
) -> None:
    with pytest.raises(SystemExit) as done:
        app(["send", *words], prog_name="nexomailer")
    assert done.value.code == 0
    assert straight(["send", *words]) == through_typer[0]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--version"],
        ["-v", "send"],
        ["sandbox"],
        ["send", "--help"],
        ["send", "--to"],
        ["send", "--tox", "a"],
        ["send", "-vq"],
        ["send", "-oFILE"],
        ["send", "--json=yes"],
        ["send", "stray"],
        ["send", "--"],
    ],
)
def test_what_is_not_plain_is_left_to_typer(arguments: list[str]) -> None:
    assert straight(arguments) is None
