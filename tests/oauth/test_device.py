from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nexomailer_cli.config.settings import Provider, SmtpConfig
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.errors import TokenError
from nexomailer_cli.oauth.client import TokenServer
from nexomailer_cli.oauth.device import ask_for_code, sign_in
from nexomailer_cli.oauth.grant import grant_of
from tests.support import token_server as fake


@pytest.fixture
def giver() -> Iterator[fake.TokenServer]:
    with fake.token_server() as server:
        yield server


def asking(giver: fake.TokenServer) -> TokenServer:
    given = {key: value for key, value in giver.auth().items() if key != "client_secret"}
    grant = grant_of(Provider(name="main", config=SmtpConfig(host="h", auth=Auth(**given))))
    return TokenServer(grant=grant, client_secret=fake.CLIENT_SECRET)


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def now(self) -> float:
        return sum(self.slept)


def test_a_server_that_is_asked_too_often_is_asked_less_often(giver: fake.TokenServer) -> None:
    giver.interval = 5
    giver.pending = ["authorization_pending", "slow_down", "authorization_pending"]
    server, time = asking(giver), Time()
    token = sign_in(server, ask_for_code(server), sleep=time.sleep, now=time.now)
    assert token.access_token in giver.valid
    assert time.slept == [5, 5, 10, 10]


def test_a_code_that_nobody_types_ends(giver: fake.TokenServer) -> None:
    giver.interval = 60
    giver.pending = ["authorization_pending"] * 100
    server, time = asking(giver), Time()
    with pytest.raises(TokenError) as caught:
        sign_in(server, ask_for_code(server), sleep=time.sleep, now=time.now)
    assert caught.value.reason == "oauth-refused"
    assert time.now() < 600


@pytest.mark.parametrize(("said", "waited"), [(0, 0.1), (1e9, 60), (-1, 0.1)])
def test_the_server_does_not_decide_alone_how_often(
    giver: fake.TokenServer, said: float, waited: float
) -> None:
    giver.interval = said
    assert ask_for_code(asking(giver)).interval == waited


@pytest.mark.parametrize(
    "change",
    [
        {"verification_uri": "http://evil.test/"},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": ""},
        {"expires_in": "soon"},
        {"device_code": None},
    ],
)
def test_an_answer_that_is_none_is_told(
    giver: fake.TokenServer, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = giver.device

    def device(form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        status, said = usual(form)
        return status, said | change

    monkeypatch.setattr(giver, "device", device)
    with pytest.raises(TokenError) as caught:
        ask_for_code(asking(giver))
    assert caught.value.reason == "oauth-nonsense"
