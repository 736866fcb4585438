"""Services that give tokens, as far as they are the same for everybody.

Sources: https://accounts.google.com/.well-known/openid-configuration,
https://developers.google.com/identity/protocols/oauth2,
https://learn.microsoft.com/entra/identity-platform/v2-protocols and
https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth.
"""

from __future__ import annotations

from msgspec import Struct


class TokenService(Struct, frozen=True, kw_only=True):
    """Where a service gives tokens, and for what.

    `{tenant}` in a URL is the organisation. `scope` is for a person, `application_scope` for
    a program of its own, `refresh_scope` what has to be said again when a token is renewed.
    `device_url` is empty where no token for mail is given that way. `loopback` is the name
    of this machine that the service sends browsers back to (RFC 8252 section 7.3). `extra` are
    parameters without which it gives no refresh token.
    """

    name: str
    hosts: tuple[str, ...]
    token_url: str
    authorization_url: str
    device_url: str = ""
    revocation_url: str = ""
    scope: str
    application_scope: str = ""
    refresh_scope: str = ""
    loopback: str = "127.0.0.1"
    extra: tuple[tuple[str, str], ...] = ()
    registration: str = ""


_MICROSOFT = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0"

SERVICES = {
    "google": TokenService(
        name="google",
        hosts=("smtp.gmail.com", "smtp.googlemail.com", "smtp-relay.gmail.com"),
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106
        authorization_url="https://accounts.google.com/o/oauth2/v2/auth",
        revocation_url="https://oauth2.googleapis.com/revoke",
        # The device flow is not open to this one.
        scope="https://mail.google.com/",
        extra=(("access_type", "offline"), ("prompt", "consent")),
        registration="https://console.cloud.google.com/apis/credentials (type: desktop app)",
    ),
    "microsoft": TokenService(
        name="microsoft",
        hosts=("smtp.office365.com", "smtp-mail.outlook.com"),
        token_url=f"{_MICROSOFT}/token",
        authorization_url=f"{_MICROSOFT}/authorize",
        device_url=f"{_MICROSOFT}/devicecode",
        scope="https://outlook.office.com/SMTP.Send offline_access",
        refresh_scope="https://outlook.office.com/SMTP.Send offline_access",
        application_scope="https://outlook.office365.com/.default",
        # Its portal registers http://localhost, for every port, and no address.
        loopback="localhost",
        registration="https://entra.microsoft.com (App registrations; public client flows)",
    ),
}


def service_at(host: str) -> TokenService | None:
    """Return the service whose mail server is called `host`, None if it is nobody's."""
    wanted = host.lower().rstrip(".")
    return next((each for each in SERVICES.values() if wanted in each.hosts), None)
