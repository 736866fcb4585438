"""What of `auth` does not go together: a password and a token, a token and the way to get one.

Knows no file and no line, like `contradictions`, which is where these are called.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nexomailer_cli.config.contradiction import Contradiction
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.config.web_address import complaint_about

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.config.settings import SmtpConfig

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_URLS = ("token_url", "authorization_url", "device_url", "revocation_url")
_GIVEN = ("access_token", "access_token_command")
_TOKEN_METHODS = ("xoauth2", "oauthbearer")
_FOR_ALL = ("type", "user", "password", "method")
_FOR_TOKENS = tuple(name for name in Auth.__struct_fields__ if name not in _FOR_ALL)
_TO_GET_ONE = tuple(name for name in _FOR_TOKENS if name not in _GIVEN)
# What a service account's own file says, or what it has no need of.
_NOT_WITH_SERVICE_ACCOUNT = ("client_id", "client_secret", "refresh_token", "grant")


def sign_in(auth: Auth) -> Iterator[Contradiction]:
    """Yield what is wrong with a block by itself."""
    yield from _oauth2(auth) if auth.type == "oauth2" else _login(auth)
    for name in _URLS:
        url = getattr(auth, name)
        if url is not None and (complaint := complaint_about(url)):
            yield Contradiction(complaint, (name,), (name,))
    if _CONTROL.search(auth.user):
        yield Contradiction("holds a control character", ("user",), ("user",))


def method(auth: Auth) -> Iterator[Contradiction]:
    """Yield where a mechanism is asked for that the rest is not made for."""
    if auth.method is not None and (auth.method in _TOKEN_METHODS) != (auth.type == "oauth2"):
        message = f'method = "{auth.method}" does not go with type = "{auth.type}"'
        yield Contradiction(message, ("method",), ("method", "type"))


def token_server(config: SmtpConfig) -> Iterator[Contradiction]:
    """Yield where nobody knows who is to be asked for a token, or for whom."""
    auth = config.auth
    if auth is None or not auth.is_renewable:
        return
    keys = ("auth", "host")
    service = auth.token_service(config.host)
    if service is None and auth.token_url is None and (auth.client_id or auth.service_account_file):
        message = 'add token_url, or service = "google" or "microsoft": who gives the tokens?'
        yield Contradiction(message, ("auth", "type"), keys)
    if service and service.name == "microsoft" and auth.token_url is None:
        yield from _tenant(auth, keys)


def certificate(config: SmtpConfig) -> Iterator[Contradiction]:
    """Yield where there is no certificate to sign in with."""
    if config.auth and config.auth.method == "external" and not config.tls.cert_file:
        message = "signs in with a client certificate: name it in tls.cert_file"
        yield Contradiction(message, ("auth", "method"), ("auth", "tls"))


def _tenant(auth: Auth, keys: tuple[str, ...]) -> Iterator[Contradiction]:
    if auth.grant == "client_credentials" and auth.tenant is None:
        message = 'grant = "client_credentials" needs the tenant, which the application belongs to'
        yield Contradiction(message, ("auth", "grant"), keys)


def _login(auth: Auth) -> Iterator[Contradiction]:
    for name in _surplus(auth, _FOR_TOKENS):
        message = 'is used only with type = "oauth2": add that, or remove it'
        yield Contradiction(message, (name,), ("type", "password", name))
    keys = ("type", "password", "method", *_GIVEN)
    if auth.method == "external":
        if auth.password is not None:
            message = 'is not used with method = "external": remove it'
            yield Contradiction(message, ("password",), keys)
    elif auth.password is None and not any(_surplus(auth, _GIVEN)):
        message = "is missing; pass = { prompt = true } asks for it at the terminal"
        yield Contradiction(message, ("password",), keys)


def _oauth2(auth: Auth) -> Iterator[Contradiction]:
    if auth.password is not None:
        message = 'is not used with type = "oauth2": remove it'
        yield Contradiction(message, ("password",), ("type", "password", *_GIVEN))
    if auth.given_token is not None:
        yield from _given(auth)
    elif auth.service_account_file is not None:
        message = "is not used with service_account_file: remove it"
        yield from _not_used(auth, _NOT_WITH_SERVICE_ACCOUNT, message)
    elif auth.client_id is None:
        message = 'type = "oauth2" needs an access_token, or a client_id to get one with'
        yield Contradiction(message, ("type",), ("type", "client_id", *_GIVEN))
    elif auth.grant == "client_credentials":
        yield from _client_credentials(auth)


def _given(auth: Auth) -> Iterator[Contradiction]:
    yield from _not_used(auth, _TO_GET_ONE, "is not used with an access token that is given")
    if auth.access_token and auth.access_token_command:
        message = "there is an access_token too: remove one"
        yield Contradiction(message, ("access_token_command",), _GIVEN)


def _client_credentials(auth: Auth) -> Iterator[Contradiction]:
    message = 'is not used with grant = "client_credentials": remove it'
    yield from _not_used(auth, ("refresh_token",), message)
    if auth.client_secret is None:
        message = 'grant = "client_credentials" needs a client_secret'
        yield Contradiction(message, ("grant",), ("grant", "client_secret"))


def _not_used(auth: Auth, names: tuple[str, ...], message: str) -> Iterator[Contradiction]:
    for name in _surplus(auth, names):
        yield Contradiction(message, (name,), ("type", name, *_GIVEN))


def _surplus(auth: Auth, names: tuple[str, ...]) -> Iterator[str]:
    """Yield those of `names` that somebody has set."""
    return (name for name in names if getattr(auth, name) is not None)
