"""What a provider's tokens are asked for with, and where: its keys and those of its service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from nexomailer_cli.oauth.token import fingerprint

if TYPE_CHECKING:
    from nexomailer_cli.config.settings import Provider
    from nexomailer_cli.config.sign_in import Auth
    from nexomailer_cli.config.token_services import TokenService

Kind = Literal["refresh_token", "client_credentials", "service_account"]


class Grant(Struct, frozen=True, kw_only=True):
    """How a provider's tokens are had (RFC 6749 section 4, RFC 7523); holds no secret.

    `provider` is its name in the configuration, `host` its mail server. A URL is empty where
    there is nothing of the kind. `loopback` and `extra` are as in `config.token_services`.
    """

    provider: str
    host: str
    kind: Kind
    user: str
    service: str
    token_url: str
    authorization_url: str
    device_url: str
    revocation_url: str
    client_id: str
    scope: str
    refresh_scope: str
    loopback: str
    extra: tuple[tuple[str, str], ...]
    registration: str
    service_account_file: str

    @property
    def key(self) -> str:
        """The name under which tokens are kept: the same for whoever asks for the same.

        The mail server is part of it: a configuration of somebody else, found in a folder, must
        not have our token sent to a server of his.
        """
        parts = (self.host, self.kind, self.user, self.token_url, self.client_id, self.scope)
        return fingerprint("\0".join((*parts, self.service_account_file)))[:32]


def grant_of(provider: Provider) -> Grant:
    """Return how the tokens of a provider whose `auth` is renewable are had."""
    auth = provider.config.auth
    assert auth is not None
    service = auth.token_service(provider.config.host)
    kind = _kind(auth)
    return Grant(
        provider=provider.name,
        host=(provider.config.socket or provider.config.host).lower(),
        kind=kind,
        user=auth.user,
        service=service.name if service else "",
        token_url=_url("token_url", auth, service),
        authorization_url=_url("authorization_url", auth, service),
        device_url=_url("device_url", auth, service),
        revocation_url=_url("revocation_url", auth, service),
        client_id=auth.client_id or "",
        scope=auth.scope or _scope(kind, service),
        refresh_scope=auth.scope or (service.refresh_scope if service else ""),
        loopback=service.loopback if service else "127.0.0.1",
        extra=service.extra if service else (),
        registration=service.registration if service else "",
        service_account_file=auth.service_account_file or "",
    )


def _kind(auth: Auth) -> Kind:
    return "service_account" if auth.service_account_file else auth.grant or "refresh_token"


def _scope(kind: Kind, service: TokenService | None) -> str:
    if service is None:
        return ""
    is_application = kind == "client_credentials" and service.application_scope
    return service.application_scope if is_application else service.scope


def _url(name: str, auth: Auth, service: TokenService | None) -> str:
    """Return the configured URL; that of the service only where no server of its own is named."""
    from urllib.parse import quote

    own: str | None = getattr(auth, name)
    if own is not None:
        return own
    if service is None or (auth.token_url is not None and auth.service is None):
        return ""
    known: str = getattr(service, name)
    return known.replace("{tenant}", quote(auth.tenant or "common", safe=""))
