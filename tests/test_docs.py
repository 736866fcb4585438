"""The README is true: every option, key and exit status is in it, and its TOML loads."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from nexomailer_cli.cli.app import app
from nexomailer_cli.cli.exit_status import ExitStatus
from nexomailer_cli.config.file import load_config
from nexomailer_cli.config.keys import BLOCKS, keys_of
from nexomailer_cli.config.settings import Config
from tests.servers.table import AFTER, BEFORE, ROWS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
TOML = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)


def commands(group: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Return every command with the words that call it."""
    found = []
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        words = (*path, name)
        if hasattr(command, "list_commands"):
            found += commands(command, words)
        else:
            found.append((words, command))
    return found


ALL = commands(typer.main.get_command(app))
OPTIONS = [
    (" ".join(words), option)
    for words, command in ALL
    for parameter in command.params
    for option in parameter.opts
    if option.startswith("--")
]


def test_the_commands_are_those_of_the_contract() -> None:
    assert [" ".join(words) for words, _ in ALL] == [
        "send",
        "test-connection",
        "explain",
        "bulk",
        "journal status",
        "journal rows",
        "sendmail",
        "sandbox",
        "auth login",
        "auth status",
        "auth logout",
        "config init",
        "config check",
        "config show",
        "config path",
        "config schema",
    ]


@pytest.mark.parametrize(("words", "command"), ALL, ids=lambda value: str(value)[:30])
def test_every_command_has_help_and_is_in_the_readme(words: tuple[str, ...], command: Any) -> None:
    assert command.help
    assert " ".join(words) in README


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_is_in_the_readme(command: str, option: str) -> None:
    assert re.search(rf"{re.escape(option)}(?![\w-])", README), f"{command} {option}"


def keys(block: Any, prefix: str = "") -> list[str]:
    """Return the dotted name of every configuration key below a block."""
    found = []
    for key in keys_of(block):
        inner = key.block or (key.element if key.element in BLOCKS else None)
        name = f"{prefix}{key.name}"
        found += keys(inner, f"{name}.") if inner else [name]
    return found


@pytest.mark.parametrize("key", keys(Config))
def test_every_configuration_key_is_in_the_readme(key: str) -> None:
    assert f"| `{key}` |" in README


@pytest.mark.parametrize("status", ExitStatus)
def test_every_exit_status_is_in_the_readme(status: ExitStatus) -> None:
    assert f"| {status.value} | " in README


@pytest.mark.parametrize("text", TOML)
def test_every_toml_in_the_readme_loads(text: str, tmp_path: Path) -> None:
    path = tmp_path / "nexomailer.toml"
    path.write_text(text, "utf-8")
    config = load_config(str(path), {"SMTP_PASS": "x", "GMAIL_TOKEN": "x"})
    assert [each.name for each in config.providers] == [
        each["name"] for each in tomllib.loads(text)["providers"]
    ]


def test_the_links_within_the_readme_lead_somewhere() -> None:
    titles = re.findall(r"^##+ (.+)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= anchors


def test_the_page_of_real_servers_is_what_their_tests_write() -> None:
    page = (ROOT / "docs" / "servers.md").read_text("utf-8")
    for title in ROWS.values():
        assert f"| {title} |" in page
    assert page.startswith(BEFORE)
    assert AFTER in page


def test_the_two_commands_are_what_ci_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    for command in ("make demo", "make test"):
        assert command in README
        assert f"\n{command}\n" in script
    assert "\nmake storm\n" in script
