"""Who signs in, and with what: the keys of `auth`.

A password, a certificate, or a token; and where tokens come from, if they are not simply
given. Which of these go together is said in `sign_in_rules`, what is known of the
services that give tokens in `token_services`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct, field

from nexomailer_cli.config.secrets import Secret

if TYPE_CHECKING:
    from nexomailer_cli.config.token_services import TokenService

Text = Annotated[str, Meta(min_length=1)]


class Auth(Struct, frozen=True, kw_only=True):
    """Who signs in, and with what."""

    type: Annotated[
        Literal["login", "oauth2"],
        Meta(description="login signs in with a password, oauth2 with an access token."),
    ] = "login"
    user: Annotated[
        str, Meta(min_length=1, description="User name, often the whole e-mail address.")
    ]
    password: Annotated[
        Secret | None,
        Meta(
            description="Password: text, or a table of env, file, command, keyring or prompt.",
            extra={"aliases": ["password"]},
        ),
    ] = field(default=None, name="pass")
    access_token: Annotated[
        Secret | None,
        Meta(description="OAuth 2.0 access token, written like a password."),
    ] = None
    access_token_command: Annotated[
        Secret | None,
        Meta(
            description="Command that prints an access token, as a list; there is no shell.",
            extra={"command": True},
        ),
    ] = None
    method: Annotated[
        Literal["plain", "login", "cram-md5", "scram-sha-256", "external", "xoauth2", "oauthbearer"]
        | None,
        Meta(
            description="Mechanism, such as plain, scram-sha-256 or xoauth2; default: the best one."
        ),
    ] = None
    service: Annotated[
        Literal["google", "microsoft"] | None,
        Meta(description="google or microsoft: who gives the tokens; default: the host tells."),
    ] = None
    tenant: Annotated[
        Text | None,
        Meta(description="Microsoft's name or id of the organisation; default: common."),
    ] = None
    grant: Annotated[
        Literal["refresh_token", "client_credentials"] | None,
        Meta(
            description="refresh_token or client_credentials: what a token is given for;"
            " default: the first."
        ),
    ] = None
    client_id: Annotated[
        Text | None,
        Meta(description="Id of the application that you have registered with the service."),
    ] = None
    client_secret: Annotated[
        Secret | None,
        Meta(description="Its secret, if it has one, written like a password."),
    ] = None
    refresh_token: Annotated[
        Secret | None,
        Meta(description="Refresh token, written like a password; default: that of `auth login`."),
    ] = None
    scope: Annotated[
        Text | None,
        Meta(description="What the token is for, names with blanks between; default: the service."),
    ] = None
    token_url: Annotated[
        Text | None,
        Meta(
            description="Where tokens are given, with a service of your own.",
            extra={"aliases": ["access_url", "accessUrl"]},
        ),
    ] = None
    authorization_url: Annotated[
        Text | None,
        Meta(description="Where `auth login` sends the browser, with a service of your own."),
    ] = None
    device_url: Annotated[
        Text | None,
        Meta(description="Where `auth login --device` asks, with a service of your own."),
    ] = None
    revocation_url: Annotated[
        Text | None,
        Meta(description="Where `auth logout` gives tokens back, with a service of your own."),
    ] = None
    service_account_file: Annotated[
        str | None,
        Meta(
            description="JSON file with the key of a Google service account that acts for user.",
            extra={"file": True},
        ),
    ] = None
    token_store: Annotated[
        Literal["file", "keyring"] | None,
        Meta(description="file or keyring: where tokens are kept between runs; default: a file."),
    ] = None

    @property
    def given_token(self) -> Secret | None:
        """The access token, where somebody else sees to it."""
        return self.access_token or self.access_token_command

    @property
    def is_renewable(self) -> bool:
        """Whether a token server is asked for access tokens."""
        return self.type == "oauth2" and self.given_token is None

    def token_service(self, host: str) -> TokenService | None:
        """Return what is known of the service whose mail server is called `host`."""
        from nexomailer_cli.config.token_services import SERVICES, service_at

        return SERVICES[self.service] if self.service else service_at(host)
