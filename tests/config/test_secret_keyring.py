from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked

from nexomailer_cli.config.secret_keyring import KeyringError, is_usable, keep
from nexomailer_cli.config.secrets import Secret, resolve
from nexomailer_cli.config.settings import Provider, SmtpConfig
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.credentials import Wallet
from nexomailer_cli.errors import SecretError

SECRET = Secret("keyring", ("mail",)).of("me@example.com")


class Desktop(KeyringBackend):
    """A keyring that is unlocked as long as nobody locks it."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.is_locked = False

    def get_password(self, service: str, username: str) -> str | None:
        self._check(username)
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check(password)
        self.kept[service, username] = password

    def _check(self, shown: str) -> None:
        if self.is_locked:
            raise KeyringLocked(f"locked. {shown}\x1b[2J {shown}")


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    before = keyring.get_keyring()
    desktop = Desktop()
    keyring.set_keyring(desktop)
    yield desktop
    keyring.set_keyring(before)


def refusal() -> str:
    with pytest.raises(SecretError) as caught:
        resolve(SECRET, env={}, label="password of main")
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_a_password_comes_from_the_keyring(desktop: Desktop) -> None:
    keep("mail", "me@example.com", "hunter2")
    assert resolve(SECRET, env={}) == "hunter2"


def test_a_user_is_no_template() -> None:
    assert Secret("keyring", ("mail",)).of("${HOME}").parts == ("mail", "$${HOME}")


def test_other_secrets_belong_to_nobody() -> None:
    assert Secret("env", ("X",)).of("me") == Secret("env", ("X",))


def test_what_is_not_there_is_said_with_how_to_put_it_there(desktop: Desktop) -> None:
    assert refusal() == (
        "password of main: the keyring has nothing for me@example.com under mail; "
        "keep it there with: keyring set mail me@example.com"
    )


def test_a_locked_keyring_is_said(desktop: Desktop) -> None:
    desktop.is_locked = True
    assert refusal() == "password of main: the keyring cannot be used: locked"


def test_a_keyring_that_quotes_a_password_is_not_quoted(desktop: Desktop) -> None:
    desktop.is_locked = True
    with pytest.raises(KeyringError) as caught:
        keep("mail", "me", "locked")
    assert str(caught.value) == "the keyring cannot be used: ***"


def test_without_the_library_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "pip install 'nexomailer-cli[keyring]'" in refusal()


def test_a_keyring_that_keeps_nothing_is_not_offered(
    desktop: Desktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_usable()
    keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call]
    assert not is_usable()
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert not is_usable()


@pytest.mark.parametrize("auth", [None, Auth(user="me", password=Secret("prompt"))])
def test_a_proxy_may_be_in_the_keyring_whoever_signs_in(
    desktop: Desktop, auth: Auth | None
) -> None:
    keep("way-out", "proxy", "socks5h://tim:hunter2@h:1")
    config = SmtpConfig(host="h", proxy=Secret("keyring", ("way-out",)), auth=auth)
    wallet = Wallet(
        Provider(name="main", config=config), env={}, prompt=None, warn=None, blocking=nullcontext
    )
    proxy = wallet.proxy(seconds=5.0)
    assert proxy is not None
    assert (proxy.place, proxy.password) == ("h:1", "hunter2")
