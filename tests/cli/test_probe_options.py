"""The command line of `test-connection`, up to what it asks for."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nexomailer_cli.cli import probe_options
from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.quantities import octets_of
from nexomailer_cli.config.secrets import Secret, resolve
from nexomailer_cli.errors import UsageError
from nexomailer_cli.probe.target import Asked
from tests.support.run import CLOSED, TERMINAL, Result, run

Ask = Callable[..., Asked]
TARGET = "smtp.example.com"


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ask:
    """Run the command as far as the examination, and return what it asks for."""
    asked: list[tuple[Asked, Globals]] = []

    def perform(asked_for: Asked, everywhere: Globals) -> int:
        asked.append((asked_for, everywhere))
        return 0

    probing = types.ModuleType("nexomailer_cli.cli.probing")
    vars(probing)["perform"] = perform
    monkeypatch.setitem(sys.modules, probing.__name__, probing)
    monkeypatch.setattr(probe_options, "terminal_prompt", lambda: input)

    def ask(*arguments: str, **settings: Any) -> Asked:
        result = run("test-connection", *arguments, cwd=tmp_path, **settings)
        assert result.exit_status == 0, result
        assert result.stdout == b""
        return asked[-1][0]

    return ask


def refused(*arguments: str, status: int = 2, **settings: Any) -> Result:
    result = run("test-connection", *arguments, **settings)
    assert result.exit_status == status, result
    assert result.stdout == b""
    return result


# --- what is asked for --------------------------------------------------------------------


def test_nothing_asks_for_every_provider(ask: Ask) -> None:
    assert ask() == Asked()


def test_a_target_is_taken_as_it_is(ask: Ask) -> None:
    assert ask(TARGET) == Asked(target=TARGET)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--security", "starttls"), {"security": "starttls"}),
        (("--security", "implicit"), {"security": "implicit"}),
        (("--security", "none"), {"security": "none"}),
        (("--from", "Me <me@example.com>"), {"sender": "me@example.com"}),
        (("--from", "<>"), {"sender": ""}),
        (("--rcpt", "you@bücher.example"), {"recipient": "you@xn--bcher-kva.example"}),
        (("--size", "25MB"), {"size": 25_000_000}),
        (("--insecure",), {"insecure": True}),
        (("--helo-name", "me.example.com"), {"helo_name": "me.example.com"}),
        (("--timeout", "5"), {"timeout": 5.0}),
        (("--timeout", "500ms"), {"timeout": 0.5}),
        (("-4",), {"ip_version": 4}),
        (("-6",), {"ip_version": 6}),
        (("--no-alternatives",), {"alternatives": False}),
        (("--strict",), {"strict": True}),
        (("--mx",), {"mx": True}),
        (("--json",), {"form": "json"}),
        (("--ndjson",), {"form": "ndjson"}),
    ],
)
def test_each_option_is_passed_on(
    ask: Ask, arguments: tuple[str, ...], expected: dict[str, Any]
) -> None:
    assert ask(TARGET, *arguments) == Asked(target=TARGET, **expected)


def test_a_file_with_authorities_must_be_there(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    assert ask(TARGET, "--ca-file", "ca.pem").ca_file == "ca.pem"
    assert ask(TARGET, "--ca-file", "~/ca.pem").ca_file == str(tmp_path / "ca.pem")
    told = refused(TARGET, "--ca-file", "none.pem", status=66, cwd=tmp_path).stderr
    assert "--ca-file: cannot read none.pem" in told


# --- the password -------------------------------------------------------------------------


def test_a_password_may_be_in_the_environment(ask: Ask) -> None:
    asked = ask(TARGET, "--user", "me", "--password-env", "PW", env={"PW": "hunter2"})
    assert (asked.user, asked.secret) == ("me", Secret("env", ("PW",)))
    assert asked.secret_source == "env:PW"


def test_a_password_may_be_in_a_file_whatever_its_name(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "${x}").write_text("hunter2\n")
    asked = ask(TARGET, "--user", "me", "--password-file", str(tmp_path / "${x}"))
    assert asked.secret is not None
    assert resolve(asked.secret, env={}) == "hunter2"
    assert asked.secret_source == "file"


@pytest.mark.parametrize(
    ("piped", "password"),
    [
        ("hunter2", "hunter2"),
        ("hunter2\n", "hunter2"),
        ("hunter2\r\nmore\n", "hunter2"),
        (" ${x} ü \n", " ${x} ü "),
        ("\N{ZERO WIDTH NO-BREAK SPACE}hunter2\n", "hunter2"),
    ],
)
def test_a_password_may_come_from_standard_input(ask: Ask, piped: str, password: str) -> None:
    asked = ask(TARGET, "--user", "me", "--password-stdin", stdin=piped.encode())
    assert asked.secret is not None
    assert resolve(asked.secret, env={}) == password
    assert asked.secret_source == "stdin"
    assert "hunter2" not in repr(asked)


def test_a_user_alone_is_asked_for_the_password(ask: Ask) -> None:
    asked = ask(TARGET, "--user", "me")
    assert (asked.secret, asked.secret_source) == (Secret("prompt"), "prompt")


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_options, "terminal_prompt", lambda: None)
    told = refused(TARGET, "--user", "me").stderr
    assert "no terminal to ask for the password" in told
    assert "--password-env VAR" in told


@pytest.mark.parametrize(
    ("stdin", "status", "words"),
    [
        (b"", 2, "the first line is empty"),
        (b"\nhunter2\n", 2, "the first line is empty"),
        (b"x" * 70_000, 2, "no password is that long"),
        (b"hunter2\xff\n", 2, "not UTF-8"),
        (TERMINAL, 2, "standard input is the terminal"),
        (CLOSED, 66, "standard input is closed"),
    ],
)
def test_standard_input_without_a_password_is_refused(
    stdin: bytes | str, status: int, words: str
) -> None:
    told = refused(TARGET, "--user", "x", "--password-stdin", stdin=stdin, status=status).stderr
    assert words in told
    assert "hunter2" not in told


def test_a_password_in_place_of_a_variable_is_not_repeated() -> None:
    told = refused(TARGET, "--user", "me", "--password-env", "hunter2").stderr
    assert "no environment variable of that name" in told
    assert "hunter2" not in told


# --- what makes no sense ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-4", "-6"), "-4 and -6 do not go together"),
        (("--json", "--ndjson"), "--json and --ndjson do not go together"),
        (
            ("--password-env", "A", "--password-file", "b", "--password-stdin"),
            "--password-env and --password-file and --password-stdin do not go together",
        ),
        (("--mx", "--user", "me"), "--mx and --user do not go together"),
        (("--mx", "--password-stdin"), "--mx and --password-stdin do not go together"),
        (("--mx", "--security", "implicit"), "--mx and --security implicit do not go"),
        (("--insecure", "--user", "me"), "never sends a password"),
        (("--insecure", "--ca-file", "x"), "--insecure and --ca-file do not go together"),
        (("--insecure", "--security", "none"), "--insecure and --security none"),
        (("--ca-file", "x", "--security", "none"), "--ca-file and --security none"),
        (("--security", "ssl"), "“ssl” is not one of auto, starttls, implicit, none"),
        (("--from", "me"), "--from: not an address"),
        (("--rcpt", "a@b.test, c@d.test"), "--rcpt: one address is expected"),
        (("--rcpt", "<>"), "--rcpt: "),
        (("--size", "big"), "--size: “big” is no size"),
        (("--size", "-1"), "--size: “-1” is no size"),
        (("--size", "25 XB"), "is no size"),
        (("--size", "9" * 21), "is no size"),
        (("--timeout", "soon"), "--timeout: “soon”"),
        (("--timeout", "0"), "nothing answers in no time"),
        (("--timeout", "9" * 12), "nobody waits longer than a year"),
        (("--helo-name", "my name"), "--helo-name: “my name” cannot be an EHLO name"),
        (("--helo-name", "x\r\nMAIL"), "cannot be an EHLO name"),
        (("--user", ""), "--user: this is no user name"),
        (("--user", "a\nb"), "--user: this is no user name"),
        (("--user", "me", "--password-file", ""), "the name of the file is empty"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(TARGET, *arguments).stderr


def test_exchangers_are_those_of_a_domain() -> None:
    assert "--mx needs a domain" in refused("--mx").stderr


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("26214400", 26_214_400),
        ("0", 0),
        ("25MB", 25_000_000),
        ("25 mb", 25_000_000),
        ("25M", 25_000_000),
        ("25MiB", 26_214_400),
        ("1.5kB", 1500),
        ("1KiB", 1024),
        ("2GB", 2_000_000_000),
        ("7B", 7),
    ],
)
def test_a_size_is_octets_or_has_a_unit(text: str, octets: int) -> None:
    assert octets_of(text, "--size") == octets


@pytest.mark.parametrize("text", ["", "MB", "1.MB", "1e3", "５", "1\n2", "1MBB", "nan"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError):
        octets_of(text, "--size")


# --- the schema ---------------------------------------------------------------------------


def test_the_schema_is_printed_whatever_else_is_said() -> None:
    result = run("test-connection", "--schema", "--json")
    assert result.exit_status == 0
    assert msgspec.json.decode(result.stdout)["title"].endswith("--json")
