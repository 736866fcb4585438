"""The protocol of RFC 6749 and its kin, as authlib has it, against one token server.

What is added here: whatever goes wrong becomes one TokenError that says whose failure it is
and quotes no secret, and what a server says is believed only as far as it is a token.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from nexomailer_cli.errors import TokenError
from nexomailer_cli.oauth.token import Token
from nexomailer_cli.oauth.unsaid import unsaid
from nexomailer_cli.oauth.web import SECONDS, Answer, Session, WebError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nexomailer_cli.oauth.grant import Grant

MAX_SAID = 300  # characters of a server's explanation
LONGEST_SECONDS = 31_536_000 * 10  # a token that says it lives longer does not say anything
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628 section 3.4
BEARER_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"  # RFC 7523 section 2.1

_NONSENSE = "its answer is no OAuth 2.0"

# RFC 6749 section 5.2, RFC 8628 section 3.5: what will be otherwise in a while.
_PASSING = ("temporarily_unavailable", "server_error", "slow_down", "authorization_pending")
# What was given to this user, and is not any more.
_OF_USER = ("invalid_grant", "access_denied", "expired_token", "interaction_required")


class TokenServer(Struct, frozen=True, kw_only=True):
    """One server that gives tokens for one grant. Each request has `seconds`."""

    grant: Grant
    client_secret: str = ""
    seconds: float = SECONDS
    now: Callable[[], float] = time.time

    def __repr__(self) -> str:
        return f"TokenServer({self.grant.token_url!r})"

    def refresh(self, refresh_token: str) -> Token:
        """Return a new access token, and the refresh token to use from now on."""
        scope = self.grant.refresh_scope or None

        def ask(client: Any) -> Any:
            return client.refresh_token(
                self.grant.token_url, refresh_token=refresh_token, **_given(scope=scope)
            )

        return self._token(ask, refresh_token)

    def client_credentials(self) -> Token:
        """Return a token for the application itself (RFC 6749 section 4.4)."""
        return self._fetch("client_credentials", **_given(scope=self.grant.scope))

    def assertion(self, signed: str) -> Token:
        """Return a token for what a key has signed (RFC 7523 section 2.1)."""
        return self._fetch(BEARER_GRANT, signed, assertion=signed)

    def code(self, code: str, *, verifier: str, redirect_uri: str) -> Token:
        """Return a token for the code that a browser came back with (RFC 7636 section 4.5)."""
        return self._fetch(
            "authorization_code",
            code,
            verifier,
            code=code,
            code_verifier=verifier,
            redirect_uri=redirect_uri,
        )

    def device_authorization(self) -> dict[str, str | int | float]:
        """Return what RFC 8628 section 3.2 has a server say to a device."""
        with self._explained(), self._client() as client:
            answer: Answer = client.session.post(
                self.grant.device_url,
                data=_given(scope=self.grant.scope),
                headers={"Accept": "application/json"},
                auth=client.client_auth(self._method),
            )
            return _no_error(answer)

    def device_token(self, device_code: str) -> Token:
        """Return the token for a device, once somebody has approved it (RFC 8628 section 3.5)."""
        return self._fetch(DEVICE_GRANT, device_code, device_code=device_code)

    def revoke(self, token: str) -> None:
        """Give a token back (RFC 7009)."""
        with self._explained(token), self._client() as client:
            answer: Answer = client.revoke_token(self.grant.revocation_url, token=token)
            if answer.status_code != 200:
                answer.raise_for_status()
                _no_error(answer)

    def authorization_url(self, *, state: str, verifier: str, redirect_uri: str) -> str:
        """Return where the browser is sent (RFC 6749 section 4.1.1, RFC 7636 section 4.3)."""
        with self._client() as client:
            url, _ = client.create_authorization_url(
                self.grant.authorization_url,
                state=state,
                code_verifier=verifier,
                redirect_uri=redirect_uri,
                login_hint=self.grant.user,
                **dict(self.grant.extra),
                **_given(scope=self.grant.scope),
            )
        return str(url)

    def refusal(self, code: str, description: str) -> TokenError:
        """Return the error for what a server says by way of the browser."""
        return self._error(_reason(code), _refuses(code, description), code)

    def too_late(self) -> TokenError:
        """Return the error for nobody who signs in."""
        return self._error("oauth-refused", "nobody has signed in within the time", "")

    def nonsense(self) -> TokenError:
        """Return the error for an answer that is none."""
        return self._error("oauth-nonsense", _NONSENSE, "")

    def _fetch(self, grant_type: str, *secrets: str, **parameters: Any) -> Token:
        def ask(client: Any) -> Any:
            return client.fetch_token(self.grant.token_url, grant_type=grant_type, **parameters)

        return self._token(ask, *secrets)

    def _token(self, ask: Callable[[Any], Any], *secrets: str) -> Token:
        with self._explained(*secrets), self._client() as client:
            return _read(ask(client), self.now())

    @contextlib.contextmanager
    def _client(self) -> Iterator[Any]:
        from authlib.oauth2.client import OAuth2Client

        from nexomailer_cli import __version__

        yield OAuth2Client(
            Session(self.seconds, f"nexomailer/{__version__}"),
            client_id=self.grant.client_id or None,
            client_secret=self.client_secret or None,
            # RFC 6749 section 2.3.1 would rather have a header; what servers take is this.
            token_endpoint_auth_method=self._method,
            revocation_endpoint_auth_method=self._method,
            code_challenge_method="S256",
        )

    @property
    def _method(self) -> str | Callable[..., Any]:
        if not self.grant.client_id:
            return _as_it_is  # an assertion says itself whose it is
        return "client_secret_post" if self.client_secret else "none"

    @contextlib.contextmanager
    def _explained(self, *secrets: str) -> Iterator[None]:
        """Turn whatever is raised into one TokenError that quotes no secret."""
        from authlib.common.errors import AuthlibBaseError

        reason = said = code = ""
        try:
            yield
        except WebError as error:
            reason, said = error.reason, str(error)
        except AuthlibBaseError as error:
            reason, said, code = _reason(error.error), "", error.error
            said = _refuses(error.error, error.description)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            reason, said = "oauth-nonsense", _NONSENSE
        if reason:
            # Outside of the handlers: nothing that could quote is even a context.
            raise self._error(reason, unsaid(said, (self.client_secret, *secrets)), code)

    def _error(self, reason: str, said: str, code: str) -> TokenError:
        from urllib.parse import urlsplit

        host = printable(urlsplit(self.grant.token_url).netloc)
        key = f"access token of provider {printable(self.grant.provider)}"
        # Shortened last: half a secret is still one, and not found any more.
        return TokenError(f"{host}: {said[:MAX_SAID]}", key=key, reason=reason, code=code)


def _as_it_is(_: object, _method: str, url: str, headers: Any, body: str) -> tuple[str, Any, str]:
    return url, headers, body


def _given(**parameters: str | None) -> dict[str, str]:
    """Return the parameters that are something."""
    return {name: value for name, value in parameters.items() if value}


def _reason(code: object) -> str:
    if code in _PASSING:
        return "oauth-unavailable"
    return "oauth-refused" if code in _OF_USER else "oauth-client"


def _refuses(code: object, description: object) -> str:
    words = f"{code}: {description}" if description else str(code)
    return f"it refuses: {printable(words)}"


def _no_error(answer: Answer) -> dict[str, str | int | float]:
    """Return what an answer holds; raise what authlib raises where that is an error."""
    from authlib.oauth2 import OAuth2Error

    answer.raise_for_status()
    said = answer.json()
    if "error" in said:
        raise OAuth2Error(error=str(said["error"]), description=said.get("error_description"))
    if answer.status_code != 200:
        raise ValueError
    return said


def _read(said: Any, now: float) -> Token:
    """Return the token in an answer (RFC 6749 section 5.1); raise ValueError if there is none."""
    access_token, refresh_token = said["access_token"], said.get("refresh_token") or ""
    if str(said.get("token_type", "bearer")).lower() != "bearer":
        raise ValueError
    for secret in (access_token, refresh_token):
        # RFC 6750 section 2.1 and RFC 6749 appendix A.17: a line end would end the command.
        if not isinstance(secret, str) or not secret.isascii() or not secret.isprintable():
            raise ValueError
    if not access_token:
        raise ValueError
    seconds = float(said.get("expires_in") or 0)
    return Token(
        access_token=access_token,
        obtained_at=now,
        expires_at=now + seconds if 0 < seconds < LONGEST_SECONDS else None,
        refresh_token=refresh_token,
    )
