"""Access tokens as `send` sees them: had, kept, renewed, refused, and never shown."""

from __future__ import annotations

import json
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.providers import configure, provider
from tests.support.run import Result, ended, environment, run, running
from tests.support.secrets import found_in
from tests.support.signing_in import Post, post_office
from tests.support.token_server import CLIENT_SECRET, NONSENSE, TokenServer, token_server

LETTER = ("send", "--to", "b@b.test", "--text", "x")
LOUD = ("-v", "--debug")
ENV = {"THE_SECRET": CLIENT_SECRET}


@pytest.fixture
def giver() -> Iterator[TokenServer]:
    with token_server() as server:
        yield server


@pytest.fixture
def post(giver: TokenServer) -> Iterator[Post]:
    with post_office(tokens=giver.valid) as office:
        yield office


def auth_of(giver: TokenServer, **more: Any) -> dict[str, Any]:
    return giver.auth(client_secret="${THE_SECRET}", **more)


def send(folder: Path, giver: TokenServer, *options: str, **env: str) -> Result:
    """Send a letter; no secret may be seen anywhere but in the file that keeps it."""
    result = run(*LETTER, *LOUD, *options, cwd=folder, env={**ENV, **env})
    assert found_in(result.stdout.decode() + result.stderr, giver.secrets) == []
    return result


def kept(folder: Path) -> dict[str, Any]:
    """Return the one token that is kept, which only its owner can read."""
    (path,) = (folder / ".local/state/nexomailer/tokens").glob("*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    value = json.loads(path.read_text())
    assert isinstance(value, dict)
    return value


def age(folder: Path, seconds: float) -> None:
    """Let the token that is kept be so much older."""
    (path,) = (folder / ".local/state/nexomailer/tokens").glob("*.json")
    token = json.loads(path.read_text())
    for name in ("obtained_at", "expires_at"):
        token[name] -= seconds
    path.write_text(json.dumps(token))


def test_a_refresh_token_becomes_an_access_token_and_a_sent_letter(
    tmp_path: Path, giver: TokenServer, post: Post
) -> None:
    refresh = giver.new_refresh_token()
    configure(tmp_path, provider("main", post.port, auth=auth_of(giver, refresh_token=refresh)))
    assert send(tmp_path, giver).exit_status == 0
    assert post.sign_ins == [("XOAUTH2", "tim@a.test")]
    assert len(post.contents) == 1
    assert giver.requests == [
        {
            "grant_type": "refresh_token",
            "refresh_token": refresh,
            "scope": "mail send",
            "client_id": "the-client",
            "client_secret": CLIENT_SECRET,
        }
    ]


def test_a_token_is_kept_for_the_next_run(tmp_path: Path, giver: TokenServer, post: Post) -> None:
    auth = auth_of(giver, refresh_token=giver.new_refresh_token())
    configure(tmp_path, provider("main", post.port, auth=auth))
    assert [send(tmp_path, giver).exit_status for _ in range(3)] == [0, 0, 0]
    assert len(giver.requests) == 1
    assert kept(tmp_path)["access_token"] in giver.valid


@pytest.mark.parametrize(("seconds", "requests"), [(3400, 1), (3550, 2), (9999, 2)])
def test_a_token_is_renewed_before_it_expires(
    tmp_path: Path, giver: TokenServer, post: Post, seconds: float, requests: int
) -> None:
    auth = auth_of(giver, refresh_token=giver.new_refresh_token())
    configure(tmp_path, provider("main", post.port, auth=auth))
    send(tmp_path, giver)
    age(tmp_path, seconds)
    assert send(tmp_path, giver).exit_status == 0
    assert len(giver.requests) == requests


def test_a_rotated_refresh_token_is_the_one_used_next(tmp_path: Path) -> None:
    with token_server(rotates=True) as giver, post_office(tokens=giver.valid) as post:
        auth = auth_of(giver, refresh_token=giver.new_refresh_token())
        configure(tmp_path, provider("main", post.port, auth=auth))
        for _ in range(3):
            assert send(tmp_path, giver).exit_status == 0
            age(tmp_path, 9999)
    used = [each["refresh_token"] for each in giver.requests]
    assert len(set(used)) == 3
    assert {kept(tmp_path)["refresh_token"]} == giver.refreshable


def test_a_new_refresh_token_in_the_configuration_counts_more_than_what_is_kept(
    tmp_path: Path,
) -> None:
    with token_server(rotates=True) as giver, post_office(tokens=giver.valid) as post:
        for _ in range(2):
            refresh = giver.new_refresh_token()
            auth = auth_of(giver, refresh_token=refresh)
            configure(tmp_path, provider("main", post.port, auth=auth))
            assert send(tmp_path, giver).exit_status == 0
            age(tmp_path, 9999)
            assert giver.requests[-1]["refresh_token"] == refresh
            giver.refreshable.clear()


def test_a_refused_token_is_renewed_once(tmp_path: Path, giver: TokenServer, post: Post) -> None:
    auth = auth_of(giver, refresh_token=giver.new_refresh_token())
    configure(tmp_path, provider("main", post.port, auth=auth))
    send(tmp_path, giver)
    giver.valid.clear()
    assert send(tmp_path, giver).exit_status == 0
    assert len(set(post.shown)) == 2
    assert len(post.sign_ins) == 3
    # An empty line answers the explanation, and only then comes the 535.
    assert post.answers == [b""]


def test_a_fresh_token_that_is_refused_too_ends_it(tmp_path: Path, giver: TokenServer) -> None:
    with post_office(tokens=()) as post:
        auth = auth_of(giver, refresh_token=giver.new_refresh_token())
        configure(tmp_path, provider("main", post.port, auth=auth))
        result = send(tmp_path, giver, "--json")
    assert result.exit_status == 77
    assert result.json["error"]["id"] == "auth.xoauth2_rejected"
    assert "nexomailer auth login" in result.json["error"]["fix"]
    assert len(post.sign_ins) == len(giver.requests) == 2
    assert "mail.example.com" in result.stderr  # the explanation


def test_other_refusals_are_not_about_the_token(tmp_path: Path, giver: TokenServer) -> None:
    with post_office(tokens=(), refusal="535 5.7.139 SmtpClientAuthentication is disabled for the"
                     " Tenant.") as post:  # fmt: skip
        auth = auth_of(giver, refresh_token=giver.new_refresh_token())
        configure(tmp_path, provider("main", post.port, auth=auth))
        result = send(tmp_path, giver, "--json")
    assert (result.exit_status, result.json["error"]["id"]) == (77, "auth.m365_tenant")


def test_oauthbearer_is_spoken_where_it_is_what_is_offered(
    tmp_path: Path, giver: TokenServer
) -> None:
    with post_office(tokens=giver.valid, offers=("OAUTHBEARER",)) as post:
        auth = auth_of(giver, refresh_token=giver.new_refresh_token())
        configure(tmp_path, provider("main", post.port, auth=auth))
        assert send(tmp_path, giver).exit_status == 0
        giver.valid.clear()
        assert send(tmp_path, giver).exit_status == 0
    assert {name for name, _ in post.sign_ins} == {"OAUTHBEARER"}
    assert post.answers == [b"\1"]  # RFC 7628 section 3.2.3


def test_a_method_can_be_asked_for(tmp_path: Path, giver: TokenServer) -> None:
    with post_office(tokens=giver.valid, offers=("XOAUTH2", "OAUTHBEARER")) as post:
        auth = auth_of(giver, refresh_token=giver.new_refresh_token(), method="oauthbearer")
        configure(tmp_path, provider("main", post.port, auth=auth))
        assert send(tmp_path, giver).exit_status == 0
    assert post.sign_ins == [("OAUTHBEARER", "tim@a.test")]


def test_an_application_signs_in_as_itself(tmp_path: Path, giver: TokenServer, post: Post) -> None:
    auth = auth_of(giver, grant="client_credentials")
    configure(tmp_path, provider("main", post.port, auth=auth))
    assert send(tmp_path, giver).exit_status == 0
    age(tmp_path, 9999)
    assert send(tmp_path, giver).exit_status == 0
    assert giver.grants == ["client_credentials"] * 2


def test_a_command_prints_the_token(tmp_path: Path, giver: TokenServer, post: Post) -> None:
    token = giver.new("access")
    giver.valid.add(token)
    (tmp_path / "token").write_text(f"{token}\n")
    auth = {"type": "oauth2", "user": "tim@a.test", "access_token_command": ["cat", "token"]}
    configure(tmp_path, provider("main", post.port, auth=auth))
    assert send(tmp_path, giver).exit_status == 0
    giver.valid.clear()
    assert send(tmp_path, giver).exit_status == 77
    assert len(post.sign_ins) == 2  # what a command prints is not asked for again


# --- what goes wrong ---------------------------------------------------------------------

FAULTS: dict[str, tuple[str, int]] = {
    "close": ("oauth.unavailable", 75),
    "unavailable": ("oauth.unavailable", 75),
    "limited": ("oauth.unavailable", 75),
    "no HTTP": ("oauth.nonsense", 76),
    "redirect": ("oauth.nonsense", 76),
    **dict.fromkeys(NONSENSE, ("oauth.nonsense", 76)),
}
del FAULTS["a strange time"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_token_server_that_fails_is_told_apart(
    tmp_path: Path, giver: TokenServer, post: Post, fault: str
) -> None:
    identity, status = FAULTS[fault]
    auth = auth_of(giver, refresh_token=giver.new_refresh_token())
    configure(tmp_path, provider("main", post.port, auth=auth))
    giver.fault = fault
    result = send(tmp_path, giver, "--json")
    assert (result.json["error"]["id"], result.exit_status) == (identity, status)
    assert giver.elsewhere == []
    assert post.sign_ins == []


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_token_server_has_no_more_time_than_there_is(
    tmp_path: Path, giver: TokenServer, post: Post, fault: str
) -> None:
    auth = auth_of(giver, refresh_token=giver.new_refresh_token())
    configure(tmp_path, provider("main", post.port, auth=auth))
    giver.fault = fault
    began = time.monotonic()
    result = send(tmp_path, giver, "--json", "--deadline", "300ms")
    assert time.monotonic() - began < 5
    assert (result.json["error"]["id"], result.exit_status) == ("oauth.unavailable", 75)


def test_a_strange_lifetime_is_no_lifetime(tmp_path: Path, giver: TokenServer, post: Post) -> None:
    giver.lifetime = -5
    auth = auth_of(giver, refresh_token=giver.new_refresh_token())
    configure(tmp_path, provider("main", post.port, auth=auth))
    assert [send(tmp_path, giver).exit_status for _ in range(2)] == [0, 0]
    assert len(giver.requests) == 1


@pytest.mark.parametrize(
    ("secret", "refresh", "identity"),
    [
        (CLIENT_SECRET, "revoked", "oauth.refused"),
        ("wrong", "", "oauth.client_refused"),
    ],
)
def test_a_refusal_says_whose_it_is_and_quotes_no_secret(
    tmp_path: Path, giver: TokenServer, post: Post, secret: str, refresh: str, identity: str
) -> None:
    token = giver.new("refresh") if refresh else giver.new_refresh_token()
    auth = auth_of(giver, refresh_token=token)
    configure(tmp_path, provider("main", post.port, auth=auth))
    result = send(tmp_path, giver, "--json", THE_SECRET=secret)
    assert (result.json["error"]["id"], result.exit_status) == (identity, 77)
    assert ("***" in result.stderr) == bool(refresh)
    assert post.sign_ins == []


def test_nobody_has_signed_in_yet(tmp_path: Path, giver: TokenServer, post: Post) -> None:
    configure(tmp_path, provider("main", post.port, auth=auth_of(giver)))
    result = send(tmp_path, giver, "--json")
    assert (result.json["error"]["id"], result.exit_status) == ("oauth.no_login", 77)
    assert "nexomailer auth login" in result.json["error"]["fix"]
    assert giver.requests == []


def test_the_next_provider_serves_meanwhile(tmp_path: Path, giver: TokenServer, post: Post) -> None:
    giver.fault = "unavailable"
    auth = auth_of(giver, refresh_token=giver.new_refresh_token())
    with post_office(password="x") as other:
        configure(
            tmp_path,
            provider("main", post.port, auth=auth),
            provider("backup", other.port, auth={"user": "tim", "pass": "x"}),
        )
        assert send(tmp_path, giver).exit_status == 0
    assert len(other.contents) == 1


def test_what_has_a_minute_left_is_used_while_the_token_server_is_away(
    tmp_path: Path, giver: TokenServer, post: Post
) -> None:
    auth = auth_of(giver, refresh_token=giver.new_refresh_token())
    configure(tmp_path, provider("main", post.port, auth=auth))
    send(tmp_path, giver)
    age(tmp_path, 3550)
    giver.fault = "unavailable"
    assert send(tmp_path, giver).exit_status == 0
    giver.valid.clear()
    assert send(tmp_path, giver).exit_status == 75


# --- encryption --------------------------------------------------------------------------


def test_a_token_server_proves_who_it_is(
    tmp_path: Path, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    with token_server(server_tls) as giver, post_office(tokens=giver.valid) as post:
        auth = auth_of(giver, refresh_token=giver.new_refresh_token())
        configure(tmp_path, provider("main", post.port, auth=auth))
        stranger = send(tmp_path, giver, "--json")
        assert giver.requests == []
        assert send(tmp_path, giver, SSL_CERT_FILE=ca_file).exit_status == 0
    assert (stranger.json["error"]["id"], stranger.exit_status) == ("oauth.certificate", 76)


def test_an_unknown_name_is_told(tmp_path: Path, giver: TokenServer, post: Post) -> None:
    url = "https://nowhere.invalid/token"
    auth = auth_of(giver, refresh_token=giver.new_refresh_token()) | {"token_url": url}
    configure(tmp_path, provider("main", post.port, auth=auth))
    result = send(tmp_path, giver, "--json", "--deadline", "5s")
    # Without a resolver nothing is known of the name.
    assert (result.json["error"]["id"], result.exit_status) in (
        ("oauth.no_host", 68),
        ("oauth.unavailable", 75),
    )


# --- what is kept ------------------------------------------------------------------------


def test_two_processes_do_not_use_up_one_refresh_token(tmp_path: Path) -> None:
    with token_server(rotates=True) as giver, post_office(tokens=giver.valid) as post:
        auth = auth_of(giver, refresh_token=giver.new_refresh_token())
        configure(tmp_path, provider("main", post.port, auth=auth))
        with (
            running(*LETTER, env=ENV, cwd=tmp_path) as first,
            running(*LETTER, env=ENV, cwd=tmp_path) as second,
            running(*LETTER, env=ENV, cwd=tmp_path) as third,
        ):
            results = [ended(each) for each in (first, second, third)]
    assert [each.exit_status for each in results] == [0, 0, 0], results
    assert len(giver.requests) == 1


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, '{"access_token": 5}'])
def test_a_damaged_file_is_told_and_replaced(
    tmp_path: Path, giver: TokenServer, post: Post, content: str
) -> None:
    auth = auth_of(giver, refresh_token=giver.new_refresh_token())
    configure(tmp_path, provider("main", post.port, auth=auth))
    send(tmp_path, giver)
    (path,) = (tmp_path / ".local/state/nexomailer/tokens").glob("*.json")
    path.write_text(content)
    result = send(tmp_path, giver)
    assert result.exit_status == 0
    assert "is damaged" in result.stderr
    assert kept(tmp_path)["access_token"] in giver.valid


def test_a_file_that_others_can_read_is_told(
    tmp_path: Path, giver: TokenServer, post: Post
) -> None:
    auth = auth_of(giver, refresh_token=giver.new_refresh_token())
    configure(tmp_path, provider("main", post.port, auth=auth))
    send(tmp_path, giver)
    (path,) = (tmp_path / ".local/state/nexomailer/tokens").glob("*.json")
    path.chmod(0o644)
    assert "others can read this token" in send(tmp_path, giver).stderr


def test_a_link_in_its_place_is_not_followed(
    tmp_path: Path, giver: TokenServer, post: Post
) -> None:
    auth = auth_of(giver, refresh_token=giver.new_refresh_token())
    configure(tmp_path, provider("main", post.port, auth=auth))
    send(tmp_path, giver)
    (path,) = (tmp_path / ".local/state/nexomailer/tokens").glob("*.json")
    path.rename(tmp_path / "theirs")
    path.symlink_to(tmp_path / "theirs")
    result = send(tmp_path, giver)
    assert result.exit_status == 0
    assert "cannot be read" in result.stderr
    assert not path.is_symlink()


def test_without_a_place_to_keep_them_tokens_are_used_all_the_same(
    tmp_path: Path, giver: TokenServer, post: Post
) -> None:
    auth = auth_of(giver, refresh_token=giver.new_refresh_token())
    configure(tmp_path, provider("main", post.port, auth=auth))
    (tmp_path / "file").touch()
    for _ in range(2):
        assert send(tmp_path, giver, XDG_STATE_HOME=str(tmp_path / "file")).exit_status == 0
    assert len(giver.requests) == 2


def test_a_rotated_token_that_cannot_be_kept_is_a_loud_warning(tmp_path: Path) -> None:
    with token_server(rotates=True) as giver, post_office(tokens=giver.valid) as post:
        auth = auth_of(giver, refresh_token=giver.new_refresh_token())
        configure(tmp_path, provider("main", post.port, auth=auth))
        (tmp_path / "file").touch()
        result = send(tmp_path, giver, XDG_STATE_HOME=str(tmp_path / "file"))
    assert result.exit_status == 0
    assert "the new refresh token cannot be kept" in result.stderr


def test_a_process_list_shows_no_secret(tmp_path: Path, giver: TokenServer, post: Post) -> None:
    auth = auth_of(giver, refresh_token=giver.new_refresh_token())
    configure(tmp_path, provider("main", post.port, auth=auth))
    giver.fault = "hang"
    with running(*LETTER, env=ENV, cwd=tmp_path) as process:
        deadline = time.monotonic() + 10
        while not giver.requests:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        line = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode()
        process.terminate()
        result = ended(process)
    assert result.exit_status == 130
    assert found_in(line + result.stderr, giver.secrets) == []


def test_a_token_that_is_kept_costs_no_protocol(
    tmp_path: Path, giver: TokenServer, post: Post
) -> None:
    auth = auth_of(giver, refresh_token=giver.new_refresh_token())
    configure(tmp_path, provider("main", post.port, auth=auth))
    assert send(tmp_path, giver).exit_status == 0
    heavy = ("authlib", "joserfc", "keyring", "scramp", "http.client", "urllib.request")
    code = (
        "import sys\nfrom nexomailer_cli.cli.run import run\n"
        f"assert run({LETTER!r}) == 0\nprint([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(ENV, tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
    assert len(giver.requests) == 1
