from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nexomailer_cli.cli.run import run
from nexomailer_cli.config.file import load_config
from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.settings import Config
from nexomailer_cli.config.sign_in import Auth

CONFIG = """\
[defaults]
from = "Ops <ops@example.com>"
headers = { X-Price = "5 $${euro}" }
[[providers]]
name = "main"
[providers.config]
host = "smtp.example.com"
auth = { user = "me", pass = "hunter2" }
connection_timeout = 1500
[[providers]]
name = "backup"
preset = "sendgrid"
config.auth = { pass = "${NOWHERE}" }
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("NEXOMAILER_CONFIG", "NEXOMAILER_URL", "XDG_CONFIG_HOME", "NOWHERE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def write(text: str = CONFIG, *, mode: int = 0o600) -> None:
    path = Path("nexomailer.toml")
    path.write_text(text)
    path.chmod(mode)


class Told:
    """What a command said, and its exit status."""

    def __init__(self, capfd: pytest.CaptureFixture[str], *arguments: str) -> None:
        self.status = run(["config", *arguments])
        self.out, self.err = capfd.readouterr()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def test_a_right_configuration_is_ok(capfd: pytest.CaptureFixture[str]) -> None:
    write()
    told = Told(capfd, "check")
    assert told.status == 0
    assert told.out == "nexomailer.toml: ok, 2 providers (main, backup)\n"


def test_one_provider_is_not_many(capfd: pytest.CaptureFixture[str]) -> None:
    write('[[providers]]\nconfig.host = "localhost"')
    assert Told(capfd, "check").out == "nexomailer.toml: ok, 1 provider (localhost)\n"


def test_check_tells_what_will_be_missing_and_what_is_known(
    capfd: pytest.CaptureFixture[str],
) -> None:
    write(mode=0o644)
    told = Told(capfd, "check")
    assert "nexomailer.toml: holds a password that others can read" in told.err
    assert "password of provider backup: environment variable NOWHERE is not set" in told.err
    assert "backup (sendgrid): The user is the word apikey" in told.err
    assert "hunter2" not in told.out + told.err


def test_check_runs_no_command_and_asks_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    write(
        '[[providers]]\nname = "a"\nconfig.host = "h"\n'
        'config.auth = { user = "me", pass = { command = ["touch", "ran"] } }\n'
        '[[providers]]\nname = "b"\nconfig.host = "h"\n'
        'config.auth = { user = "me", pass = { prompt = true } }\n'
    )
    told = Told(capfd, "check")
    assert (told.status, told.err) == (0, "")
    assert not Path("ran").exists()


def test_quiet_keeps_the_notes_back(capfd: pytest.CaptureFixture[str]) -> None:
    write()
    assert "The user is the word apikey" not in Told(capfd, "check", "--quiet").err


def test_every_mistake_is_told_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    write('[[providers]]\nprority = 1\nconfig = { host = "h", port = 0 }')
    told = Told(capfd, "check")
    assert told.status == 78
    assert told.out == ""
    assert 'nexomailer.toml:2: providers[0].prority: unknown key "prority"' in told.err
    assert "nexomailer.toml:3: providers[0].config.port: expected a whole number" in told.err


def test_check_speaks_json(capfd: pytest.CaptureFixture[str]) -> None:
    write()
    assert Told(capfd, "check", "--json").json == {
        "schema": "nexomailer.config-check/1",
        "path": "nexomailer.toml",
        "providers": ["main", "backup"],
        "problems": [],
        "exit_code": 0,
    }


def test_mistakes_are_told_in_json_too(capfd: pytest.CaptureFixture[str]) -> None:
    write('[[providers]]\nconfig = { host = "h", port = 0 }')
    told = Told(capfd, "check", "--json")
    assert told.status == told.json["exit_code"] == 78
    assert told.json["problems"] == [
        {
            "file": "nexomailer.toml",
            "line": 2,
            "key": "providers[0].config.port",
            "message": "expected a whole number from 1 to 65535, got 0",
        }
    ]


@pytest.mark.parametrize("command", ["check", "show", "path"])
def test_without_a_configuration_a_first_one_is_shown(
    capfd: pytest.CaptureFixture[str], command: str
) -> None:
    told = Told(capfd, command)
    assert told.status == 78
    assert "there is no configuration" in told.err
    assert "nexomailer config init" in told.err
    assert "[[providers]]" in told.err


def test_what_is_shown_can_be_read_again_and_holds_no_secret(
    capfd: pytest.CaptureFixture[str],
) -> None:
    write()
    told = Told(capfd, "show")
    assert "hunter2" not in told.out
    Path("shown.toml").write_text(told.out)
    shown, loaded = load_config("shown.toml", {}), load_config("nexomailer.toml", {})
    assert masked(shown) == masked(loaded)
    assert shown.providers[0].config.connection_timeout == 1.5
    assert shown.defaults.headers == {"X-Price": "5 ${euro}"}


def masked(config: Config) -> list[object]:
    """Everything but the path, the secrets, and what is said only on one side."""
    masked_providers = []
    for provider in config.providers:
        smtp = provider.config
        assert smtp.auth is not None
        auth = msgspec.structs.replace(smtp.auth, password=None)
        port, secure = smtp.effective_port, smtp.implicit_tls
        smtp = msgspec.structs.replace(smtp, auth=auth, port=port, secure=secure)
        masked_providers.append(msgspec.structs.replace(provider, config=smtp))
    return [config.defaults, config.failover, masked_providers]


def test_defaults_and_presets_are_filled_in(capfd: pytest.CaptureFixture[str]) -> None:
    write()
    backup = tomllib.loads(Told(capfd, "show").out)["providers"][1]
    assert backup["config"] == {
        "host": "smtp.sendgrid.net",
        "port": 587,
        "secure": False,
        "starttls": "auto",
        "allow_plaintext_auth": False,
        "pool": True,
        "max_connections": 5,
        "max_messages": 5000,
        "idle_timeout": "30s",
        "protocol": "smtp",
        "joined": "auto",
        "connection_timeout": "30s",
        "auth": {"type": "login", "user": "apikey", "pass": "***"},
        "tls": {"reject_unauthorized": True, "min_version": "1.2"},
    }


def test_every_value_is_shown_with_where_it_came_from(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    monkeypatch.setenv("NEXOMAILER_BACKUP_PASSWORD", "hunter2")
    told = Told(capfd, "show")
    origins = [re.split(r" +  # ", line) for line in told.out.splitlines() if "  # " in line]
    assert ['from = "Ops <ops@example.com>"', "line 2"] in origins
    assert ['X-Price = "5 $${euro}"', "line 3"] in origins
    assert ['host = "smtp.example.com"', "line 7"] in origins
    assert ['pass = "***"', "line 8, as it stands there"] in origins
    assert ['connection_timeout = "1s500ms"', "line 9"] in origins
    assert ['host = "smtp.sendgrid.net"', "preset sendgrid"] in origins
    assert ['pass = "***"', "$NEXOMAILER_BACKUP_PASSWORD"] in origins
    assert ["max_connections = 5", "default"] in origins
    values = [line for line in told.out.splitlines() if " = " in line]
    assert len(values) == len(origins)
    assert "hunter2" not in told.out


def test_origins_are_told_in_json_too(capfd: pytest.CaptureFixture[str]) -> None:
    write()
    told = Told(capfd, "show", "--json").json
    assert told["origins"]["providers[0].config.connection_timeout"] == "line 9"
    assert told["origins"]["providers[1].config.max_messages"] == "preset sendgrid"
    assert told["origins"]["defaults.headers.X-Price"] == "line 3"
    assert told["origins"]["failover.strategy"] == "default"


@pytest.mark.parametrize(
    ("secret", "origin"),
    [
        ('"${X}"', "line 1, with variables"),
        ('{ env = "X" }', "line 1, from $X"),
        ('{ file = "/x" }', "line 1, from a file"),
        ('{ command = ["pass"] }', "line 1, from a command"),
        ('{ keyring = "mail" }', "line 1, from a keyring"),
        ("{ prompt = true }", "line 1, from a prompt"),
    ],
)
def test_of_a_secret_it_is_told_where_it_is_kept(
    secret: str, origin: str, capfd: pytest.CaptureFixture[str]
) -> None:
    auth = f'{{ user = "me", pass = {secret} }}'
    write(f'providers = [{{ config = {{ host = "h", auth = {auth} }} }}]')
    told = Told(capfd, "show", "--json").json
    assert told["origins"]["providers[0].config.auth.pass"] == origin


def test_the_schema_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    told = Told(capfd, "schema")
    assert (told.status, told.err) == (0, "")
    assert told.json["$id"] == "urn:nexomailer:config:1"


def test_a_user_that_should_be_an_address_is_remarked(capfd: pytest.CaptureFixture[str]) -> None:
    write('[[providers]]\npreset = "gmail"\nconfig.auth = { user = "me", pass = "${HOME}" }')
    assert "gmail wants the whole address" in Told(capfd, "check").err
    write('[[providers]]\npreset = "gmail"\nconfig.auth = { user = "m@e", pass = "${HOME}" }')
    assert "wants the whole address" not in Told(capfd, "check").err


def test_show_speaks_json(capfd: pytest.CaptureFixture[str]) -> None:
    write()
    shown = Told(capfd, "show", "--json").json
    assert (shown["schema"], shown["path"]) == ("nexomailer.config-show/1", "nexomailer.toml")
    assert shown["providers"][0]["config"]["auth"]["pass"] == "***"


def test_a_url_is_shown_as_what_it_means(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXOMAILER_URL", "smtps://me:hunter2@smtp.example.com")
    told = Told(capfd, "show")
    assert told.out.startswith("# $NEXOMAILER_URL\n")
    assert "hunter2" not in told.out
    assert tomllib.loads(told.out)["providers"][0]["config"]["port"] == 465
    assert re.search('^host = "smtp.example.com" +# url$', told.out, re.MULTILINE)
    assert Told(capfd, "path").out == "$NEXOMAILER_URL\n"
    assert Told(capfd, "path", "--json").json["path"] is None


def test_path_names_the_file(capfd: pytest.CaptureFixture[str]) -> None:
    write()
    assert Told(capfd, "path").out == "nexomailer.toml\n"
    assert Told(capfd, "path", "--json").json == {
        "schema": "nexomailer.config-path/1",
        "path": "nexomailer.toml",
    }


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_file_may_be_named_before_and_after_the_command(
    capfd: pytest.CaptureFixture[str], place: str
) -> None:
    write()
    Path("nexomailer.toml").rename("other.toml")
    option = ["--config", "other.toml"]
    arguments = ["config", "check"]
    assert run([*option, *arguments] if place == "before" else [*arguments, *option]) == 0
    assert capfd.readouterr().out.startswith("other.toml: ok")


def test_control_characters_in_names_are_shown_harmless(
    capfd: pytest.CaptureFixture[str],
) -> None:
    told = Told(capfd, "path", "--config", "a\x1b[2J.toml")
    assert told.out == "a\\x1b[2J.toml\n"


def test_a_loaded_password_is_the_one_in_the_file() -> None:
    write()
    auth = load_config("nexomailer.toml", {}).providers[0].config.auth
    assert auth == Auth(user="me", password=Secret("text", ("hunter2",)))
