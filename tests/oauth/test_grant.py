from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.settings import Provider, SmtpConfig
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.oauth.client import TokenServer
from nexomailer_cli.oauth.grant import Grant, grant_of


def grant(host: str, **keys: Any) -> Grant:
    auth = Auth(type="oauth2", user="me@a.test", client_id="id", **keys)
    return grant_of(Provider(name="main", config=SmtpConfig(host=host, auth=auth)))


def test_google_is_known_by_its_host() -> None:
    found = grant("smtp.gmail.com")
    url = TokenServer(grant=found).authorization_url(
        state="s", verifier="v" * 43, redirect_uri="http://127.0.0.1:1"
    )
    assert found.token_url == "https://oauth2.googleapis.com/token"
    assert found.device_url == ""
    query = parse_qs(urlsplit(url).query)
    assert url.startswith("https://accounts.google.com/o/oauth2/v2/auth?")
    # Without these two Google gives a refresh token only the first time, or never.
    assert (query["access_type"], query["prompt"]) == (["offline"], ["consent"])
    assert query["scope"] == ["https://mail.google.com/"]
    assert query["code_challenge_method"] == ["S256"]


def test_microsoft_has_tenants() -> None:
    found = grant("smtp.office365.com", tenant="a.test/x")
    common = grant("smtp.example.com", service="microsoft")
    assert found.token_url == "https://login.microsoftonline.com/a.test%2Fx/oauth2/v2.0/token"
    assert common.device_url == "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode"
    assert found.loopback == "localhost"
    assert "offline_access" in found.scope


def test_an_application_asks_for_another_scope() -> None:
    secret = Secret("text", ("x",))
    found = grant(
        "smtp.office365.com", tenant="t", grant="client_credentials", client_secret=secret
    )
    assert found.scope == "https://outlook.office365.com/.default"


def test_a_token_server_of_ones_own_gets_nothing_of_the_service() -> None:
    found = grant("smtp.gmail.com", token_url="https://login.a.test/token")
    assert found.revocation_url == found.authorization_url == ""


def test_tokens_are_kept_apart_by_what_they_are_for() -> None:
    keys = {
        grant("smtp.gmail.com").key,
        grant("smtp.gmail.com", scope="x").key,
        grant("smtp.office365.com").key,
        grant("smtp.office365.com", tenant="t").key,
    }
    assert len(keys) == 4
    assert grant("smtp.gmail.com").key == grant("SMTP.gmail.com").key


def test_nothing_secret_is_in_a_repr() -> None:
    server = TokenServer(grant=grant("smtp.gmail.com"), client_secret="hunter2")
    assert "hunter2" not in repr(server)
