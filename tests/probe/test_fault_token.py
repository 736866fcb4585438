"""Access tokens that cannot be had, and servers that cannot prove themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.certificates import Chain
from tests.support.lab.examining import SECRET, USER, Examined, Examiner
from tests.support.providers import configure, provider
from tests.support.secrets import found_in
from tests.support.signing_in import post_office
from tests.support.token_server import TokenServer, token_server


@pytest.fixture
def giver() -> Iterator[TokenServer]:
    with token_server() as server:
        yield server


def examined(examine: Examiner, giver: TokenServer, port: int, **more: Any) -> Examined:
    """Examine a provider whose tokens come from `giver`; none of its secrets may be shown."""
    configure(examine.folder, provider("main", port, auth=giver.auth(**more)))
    result = examine("main", "-v")
    shown = result.result.stdout.decode() + result.result.stderr
    assert found_in(shown, giver.secrets) == []
    return result


def test_a_token_is_had_for_the_examination(examine: Examiner, giver: TokenServer) -> None:
    with post_office(tokens=giver.valid) as post:
        result = examined(examine, giver, post.port, refresh_token=giver.new_refresh_token())
    assert result.report.exit_code == 0, result.report.findings
    assert post.sign_ins == [("XOAUTH2", "tim@a.test")]
    assert result.report.auth is not None
    assert result.report.auth.secret_source == "oauth2"


@pytest.mark.parametrize(
    ("finding", "status", "behaviour", "more"),
    [
        ("oauth.no_login", 77, {}, {}),
        ("oauth.refused", 77, {}, {"refresh_token": "revoked"}),
        ("oauth.client_refused", 77, {}, {"refresh_token": "x", "client_secret": "wrong"}),
        ("oauth.unavailable", 75, {"fault": "unavailable"}, {"refresh_token": "x"}),
        ("oauth.nonsense", 76, {"fault": "html"}, {"refresh_token": "x"}),
    ],
)
def test_why_there_is_no_token(
    examine: Examiner,
    giver: TokenServer,
    finding: str,
    status: int,
    behaviour: dict[str, str],
    more: dict[str, str],
) -> None:
    for name, value in behaviour.items():
        setattr(giver, name, value)
    with post_office(tokens=giver.valid) as post:
        result = examined(examine, giver, post.port, **more)
    result.failed(finding, status)
    assert post.sign_ins == []


def test_a_token_server_that_cannot_be_trusted_or_found(
    examine: Examiner, healthy: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    with token_server(healthy.server_context()) as giver, post_office() as post:
        result = examined(examine, giver, post.port, refresh_token="x")
        result.failed("oauth.certificate", 76)
        known = socket.getaddrinfo

        def unknown(host: str, *arguments: Any, **named: Any) -> Any:
            if host == "nowhere.invalid":
                raise socket.gaierror(socket.EAI_NONAME, "not known")
            return known(host, *arguments, **named)

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        url = "https://nowhere.invalid/token"
        result = examined(examine, giver, post.port, refresh_token="x", token_url=url)
        result.failed("oauth.no_host", 68)
    assert giver.requests == []


def test_a_refused_token(examine: Examiner, giver: TokenServer) -> None:
    with post_office(tokens=()) as post:
        result = examined(examine, giver, post.port, refresh_token=giver.new_refresh_token())
    result.failed("auth.xoauth2_rejected", 77)
    assert len(post.sign_ins) == 1


def test_scram_is_spoken_where_it_is_offered(examine: Examiner) -> None:
    with post_office(password=SECRET, offers=("SCRAM-SHA-256", "PLAIN")) as post:
        result = examine.signing_in(f"127.0.0.1:{post.port}", "--security", "none")
    assert result.report.auth is not None
    assert result.report.auth.mechanism == "SCRAM-SHA-256"
    assert post.sign_ins == [("SCRAM-SHA-256", USER)]
    assert result.report.exit_code == 0


def test_a_server_that_does_not_prove_itself(examine: Examiner) -> None:
    with post_office(password=SECRET, offers=("SCRAM-SHA-256",), proves=False) as post:
        result = examine.signing_in(f"127.0.0.1:{post.port}", "--security", "none")
    result.failed("auth.server_unproven", 76)
