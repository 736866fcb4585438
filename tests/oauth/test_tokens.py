from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.settings import Provider, SmtpConfig
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.credentials import Wallet
from nexomailer_cli.errors import SecretError, TokenError
from tests.support import token_server as fake


@pytest.fixture
def giver() -> Iterator[fake.TokenServer]:
    with fake.token_server() as server:
        yield server


def wallet(giver: fake.TokenServer, env: dict[str, str], warnings: list[str]) -> Wallet:
    keys = giver.auth(refresh_token=Secret("text", (giver.new_refresh_token(),)))
    keys["client_secret"] = Secret("text", (fake.CLIENT_SECRET,))
    provider = Provider(name="main", config=SmtpConfig(host="h", auth=Auth(**keys)))
    return Wallet(provider, env=env, prompt=None, warn=warnings.append, blocking=nullcontext)


def test_a_lock_that_is_never_free_is_temporary(giver: fake.TokenServer, tmp_path: Path) -> None:
    mine = wallet(giver, {"XDG_STATE_HOME": str(tmp_path)}, [])
    with mine.store.locked(seconds=1), pytest.raises(TokenError) as caught:
        mine.tokens.access_token(seconds=0.05)
    assert caught.value.reason == "oauth-unavailable"
    assert giver.requests == []


def test_a_user_without_a_home_has_tokens_for_the_run(
    giver: fake.TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "expanduser", homeless)
    warnings: list[str] = []
    mine = wallet(giver, {}, warnings)
    first = mine.credentials(seconds=5)
    second = mine.credentials(seconds=5)
    assert first is not None
    assert first == second
    assert first.token in giver.valid
    assert len(giver.requests) == 1
    assert warnings == []


def test_a_place_that_cannot_be_read_is_an_error(
    giver: fake.TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = wallet(giver, {"XDG_STATE_HOME": str(tmp_path)}, [])

    def broken() -> None:
        raise OSError(0, "it does not work")

    monkeypatch.setattr(mine.store, "read", broken)
    with pytest.raises(SecretError, match="it does not work"):
        mine.tokens.access_token(seconds=5)


def test_no_url_is_asked_that_the_configuration_would_not_take(giver: fake.TokenServer) -> None:
    giver.scheme = "ftp"
    with pytest.raises(TokenError) as caught:
        wallet(giver, {"XDG_STATE_HOME": "/nowhere"}, []).token_server(5).refresh("r")
    assert caught.value.reason == "configuration"
