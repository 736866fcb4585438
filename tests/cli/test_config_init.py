"""`config init`: by options in a script, by questions at a real terminal."""

from __future__ import annotations

import json
import os
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from nexomailer_cli.cli.config_text import Answers, text_of
from nexomailer_cli.config.file import load_config
from nexomailer_cli.config.presets import preset_names
from nexomailer_cli.config.schema import config_schema
from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.sign_in import Auth
from tests.cli.conftest import Post
from tests.support.dialogue import converse
from tests.support.run import Result, run, run_process

GMAIL = ("--preset", "gmail", "--user", "me@gmail.com", "--secret", "env:SMTP_PASS")


def init(folder: Path, *arguments: str, **env: str) -> Result:
    return run("config", "init", *arguments, cwd=folder, env=env, stdin=b"")


def written(folder: Path, name: str = "nexomailer.toml") -> dict[str, Any]:
    path = folder / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return tomllib.loads(path.read_text())


# --- by options ----------------------------------------------------------------------------------


def test_a_script_needs_one_line(tmp_path: Path) -> None:
    result = init(tmp_path, *GMAIL, "--yes")
    assert (result.exit_status, result.stdout) == (0, b"")
    assert written(tmp_path) == {
        "defaults": {"from": "me@gmail.com"},
        "providers": [
            {
                "name": "gmail",
                "preset": "gmail",
                "config": {"auth": {"user": "me@gmail.com", "pass": {"env": "SMTP_PASS"}}},
            }
        ],
    }
    assert "export SMTP_PASS=" in result.stderr
    assert "nexomailer send --to me@gmail.com" in result.stderr
    assert run("config", "check", cwd=tmp_path).exit_status == 0


def test_what_is_written_is_explained(tmp_path: Path) -> None:
    init(tmp_path, *GMAIL, "--yes")
    lines = (tmp_path / "nexomailer.toml").read_text().splitlines()
    for number, line in enumerate(lines):
        assert not line or line.startswith(("#", "[")) or lines[number - 1].startswith("# ")
    assert "# User is the whole address; the password is an app password" in "\n".join(lines)


def test_nothing_is_written_over_silently(tmp_path: Path) -> None:
    path = tmp_path / "nexomailer.toml"
    path.write_text("precious")
    result = init(tmp_path, *GMAIL, "--yes")
    assert (result.exit_status, path.read_text()) == (73, "precious")
    assert "nexomailer.toml exists already" in result.stderr
    assert "--force" in result.stderr
    assert init(tmp_path, *GMAIL, "--yes", "--force").exit_status == 0
    assert written(tmp_path)["providers"][0]["name"] == "gmail"
    assert [each.name for each in tmp_path.iterdir()] == ["nexomailer.toml"]


def test_a_link_to_nowhere_is_there_too(tmp_path: Path) -> None:
    (tmp_path / "nexomailer.toml").symlink_to("nowhere")
    assert init(tmp_path, *GMAIL, "--yes").exit_status == 73
    assert not (tmp_path / "nowhere").exists()


def test_the_file_may_have_another_name_or_be_the_users_own(tmp_path: Path) -> None:
    result = init(tmp_path, *GMAIL, "--yes", "--config", "other.toml")
    assert written(tmp_path, "other.toml")
    assert "send --config other.toml" in result.stderr
    assert init(tmp_path, *GMAIL, "--yes", NEXOMAILER_CONFIG="third.toml").exit_status == 0
    assert written(tmp_path, "third.toml")
    result = init(tmp_path, *GMAIL, "--yes", "--global")
    assert written(tmp_path, ".config/nexomailer/config.toml")
    assert "send --to" in result.stderr


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = init(tmp_path, *GMAIL, "--yes", "--config", "file/nexomailer.toml")
    assert result.exit_status == 73
    assert "cannot write file/nexomailer.toml" in result.stderr


def test_a_place_that_cannot_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    places = {"file/a/b.toml": "Not a directory", ".": "Is a directory"}
    if os.geteuid() != 0:
        places["closed/b.toml"] = "Permission denied"
    for place, reason in places.items():
        status, told = converse("config", "init", "--config", place, answers=[], cwd=tmp_path)
        assert status == 73, told
        assert f"cannot write {place}: {reason}" in told
        assert "Address" not in told


def test_a_name_that_is_no_text_leaves_nothing_behind(tmp_path: Path) -> None:
    result = init(tmp_path, *GMAIL, "--yes", "--user", "\udcff")
    assert result.exit_status == 73
    assert "cannot write nexomailer.toml: not all of it is UTF-8 text" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("secret", "table"),
    [
        ("env:X_Y", {"env": "X_Y"}),
        ("file:/run/secrets/x", {"file": "/run/secrets/x"}),
        ("file:~/x.pass", {"file": "~/x.pass"}),
        ("command:pass show 'my mail'", {"command": ["pass", "show", "my mail"]}),
        ("keyring:mail", {"keyring": "mail"}),
        ("prompt", {"prompt": True}),
    ],
)
def test_a_secret_is_where_it_is_said_to_be(
    secret: str, table: dict[str, Any], tmp_path: Path
) -> None:
    arguments = ("--preset", "gmail", "--from", "Me <me@gmail.com>", "--secret", secret, "--yes")
    result = init(tmp_path, *arguments)
    assert result.exit_status == 0, result.stderr
    (provider,) = written(tmp_path)["providers"]
    assert provider["config"]["auth"] == {"user": "me@gmail.com", "pass": table}


@pytest.mark.parametrize(
    ("more", "client_secret"),
    [((), {}), (("--secret", "env:CLIENT"), {"client_secret": {"env": "CLIENT"}})],
)
def test_a_script_may_leave_signing_in_to_a_browser(
    more: tuple[str, ...], client_secret: dict[str, Any], tmp_path: Path
) -> None:
    user = ("--user", "me@outlook.com", "--client-id", "4pp")
    result = init(tmp_path, "--preset", "outlook", *user, *more, "--yes")
    assert result.exit_status == 0, result.stderr
    (provider,) = written(tmp_path)["providers"]
    auth = {"type": "oauth2", "user": "me@outlook.com", "client_id": "4pp", **client_secret}
    assert provider["config"]["auth"] == auth
    assert "First sign in: nexomailer auth login outlook" in result.stderr
    status = run("auth", "status", cwd=tmp_path)
    assert (status.exit_status, b"nobody is signed in" in status.stdout) == (77, True)


def test_a_relative_file_is_the_one_that_was_meant(tmp_path: Path) -> None:
    init(tmp_path, *GMAIL[:-1], "file:mail.pass", "--yes", "--config", "below/nexomailer.toml")
    (provider,) = written(tmp_path, "below/nexomailer.toml")["providers"]
    assert provider["config"]["auth"]["pass"] == {"file": str(tmp_path / "mail.pass")}


def test_a_user_of_everybodys_name_need_not_be_said(tmp_path: Path) -> None:
    result = init(tmp_path, "--preset", "sendgrid", "--secret", "env:KEY", "--yes")
    assert result.exit_status == 0
    assert written(tmp_path)["providers"][0]["config"] == {"auth": {"pass": {"env": "KEY"}}}
    (provider,) = load_config(str(tmp_path / "nexomailer.toml"), {}).providers
    assert provider.config.auth is not None
    assert provider.config.auth.user == "apikey"


@pytest.mark.parametrize(
    ("arguments", "server"),
    [
        (("--host", "smtp.example.com"), {"host": "smtp.example.com"}),
        (("--host", "[::1]:2525"), {"host": "::1", "port": 2525}),
        (("--host", "a.test", "--security", "implicit"), {"host": "a.test", "secure": True}),
        (
            ("--host", "a.test", "--security", "starttls"),
            {"host": "a.test", "starttls": "required"},
        ),
        (("--host", "a.test:25", "--security", "none"), {"host": "a.test", "port": 25}),
    ],
)
def test_a_server_of_ones_own(
    arguments: tuple[str, ...], server: dict[str, Any], tmp_path: Path
) -> None:
    result = init(tmp_path, *arguments, "--yes", "--name", "ours")
    assert result.exit_status == 0, result.stderr
    (provider,) = written(tmp_path)["providers"]
    assert provider["name"] == "ours"
    assert provider["config"].items() >= server.items()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "There is neither --preset nor --host"),
        (("--preset", "gmial"), 2, 'did you mean "gmail"'),
        (("--preset", "gmail"), 2, "There is no --user"),
        (("--preset", "gmail", "--user", "me@gmail.com"), 2, "There is no --secret"),
        (("--host", "h.test", "--secret", "env:X"), 2, "nobody it belongs to"),
        (("--host", "http://h.test"), 2, "write a host name"),
        (("--host", "h.test", "--client-id", "x", "--user", "me"), 2, "h.test gives access tokens"),
        (("--host", "smtp.gmail.com", "--client-id", "x"), 2, "nobody it belongs to"),
        (("--host", "h.test", "--security", "tls"), 2, "not one of auto"),
        (("--host", "h.test", "--ca-file", "nowhere.pem"), 66, "cannot read nowhere.pem"),
        (("--host", "h.test", "--ca-file", __file__), 66, "no certificate in PEM"),
        (("--host", "h.test", "--from", "nobody"), 2, "--from"),
        (
            ("--host", "h.test", "--user", "me", "--secret", "env:X", "--security", "none"),
            78,
            "the password would go to h.test unencrypted",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_said_and_nothing_is_written(
    arguments: tuple[str, ...], status: int, words: str, tmp_path: Path
) -> None:
    result = init(tmp_path, *arguments, "--yes")
    assert result.exit_status == status, result.stderr
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("secret", ["hunter2", "pass:hunter2", "env:$hunter2", "command:'hunter2"])
def test_a_password_in_the_place_of_where_it_is_is_not_quoted(secret: str, tmp_path: Path) -> None:
    result = init(tmp_path, *GMAIL[:-1], secret, "--yes")
    assert result.exit_status == 2
    assert "hunter2" not in result.stderr.replace("command:'pass show smtp'", "")


@pytest.mark.parametrize("arguments", [(), ("--preset", "gmail"), ("--json",)])
def test_without_a_terminal_nothing_is_asked(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = init(tmp_path, *arguments)
    assert result.exit_status == 2
    assert "no terminal" in result.stderr
    assert "--yes" in result.stderr


def of_sandbox(post: Post, *arguments: str) -> tuple[str, ...]:
    box = post.sandbox
    place = ("--host", f"{box.host}:{box.port}", "--ca-file", str(box.ca_file))
    return (*place, "--user", box.username, "--secret", "env:BOX", "--yes", *arguments)


@pytest.mark.parametrize(("password", "status"), [("", 0), ("wr0ng", 77)])
def test_a_script_may_sign_in_after_writing(post: Post, password: str, status: int) -> None:
    env = {"BOX": password or post.sandbox.password}
    result = init(post.folder, *of_sandbox(post, "--connect", "--json"), **env)
    assert result.exit_status == status
    assert result.json["connection"]["exit_code"] == status
    assert result.json["path"] == "nexomailer.toml"
    assert written(post.folder)
    result = init(post.folder, *of_sandbox(post, "--connect", "--force"), **env)
    assert result.exit_status == status
    told = result.stdout.decode()
    assert ("ready to send" in told.lower()) is (status == 0)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_can_be_begun_with(name: str, tmp_path: Path) -> None:
    name = name.replace("<region>", "eu-west-1")
    user = ("--user", "me@example.com", "--secret", "env:X")
    assert init(tmp_path, "--preset", name, *user, "--yes").exit_status == 0
    assert len(load_config(str(tmp_path / "nexomailer.toml"), {}).providers) == 1


def test_whatever_is_answered_means_itself(tmp_path: Path) -> None:
    odd = 'a "${HOME}" \\ # [x] = {} ü'
    secret = {"command": ["printf", odd]}
    text = text_of(Answers(name=odd, host="h.test", user=odd, secret=secret))
    path = tmp_path / "nexomailer.toml"
    path.write_text(text)
    (provider,) = load_config(str(path), {}).providers
    assert (provider.name, provider.config.auth) == (
        odd,
        Auth(user=odd, password=Secret("command", ("printf", odd))),
    )
    Draft202012Validator(json.loads(config_schema())).validate(tomllib.loads(text))


# --- by questions --------------------------------------------------------------------------------


def test_a_newcomer_with_a_server_of_his_own(post: Post) -> None:
    box = post.sandbox
    status, told = converse(
        *("config", "init"),
        answers=[
            ("Address you send as", "nobody"),
            ("Address you send as", "Tim <tim@a.test>"),
            ("own mail server", "?"),
            ("own mail server", "gmial"),
            ("own mail server", f"{box.host}:{box.port}"),
            ("User name", box.username),
            ("Number", "7"),
            ("Number", "1"),
            ("Password of", ""),
            ("Password of", "wr0ng"),
            ("Number", "1"),
            ("certificate (PEM)", "nowhere.pem"),
            ("certificate (PEM)", __file__),
            ("certificate (PEM)", str(box.ca_file)),
            ("Number", "1"),
            ("Password of", box.password),
        ],
        cwd=post.folder,
    )
    assert status == 0, told
    assert 'did you mean "gmail"' in told
    assert all(name in told for name in preset_names())
    assert "Nothing was typed." in told
    assert "NOBODY VOUCHES" in told
    assert "WRONG USER NAME OR PASSWORD" in told
    assert "The password is in ~/.config/nexomailer/main.pass." in told
    assert "wr0ng" not in told
    assert box.password not in told
    (provider,) = written(post.folder)["providers"]
    assert provider["config"]["tls"] == {"ca_file": str(box.ca_file)}
    kept = post.folder / ".config" / "nexomailer" / "main.pass"
    assert kept.read_text() == f"{box.password}\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    sent = run("send", "--to", "b@b.test", "--text", "x", cwd=post.folder)
    assert sent.exit_status == 0, sent.stderr
    assert box.captured[-1].sender == "tim@a.test"


def test_the_service_of_an_address_is_known_and_only_the_rest_is_asked(tmp_path: Path) -> None:
    status, told = converse(
        *("config", "init", "--from", "ann@gmail.com", "--user", "ann@gmail.com"),
        answers=[
            ("own mail server [gmail]", ""),
            ("Number", "3"),
            ("variable [SMTP_PASS]", ""),
            ("App password", ""),
        ],
        cwd=tmp_path,
    )
    assert status == 0, told
    assert "the password is an app password" in told
    assert "It is not tried without a password." in told
    assert written(tmp_path)["providers"][0]["config"]["auth"]["pass"] == {"env": "SMTP_PASS"}


def test_only_what_was_asked_is_explained(tmp_path: Path) -> None:
    status, told = converse(
        *("config", "init", "--from", "a@a.test", "--host", "h.test", "--user", "a"),
        answers=[
            ("Number", "3"),
            ("variable", "9x"),
            ("variable", "$MY_PASS"),
            ("Password of", ""),
        ],
        cwd=tmp_path,
    )
    assert status == 0, told
    assert "env takes the name of an environment variable" in told
    assert "keyring:SERVICE" not in told


@pytest.mark.parametrize("typed", ["", "s3cret~1"])
def test_where_no_password_is_taken_a_browser_is_offered_first(typed: str, tmp_path: Path) -> None:
    status, told = converse(
        *("config", "init", "--from", "ann@contoso.test", "--preset", "office365"),
        answers=[
            ("nobody signs in", ""),
            ("1  there is none: I sign in with a browser", "1"),
            ("client id", "4pp"),
            ("client secret", typed),
        ],
        cwd=tmp_path,
    )
    assert status == 0, told
    assert "https://entra.microsoft.com" in told
    assert "It is not tried before somebody has signed in." in told
    assert "nexomailer auth login office365" in told
    assert "s3cret" not in told
    kept = tmp_path / ".config/nexomailer/office365.client-secret"
    secret = {"client_secret": {"file": "~/.config/nexomailer/office365.client-secret"}}
    auth = written(tmp_path)["providers"][0]["config"]["auth"]
    application = {"type": "oauth2", "user": "ann@contoso.test", "client_id": "4pp"}
    assert auth == application | (secret if typed else {})
    assert kept.exists() is bool(typed)
    if typed:
        assert "The client secret is in ~/.config" in told
        assert (kept.read_text(), stat.S_IMODE(kept.stat().st_mode)) == ("s3cret~1\n", 0o600)


def test_an_application_may_be_named_beforehand(tmp_path: Path) -> None:
    options = ("--from", "a@gmail.com", "--client-id", "4pp", "--user", "a@gmail.com", "--force")
    begun = ("config", "init", *options, "--secret", "env:CLIENT")
    status, told = converse(*begun, "--preset", "gmail", answers=[], cwd=tmp_path)
    assert status == 0, told
    auth = written(tmp_path)["providers"][0]["config"]["auth"]
    assert auth["client_secret"] == {"env": "CLIENT"}
    status, told = converse(*begun, "--host", "h.test", answers=[], cwd=tmp_path)
    assert status == 2
    assert "it is not known where h.test gives access tokens" in told


def dead_end(folder: Path, *last: tuple[str, str]) -> tuple[int, str]:
    """Answer with a server that is not there."""
    return converse(
        *("config", "init", "--from", "a@a.test", "--host", "127.0.0.1:1", "--user", "a"),
        answers=[("Number", "2"), ("Command", "printf hunter2"), *last],
        cwd=folder,
    )


def test_who_does_not_get_through_may_try_again_write_or_leave_it(tmp_path: Path) -> None:
    status, told = dead_end(tmp_path, ("try once more", "1"), ("end, and write nothing", "4"))
    assert status == 2
    assert "Nothing was written." in told
    assert list(tmp_path.iterdir()) == []
    status, told = dead_end(tmp_path, ("write it as it is", "3"))
    assert status == 0
    auth = written(tmp_path)["providers"][0]["config"]["auth"]
    assert auth == {"user": "a", "pass": {"command": ["printf", "hunter2"]}}


def test_the_end_of_input_writes_nothing(tmp_path: Path) -> None:
    status, told = converse("config", "init", answers=[("Address you send as", "^D")], cwd=tmp_path)
    assert (status, list(tmp_path.iterdir())) == (2, [])
    assert "Nothing was written." in told


@pytest.mark.parametrize(("answer", "status"), [("", 2), ("n", 2), ("y", 0)])
def test_what_is_there_is_asked_about(answer: str, status: int, tmp_path: Path) -> None:
    (tmp_path / "nexomailer.toml").write_text("precious")
    rest = [("nobody signs in", "-"), ("write it as it is", "3")] if answer == "y" else []
    ended, told = converse(
        *("config", "init", "--from", "a@a.test", "--host", "127.0.0.1:1"),
        answers=[("Write over it", answer), *rest],
        cwd=tmp_path,
    )
    assert ended == status, told
    assert ((tmp_path / "nexomailer.toml").read_text() == "precious") is (status == 2)


def test_a_password_may_go_into_the_keyring_and_comes_out_of_it(post: Post) -> None:
    box = post.sandbox
    env = {
        "PYTHON_KEYRING_BACKEND": "tests.support.kept_keyring.Keyring",
        "TEST_KEYRING": str(post.folder / "keyring.json"),
    }
    server = ("--host", f"{box.host}:{box.port}", "--ca-file", str(box.ca_file))
    status, told = converse(
        *("config", "init", "--from", "a@a.test", "--user", box.username, *server),
        answers=[("in the keyring of the desktop", "2"), ("Password of", box.password)],
        cwd=post.folder,
        env=env,
    )
    assert status == 0, told
    assert "The password is in the keyring, as nexomailer." in told
    auth = written(post.folder)["providers"][0]["config"]["auth"]
    assert auth == {"user": box.username, "pass": {"keyring": "nexomailer"}}
    letter = ("send", "--to", "b@b.test", "--text", "x")
    sent = run_process(*letter, cwd=post.folder, env=env)
    assert sent.exit_status == 0, sent.stderr
    (post.folder / "keyring.json").unlink()
    sent = run_process(*letter, cwd=post.folder, env=env)
    assert sent.exit_status != 0
    assert "keyring set nexomailer sandbox" in sent.stderr


def test_a_file_that_holds_the_password_already_is_used(post: Post) -> None:
    box = post.sandbox
    own = post.folder / ".config" / "nexomailer"
    own.mkdir(parents=True)
    (own / "main.pass").write_text(f"{box.password}\n")
    (own / "main.pass").chmod(0o600)
    server = ("--host", f"{box.host}:{box.port}", "--ca-file", str(box.ca_file))
    status, told = converse(
        *("config", "init", "--from", "a@a.test", "--user", box.username, *server),
        answers=[("in a file of its own", "1"), ("Use what it holds", "")],
        cwd=post.folder,
    )
    assert status == 0, told
    assert "ready to send" in told.lower()


def test_a_user_name_may_be_what_was_wrong(post: Post) -> None:
    box = post.sandbox
    server = ("--host", f"{box.host}:{box.port}", "--ca-file", str(box.ca_file))
    status, told = converse(
        *("config", "init", "--from", "a@a.test", "--user", "tim", *server, "--secret", "prompt"),
        answers=[
            ("Password of tim", box.password),
            ("change the user name", "2"),
            ("User name [tim]", box.username),
            (f"Password of {box.username}", box.password),
        ],
        cwd=post.folder,
    )
    assert status == 0, told
    auth = written(post.folder)["providers"][0]["config"]["auth"]
    assert auth == {"user": box.username, "pass": {"prompt": True}}


def test_a_server_of_a_known_service_is_that_service(tmp_path: Path) -> None:
    status, told = converse(
        *("config", "init", "--from", "a@a.test", "--secret", "env:X"),
        answers=[
            ("own mail server", "https://smtp.gmail.com"),
            ("own mail server", "smtp.gmail.com"),
            ("nobody signs in [a@a.test]", "a@gmail.com"),
            ("App password", "abcd efgh ijkl mnop"),
            ("write it as it is", "3"),
        ],
        cwd=tmp_path,
    )
    assert status == 0, told
    assert "write a host name" in told
    assert "That is gmail." in told
    assert "Its spaces are only for reading" in told
    assert written(tmp_path)["providers"][0]["preset"] == "gmail"
