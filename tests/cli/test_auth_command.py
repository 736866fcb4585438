"""`nexomailer auth`: a browser, a code for another machine, what is kept, and the end of it."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from urllib.request import urlopen

import pytest

from tests.support.providers import configure, provider
from tests.support.run import Result, ended, run, running, wait_for
from tests.support.secrets import found_in
from tests.support.signing_in import post_office
from tests.support.token_server import CLIENT_SECRET, TokenServer, token_server

ENV = {"THE_SECRET": CLIENT_SECRET}
LETTER = ("send", "--to", "b@b.test", "--text", "x")


@pytest.fixture
def giver() -> Iterator[TokenServer]:
    with token_server() as server:
        yield server


def configured(folder: Path, giver: TokenServer, port: int = 1, **more: Any) -> None:
    auth = giver.auth(client_secret="${THE_SECRET}", **more)
    configure(folder, provider("main", port, auth={k: v for k, v in auth.items() if v}))


def auth(folder: Path, giver: TokenServer, *words: str, **env: str) -> Result:
    result = run("auth", *words, cwd=folder, env={**ENV, **env})
    assert found_in(result.stdout.decode() + result.stderr, giver.secrets) == []
    return result


def tokens(folder: Path) -> list[dict[str, Any]]:
    """Return what is kept."""
    paths = (folder / ".local/state/nexomailer/tokens").glob("*.json")
    return [json.loads(path.read_text()) for path in paths]


def by_browser(folder: Path, giver: TokenServer, *knocks: str) -> Result:
    """Sign in as somebody who follows the address that is shown, after `knocks` of others."""
    with running("auth", "login", "main", "--no-browser", env=ENV, cwd=folder) as process:
        told = wait_for(process, "http")
        (address,) = re.findall(r"http\S+", told)
        query = dict(parse_qsl(urlsplit(address).query))
        for knock in knocks:
            assert status_of(f"{query['redirect_uri']}{knock}") == 400
        with urlopen(address, timeout=10) as page:
            assert b"nexomailer" in page.read()
        result = ended(process)
    shown = result.stdout.decode() + told + result.stderr
    assert found_in(shown, giver.secrets) == []
    assert query["code_challenge_method"] == "S256"
    assert query["login_hint"] == "tim@a.test"
    return result


def status_of(address: str) -> int:
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("GET", f"{parts.path or '/'}?{parts.query}")
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_browser_signs_in_and_letters_are_sent_from_then_on(
    tmp_path: Path, giver: TokenServer
) -> None:
    with post_office(tokens=giver.valid) as post:
        configured(tmp_path, giver, post.port)
        result = by_browser(tmp_path, giver)
        assert result.exit_status == 0, result
        assert b"main: signed in as tim@a.test" in result.stdout
        assert run(*LETTER, cwd=tmp_path, env=ENV).exit_status == 0
    assert giver.grants == ["authorization_code"]


def test_answers_of_others_are_not_taken(tmp_path: Path, giver: TokenServer) -> None:
    configured(tmp_path, giver)
    knocks = ("?state=x&code=y", "?code=y", "/favicon.ico", "?state=&state=&code=y", "?%ff=[")
    assert by_browser(tmp_path, giver, *knocks).exit_status == 0
    assert len(giver.requests) == 1


def test_the_browser_of_the_system_is_opened(tmp_path: Path, giver: TokenServer) -> None:
    script = tmp_path / "browser.py"
    script.write_text("import sys, urllib.request\nurllib.request.urlopen(sys.argv[1]).read()\n")
    configured(tmp_path, giver)
    browser = {"BROWSER": f"{sys.executable} {script} %s &"}
    with running("auth", "login", "main", env=ENV | browser, cwd=tmp_path) as process:
        assert ended(process).exit_status == 0
    assert len(tokens(tmp_path)) == 1


def test_who_says_no_is_told_so(tmp_path: Path, giver: TokenServer) -> None:
    giver.authorizes = "refuses"
    configured(tmp_path, giver)
    result = by_browser(tmp_path, giver)
    assert result.exit_status == 77
    assert "access_denied: The user said no." in result.stderr
    assert tokens(tmp_path) == []


def test_nobody_is_waited_for_longer_than_asked(tmp_path: Path, giver: TokenServer) -> None:
    configured(tmp_path, giver)
    result = auth(tmp_path, giver, "login", "main", "--no-browser", "--timeout", "50ms")
    assert result.exit_status == 77
    assert "nobody has signed in within the time" in result.stderr


def test_a_code_is_typed_on_another_machine(tmp_path: Path, giver: TokenServer) -> None:
    giver.pending = ["authorization_pending", "authorization_pending"]
    configured(tmp_path, giver)
    result = auth(tmp_path, giver, "login", "main", "--device")
    assert result.exit_status == 0
    assert f"Open {giver.url}/activate" in result.stderr
    assert "WDJB-MJHT" in result.stderr
    assert len(giver.requests) == 4
    (token,) = tokens(tmp_path)
    assert token["refresh_token"] in giver.refreshable


@pytest.mark.parametrize("word", ["access_denied", "expired_token"])
def test_a_device_that_is_refused_does_not_go_on(
    tmp_path: Path, giver: TokenServer, word: str
) -> None:
    giver.pending = [word]
    configured(tmp_path, giver)
    result = auth(tmp_path, giver, "login", "main", "--device")
    assert (result.exit_status, len(giver.requests)) == (77, 2)
    assert word in result.stderr


@pytest.mark.parametrize(
    ("fault", "status"), [("html", 76), ("redirect", 76), ("unavailable", 75), ("no token", 76)]
)
def test_a_token_server_that_fails_is_told(
    tmp_path: Path, giver: TokenServer, fault: str, status: int
) -> None:
    giver.fault = fault
    configured(tmp_path, giver)
    result = auth(tmp_path, giver, "login", "main", "--device")
    assert result.exit_status == status
    assert "Fix: " in result.stderr
    assert tokens(tmp_path) == []


def test_a_token_that_cannot_be_renewed_is_worth_a_warning(
    tmp_path: Path, giver: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(giver, "new_refresh_token", lambda: "")
    configured(tmp_path, giver)
    result = auth(tmp_path, giver, "login", "main", "--device")
    assert result.exit_status == 0
    assert "gave no refresh token" in result.stderr
    status = auth(tmp_path, giver, "status")
    assert b"cannot be renewed" in status.stdout


def test_status_says_for_whom_and_for_how_long(tmp_path: Path, giver: TokenServer) -> None:
    configured(tmp_path, giver)
    before = auth(tmp_path, giver, "status")
    assert before.exit_status == 77
    assert b"main: nobody is signed in; nexomailer auth login main" in before.stdout
    auth(tmp_path, giver, "login", "main", "--device")
    after = auth(tmp_path, giver, "status", "main")
    assert after.exit_status == 0
    assert re.search(
        rb"main: tim@a.test, access token for (59|60) min, renewed by itself", after.stdout
    )
    (told,) = auth(tmp_path, giver, "status", "--json").json["providers"]
    assert told["signed_in"] is told["renews"] is told["access_token"] is True
    assert 3500 < told["expires_in_s"] <= 3600


def test_status_of_a_token_without_an_end_or_beyond_it(tmp_path: Path, giver: TokenServer) -> None:
    giver.lifetime = None
    configured(tmp_path, giver)
    auth(tmp_path, giver, "login", "main", "--device")
    assert b"access token without an end" in auth(tmp_path, giver, "status").stdout
    (path,) = (tmp_path / ".local/state/nexomailer/tokens").glob("*.json")
    path.write_text(json.dumps(tokens(tmp_path)[0] | {"expires_at": time.time() - 1}))
    assert b"access token expired" in auth(tmp_path, giver, "status").stdout


def test_status_of_a_configured_refresh_token(tmp_path: Path, giver: TokenServer) -> None:
    configured(tmp_path, giver, refresh_token=giver.new_refresh_token())
    result = auth(tmp_path, giver, "status")
    assert result.exit_status == 0
    assert b"no access token yet, renewed by itself" in result.stdout


def test_status_where_nobody_needs_a_token(tmp_path: Path, giver: TokenServer) -> None:
    configure(tmp_path, provider("main", 1, auth={"user": "me", "pass": "x"}))
    assert auth(tmp_path, giver, "status").exit_status == 0
    result = auth(tmp_path, giver, "status", "main")
    assert result.exit_status == 2
    assert "signs in without access tokens" in result.stderr


def test_logout_gives_the_token_back_and_forgets_it(tmp_path: Path, giver: TokenServer) -> None:
    configured(tmp_path, giver)
    auth(tmp_path, giver, "login", "main", "--device")
    (token,) = tokens(tmp_path)
    result = auth(tmp_path, giver, "logout", "main")
    assert (result.exit_status, result.stderr) == (0, "")
    assert giver.revoked == [token["refresh_token"]]
    assert tokens(tmp_path) == []
    again = auth(tmp_path, giver, "logout", "main")
    assert b"nobody was signed in" in again.stdout


@pytest.mark.parametrize("fault", ["unavailable", "close", "html"])
def test_logout_forgets_the_token_also_where_nobody_takes_it_back(
    tmp_path: Path, giver: TokenServer, fault: str
) -> None:
    configured(tmp_path, giver)
    auth(tmp_path, giver, "login", "main", "--device")
    giver.fault = fault
    result = auth(tmp_path, giver, "logout", "main")
    assert result.exit_status == 0
    assert tokens(tmp_path) == []
    assert fault == "html" or "may still be valid" in result.stderr


def test_logout_where_tokens_are_not_taken_back(tmp_path: Path, giver: TokenServer) -> None:
    configured(tmp_path, giver, revocation_url="")
    auth(tmp_path, giver, "login", "main", "--device")
    result = auth(tmp_path, giver, "logout", "main")
    assert "takes no tokens back" in result.stderr


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"refresh_token": "x"}, "has a refresh_token in its configuration"),
        ({"grant": "client_credentials"}, "signs in by itself"),
        ({"device_url": ""}, "device_url is missing"),
    ],
)
def test_a_login_that_makes_no_sense(
    tmp_path: Path, giver: TokenServer, more: dict[str, str], words: str
) -> None:
    configured(tmp_path, giver, **dict[str, Any](more))
    result = auth(tmp_path, giver, "login", "main", "--device")
    assert result.exit_status == 2
    assert words in result.stderr
    assert giver.requests == []


def test_google_has_no_codes_for_devices(tmp_path: Path, giver: TokenServer) -> None:
    auth_block = {"type": "oauth2", "user": "me@gmail.com", "client_id": "x", "service": "google"}
    configure(tmp_path, provider("main", 1, auth=auth_block))
    result = auth(tmp_path, giver, "login", "main", "--device")
    assert result.exit_status == 2
    assert "google gives no tokens for mail that way" in result.stderr


def test_a_token_that_is_given_needs_no_login(tmp_path: Path, giver: TokenServer) -> None:
    auth_block = {"type": "oauth2", "user": "me", "access_token": "x"}
    configure(tmp_path, provider("main", 1, auth=auth_block))
    for command in ("login", "logout", "status"):
        result = auth(tmp_path, giver, command, "main")
        assert result.exit_status == 2
        assert "is given its access token" in result.stderr


def test_an_unknown_provider(tmp_path: Path, giver: TokenServer) -> None:
    configured(tmp_path, giver)
    result = auth(tmp_path, giver, "login", "maine")
    assert result.exit_status == 2
    assert "Known: main." in result.stderr


def test_a_token_that_cannot_be_kept_is_an_error(tmp_path: Path, giver: TokenServer) -> None:
    (tmp_path / "file").touch()
    configured(tmp_path, giver)
    state = {"XDG_STATE_HOME": str(tmp_path / "file")}
    result = auth(tmp_path, giver, "login", "main", "--device", **state)
    assert result.exit_status == 73
    assert "cannot keep the token in" in result.stderr


KEYRING = """
import os
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

class Keyring(KeyringBackend):
    priority = 1
    def _path(self, service, name):
        if os.environ.get("LOCKED"):
            raise KeyringLocked("no")
        return os.path.join(os.environ["HOME"], f"{service}-{name}.ring")
    def get_password(self, service, name):
        try:
            with open(self._path(service, name)) as file:
                return file.read()
        except FileNotFoundError:
            return None
    def set_password(self, service, name, password):
        with open(self._path(service, name), "w") as file:
            file.write(password)
    def delete_password(self, service, name):
        os.unlink(self._path(service, name))
"""


def test_a_keyring_keeps_tokens_where_it_is_asked_to(tmp_path: Path, giver: TokenServer) -> None:
    (tmp_path / "ring.py").write_text(KEYRING)
    configured(tmp_path, giver, token_store="keyring")
    root = str(Path(__file__).parents[2])
    env = ENV | {"PYTHON_KEYRING_BACKEND": "ring.Keyring", "PYTHONPATH": f"{root}:{tmp_path}"}

    def in_process(*words: str, **more: str) -> Result:
        with running("auth", *words, env=env | more, cwd=tmp_path) as process:
            result = ended(process)
        assert found_in(result.stdout.decode() + result.stderr, giver.secrets) == []
        return result

    assert in_process("login", "main", "--device").exit_status == 0
    (ring,) = tmp_path.glob("*.ring")
    assert json.loads(ring.read_text())["refresh_token"] in giver.refreshable
    assert tokens(tmp_path) == []
    assert b"(the keyring)" in in_process("status").stdout
    locked = in_process("status", LOCKED="1")
    assert locked.exit_status == 78
    assert "the keyring cannot be used: no" in locked.stderr
    assert in_process("login", "main", "--device", LOCKED="1").exit_status == 73
    assert in_process("logout", "main").exit_status == 0
    assert in_process("logout", "main").exit_status == 0
    assert list(tmp_path.glob("*.ring")) == []


def test_a_keyring_that_is_not_installed_is_told(
    tmp_path: Path, giver: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    configured(tmp_path, giver, token_store="keyring")
    result = auth(tmp_path, giver, "status")
    assert result.exit_status == 78
    assert "pip install 'nexomailer-cli[keyring]'" in result.stderr
