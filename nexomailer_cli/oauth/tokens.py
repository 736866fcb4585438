"""One provider's access token, whenever it is needed: kept, renewed in time, never by two at once.

Two processes that renew with the same refresh token would use it up twice, which servers
take for a theft. So whoever renews holds a lock, looks again at what is kept, and keeps
what it got before anybody else looks.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec import structs

from nexomailer_cli.errors import Problem, SecretError, TokenError
from nexomailer_cli.oauth.token import Token, fingerprint
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.oauth.client import TokenServer
    from nexomailer_cli.oauth.grant import Grant
    from nexomailer_cli.oauth.store import Store

    Warn = Callable[[str], None]


class Tokens:
    """The tokens of one grant.

    `server` is called with the seconds that it may take, `refresh_token` for the configured
    one (empty if there is none); both may resolve secrets, so only when a token is renewed.
    """

    def __init__(
        self,
        grant: Grant,
        store: Store,
        *,
        server: Callable[[float], TokenServer],
        refresh_token: Callable[[], str],
        warn: Warn,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._grant = grant
        self._store = store
        self._server = server
        self._refresh_token = refresh_token
        self._warn = warn
        self._now = now
        self._had: Token | None = None  # in this run, where it cannot be kept

    def access_token(self, *, seconds: float, rejected: str = "") -> str:
        """Return an access token that will live long enough, and is not the `rejected` one.

        Raises TokenError, and SecretError for what has to be resolved to get one.
        """
        token = self.kept()
        if token is None or not self._serves(token, rejected):
            token = self._settled(rejected, time.monotonic() + seconds)
        return token.access_token

    def kept(self) -> Token | None:
        """Return what is kept, whatever its state; raise SecretError where that is unknown."""
        try:
            kept = self._store.read()
        except OSError as error:
            raise self._unusable(error) from None
        had = [token for token in (kept, self._had) if token is not None]
        return max(had, key=lambda token: token.obtained_at, default=None)

    def _unusable(self, error: OSError) -> SecretError:
        words = f"{self._store.place}: {printable(error.strerror or type(error).__name__)}"
        return SecretError(Problem(words, key=self._key))

    @property
    def _key(self) -> str:
        return f"access token of provider {printable(self._grant.provider)}"

    def _serves(self, token: Token, rejected: str) -> bool:
        return token.is_fresh(self._now()) and token.access_token != rejected

    def _settled(self, rejected: str, until: float) -> Token:
        """Return a token of use, renewed if nobody else has done so meanwhile."""
        try:
            with self._store.locked(seconds=until - time.monotonic()):
                token = self.kept()
                if token is not None and self._serves(token, rejected):
                    return token
                return self._renewed(token, rejected, until)
        except TimeoutError:
            message = "another process is renewing it, and does not come to an end"
            raise TokenError(message, key=self._key, reason="oauth-unavailable") from None
        except OSError:
            # Without a place to keep tokens every run asks for its own.
            return self._renewed(self.kept(), rejected, until)

    def _renewed(self, token: Token | None, rejected: str, until: float) -> Token:
        try:
            new = self._asked_for(token, until)
        except TokenError as error:
            is_good = token is not None and token.is_valid(self._now())
            if error.reason != "oauth-unavailable" or not is_good:
                raise
            assert token is not None
            if token.access_token == rejected:
                raise
            return token  # it has a minute left, and the server may be back then
        self._keep(new, token)
        return new

    def _asked_for(self, token: Token | None, until: float) -> Token:
        if self._grant.kind == "refresh_token":
            return self._refreshed(token, until)
        if self._grant.kind == "client_credentials":
            return self._server_for(until).client_credentials()
        return self._server_for(until).assertion(self._signed())

    def _server_for(self, until: float) -> TokenServer:
        return self._server(max(0.0, until - time.monotonic()))

    def _signed(self) -> str:
        from nexomailer_cli.oauth.service_account import read_service_account

        account = read_service_account(self._grant, self._warn)
        try:
            return account.signed(self._grant, self._now())
        except ValueError as error:
            raise SecretError(Problem(str(error), key=self._key)) from None

    def _refreshed(self, token: Token | None, until: float) -> Token:
        configured = self._refresh_token()
        origin = fingerprint(configured) if configured else ""
        # A configured one that has been replaced counts more than what came of the old one.
        kept = token.refresh_token if token is not None and token.origin == origin else ""
        used = kept or configured
        if not used:
            message = "nobody has signed in yet"
            raise TokenError(message, key=self._key, reason="oauth-no-login")
        new = self._server_for(until).refresh(used)
        return structs.replace(new, refresh_token=new.refresh_token or used, origin=origin)

    def _keep(self, new: Token, old: Token | None) -> None:
        self._had = new
        try:
            self._store.write(new)
        except OSError as error:
            if _is_rotated(new, old):
                said = printable(error.strerror or type(error).__name__)
                self._warn(
                    f"{self._key}: the new refresh token cannot be kept in "
                    f"{self._store.place}: {said}; the old one may be used up"
                )


def _is_rotated(new: Token, old: Token | None) -> bool:
    """Whether the server has replaced the refresh token, the configured one or a later one."""
    is_known = old is not None and new.refresh_token == old.refresh_token
    is_configured = fingerprint(new.refresh_token) == new.origin
    return bool(new.refresh_token) and not is_known and not is_configured
