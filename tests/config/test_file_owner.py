from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from nexomailer_cli.config.file import load_config
from nexomailer_cli.config.file_owner import refuse_strangers
from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.errors import ConfigError

COMMAND = Secret("command", ("touch", "ran"))
CONFIG = """\
[[providers]]
config.host = "smtp.example.com"
config.auth = { user = "me", pass = { command = ["touch", "ran"] } }
"""
STRANGER = os.geteuid() + 1


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("nexomailer.toml")
    path.write_text(CONFIG)
    path.chmod(0o600)


def status(owner: int, mode: int = 0o600) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, owner, 0, 0, 0, 0, 0))


def test_nobody_runs_the_command_of_a_stranger() -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_strangers("nexomailer.toml", status(STRANGER), (COMMAND,))
    assert str(caught.value) == (
        "nexomailer.toml: names a command to run as you, and it belongs to another user"
    )
    assert "--config nexomailer.toml" in caught.value.hint


@pytest.mark.parametrize("owner", [os.geteuid(), 0])
def test_what_is_mine_or_roots_is_trusted(owner: int) -> None:
    refuse_strangers("nexomailer.toml", status(owner), (COMMAND,))


def test_a_stranger_may_say_where_to_send() -> None:
    refuse_strangers("nexomailer.toml", status(STRANGER), (Secret("env", ("X",)),))


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666])
def test_a_file_that_happens_to_be_there_must_be_mine_alone(mode: int) -> None:
    Path("nexomailer.toml").chmod(mode)
    with pytest.raises(ConfigError, match=f"others can write it .mode 0{mode:o}."):
        load_config(None, {})


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_one_that_only_its_owner_writes_is_used(mode: int) -> None:
    Path("nexomailer.toml").chmod(mode)
    assert len(load_config(None, {}).providers) == 1


def test_who_names_the_file_trusts_it() -> None:
    Path("nexomailer.toml").chmod(0o666)
    told: list[str] = []
    load_config("nexomailer.toml", {}, warn=told.append)
    load_config(None, {"NEXOMAILER_CONFIG": "nexomailer.toml"})
    assert told == [
        "nexomailer.toml: others can write here what runs as you: chmod 600 it (mode 0666)"
    ]


def test_the_users_own_directory_is_no_chance(tmp_path: Path) -> None:
    home = tmp_path / "home" / "nexomailer" / "config.toml"
    home.parent.mkdir(parents=True)
    Path("nexomailer.toml").rename(home)
    home.chmod(0o664)
    env = {"XDG_CONFIG_HOME": str(tmp_path / "home")}
    assert load_config(None, env).path == str(home)
