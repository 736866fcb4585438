from __future__ import annotations

import pytest

from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.settings import Config, Provider, SmtpConfig
from nexomailer_cli.config.sign_in import Auth

AUTH = Auth(user="me", password=Secret("text", ("hunter2",)))


@pytest.mark.parametrize(
    ("port", "secure", "effective", "implicit"),
    [
        (None, None, 587, False),
        (None, True, 465, True),
        (None, False, 587, False),
        (465, None, 465, True),
        (2465, None, 2465, True),
        (587, None, 587, False),
        (1025, True, 1025, True),
        (1025, None, 1025, False),
    ],
)
def test_port_and_secure_decide_about_each_other(
    port: int | None, secure: bool | None, effective: int, implicit: bool
) -> None:
    config = SmtpConfig(host="h", port=port, secure=secure)
    assert (config.effective_port, config.implicit_tls) == (effective, implicit)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.10", "::1"])
def test_this_machine_is_loopback(host: str) -> None:
    assert SmtpConfig(host=host).is_loopback


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1.example.com",
        "localhost.example.com",
        "127.1",
        "10.0.0.1",
        "::2",
        "x127.0.0.1",
        "",
    ],
)
def test_other_machines_are_not_loopback(host: str) -> None:
    assert not SmtpConfig(host=host).is_loopback


def test_a_password_for_another_machine_requires_tls() -> None:
    assert SmtpConfig(host="example.com", auth=AUTH).tls_required
    assert SmtpConfig(host="example.com", auth=AUTH, allow_plaintext_auth=True).tls_required
    assert SmtpConfig(host="example.com", auth=AUTH, starttls="never").tls_required


def test_tls_is_waived_only_in_so_many_words() -> None:
    waived = SmtpConfig(host="example.com", auth=AUTH, starttls="never", allow_plaintext_auth=True)
    assert not waived.tls_required


def test_tls_is_optional_without_a_password_and_on_this_machine() -> None:
    assert not SmtpConfig(host="example.com").tls_required
    assert not SmtpConfig(host="localhost", auth=AUTH).tls_required
    assert SmtpConfig(host="localhost", starttls="required").tls_required


def test_the_repr_of_a_configuration_shows_no_secret() -> None:
    provider = Provider(name="main", config=SmtpConfig(host="h", auth=AUTH))
    assert "hunter2" not in repr(Config(providers=(provider,)))
