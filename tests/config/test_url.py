from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexomailer_cli.config.file import load_config
from nexomailer_cli.config.secrets import Secret, resolve
from nexomailer_cli.config.settings import Config, SmtpConfig
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.errors import ConfigError


def load(url: str) -> Config:
    return load_config(None, {"NEXOMAILER_URL": url, "VAR": "expanded"})


def server(url: str) -> SmtpConfig:
    return load(url).providers[0].config


def complaint(url: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    (problem,) = caught.value.problems
    assert problem.file == "$NEXOMAILER_URL"
    return f"{problem.key}: {problem.message}"


@pytest.mark.parametrize(
    ("url", "port", "implicit", "starttls"),
    [
        ("smtp://h", 587, False, "auto"),
        ("smtp://h/", 587, False, "auto"),
        ("smtp://h:465", 465, True, "auto"),
        ("smtps://h", 465, True, "auto"),
        ("SMTPS://h:2465", 2465, True, "auto"),
        ("smtp+starttls://h", 587, False, "required"),
        ("submission://h", 587, False, "required"),
        ("submissions://h", 465, True, "auto"),
        ("smtp://h:1025?starttls=never", 1025, False, "never"),
    ],
)
def test_the_scheme_says_how_to_connect(url: str, port: int, implicit: bool, starttls: str) -> None:
    config = server(url)
    assert (config.effective_port, config.implicit_tls) == (port, implicit)
    assert config.starttls == starttls


def test_user_and_password_are_percent_decoded() -> None:
    config = server("smtps://me%40example.com:p%2Fw%25%3A@smtp.example.com")
    assert config.auth == Auth(user="me@example.com", password=Secret("text", ("p/w%:",)))


def test_an_ipv6_address_loses_its_brackets() -> None:
    assert server("smtp://[::1]:1025") == SmtpConfig(host="::1", port=1025)


def test_a_url_comes_from_no_file() -> None:
    config = load("smtp://smtp.example.com")
    assert config.path is None
    assert config.providers[0].name == "smtp.example.com"


def test_parameters_fill_in_the_rest() -> None:
    config = load(
        "smtp://me:pw@h?name=mx.example.com&maxConnections=3&connection_timeout=500"
        "&socket_timeout=2m&pool=false&method=plain&reject_unauthorized=false"
        "&ip_version=4&source_address=192.0.2.7&allow_plaintext_auth=true&servername=x&from=Ops+%3Cops@example.com%3E".replace(
            "@e", "%40e"
        )
    )
    smtp = config.providers[0].config
    assert (smtp.name, smtp.max_connections, smtp.pool) == ("mx.example.com", 3, False)
    assert (smtp.connection_timeout, smtp.socket_timeout) == (0.5, 120)
    assert (smtp.ip_version, smtp.source_address) == (4, "192.0.2.7")
    assert smtp.auth is not None
    assert smtp.auth.method == "plain"
    assert (smtp.tls.reject_unauthorized, smtp.tls.servername) == (False, "x")
    assert config.defaults.from_ == "Ops <ops@example.com>"


def test_variables_mean_themselves_in_a_url() -> None:
    config = server("smtps://%24%7BVAR%7D:%24%7BVAR%7D@h")
    assert config.auth is not None
    assert config.auth.user == "${VAR}"
    assert config.auth.password is not None
    assert resolve(config.auth.password, env={"VAR": "expanded"}) == "${VAR}"


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1))
def test_any_password_survives_being_quoted(password: str) -> None:
    auth = server(f"smtps://me:{quote(password, safe='')}@h").auth
    assert auth is not None
    assert auth.password is not None
    assert resolve(auth.password, env={}) == password


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("smtp.example.com:587", "begins with no smtp://"),
        ("http://me:hunter2@h", "its scheme must be one of smtp, smtps"),
        ("smtps://me:hunter2@", "names no host"),
        ("smtps://me:p/hunter2@h", "/ ? # @ : % are %2F"),
        ("smtps://me:12/hunter2@h", "/ ? # @ : % are %2F"),
        ("smtps://me:p?hunter2@h", "/ ? # @ : % are %2F"),
        ("smtps://me:p#hunter2@h", "/ ? # @ : % are %2F"),
        ("smtps://me:hunter2@h:99999", "is not scheme://user:password@host:port"),
        ("smtps://me:hunter2@h:x", "is not scheme://user:password@host:port"),
        ("smtps://me:hunter2@[::1", "is not scheme://user:password@host:port"),
        ("smtps://me:hunter2@h:587", "port 587 speaks STARTTLS: write smtp://"),
        ("smtps://me:hunter2\n@h", "holds a control character"),
        ("smtps://me:hunter2%FF@h", "its percent-encoding is not UTF-8"),
        ("smtps://me:hunter2@h?name", "its query is not name=value"),
        ("smtps://me:hunter2@h?nam=x", 'has an unknown parameter, did you mean "name"?'),
        ("smtps://me?hunter2=x", "has an unknown parameter; there are name, starttls, "),
        ("smtps://me:hunter2@h?name=x&name=y", "says name twice"),
        ("smtp+starttls://me:hunter2@h?starttls=never", "says starttls twice"),
        ("smtps://me:hunter2@h?max_connections=x", "max_connections: expected a whole number"),
        ("smtps://me:hunter2@h?method=", 'method: expected "plain"'),
        ("smtps://me@h", "pass: is missing"),
        ("smtps://me:@h", "pass: is empty"),
        ("smtps://:hunter2@h", "user: expected text, not empty"),
        ("smtps://me:hunter2@h?reject_unauthorized=false", "the password would go to whoever"),
        ("smtps://me:hunter2@h?ca_file=nowhere.pem", "ca_file: there is no file"),
        ("smtp://a%20b", "host: is no host name"),
    ],
)
def test_a_mistake_is_told_without_the_password(url: str, message: str) -> None:
    assert message in complaint(url)
