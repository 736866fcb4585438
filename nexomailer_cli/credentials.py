"""Who signs in at a provider: the secrets of its configuration become credentials.

Nothing is looked up before it is needed, and then for this provider only. An access token
that can be renewed comes from `oauth`; everything else from `config.secrets`.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from nexomailer_cli.errors import Problem, SecretError
from nexomailer_cli.smtp.auth import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from nexomailer_cli.config.proxy import Proxy
    from nexomailer_cli.config.secrets import Secret
    from nexomailer_cli.config.settings import Provider
    from nexomailer_cli.config.sign_in import Auth
    from nexomailer_cli.oauth.client import TokenServer
    from nexomailer_cli.oauth.grant import Grant
    from nexomailer_cli.oauth.store import Store
    from nexomailer_cli.oauth.tokens import Tokens

    Lookup = Callable[[Secret, str], str]


class Wallet:
    """What signs in at one provider.

    `prompt` asks a person, `warn` is told what is careless, `blocking` is entered while something
    is looked up, which may take long.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        env: Mapping[str, str],
        prompt: Callable[[str], str] | None,
        warn: Callable[[str], None] | None,
        blocking: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._provider = provider
        self._env = env
        self._prompt = prompt
        self._warn = warn
        self._blocking = blocking
        self._looked_up: dict[str, str] = {}

    @property
    def _auth(self) -> Auth | None:
        return self._provider.config.auth

    @property
    def is_renewable(self) -> bool:
        """Whether another access token can be had where one is refused."""
        return self._auth is not None and self._auth.is_renewable

    @property
    def changes(self) -> bool:
        """Whether what signs in later may be another than what signs in now."""
        token = self._auth.given_token if self._auth else None
        return self.is_renewable or (token is not None and token.kind in ("command", "file"))

    def credentials(self, *, seconds: float, rejected: str = "") -> Credentials | None:
        """Return who signs in, None if nobody does; `rejected` is a token that is of no use.

        Raises SecretError, and of that TokenError where a token server is to blame.
        """
        auth = self._auth
        if auth is None:
            return None
        with self._blocking():
            password, token = self._secrets(auth, seconds, rejected)
        return Credentials(auth.user, password=password, token=token, method=auth.method or "")

    def proxy(self, *, seconds: float) -> Proxy | None:
        """Return the proxy on the way, None if there is none; raise SecretError."""
        secret = self._provider.config.proxy
        if secret is None:
            return None
        from nexomailer_cli.config.proxy import read_proxy

        with self._blocking():
            url = self._looked_up_for("proxy", secret, "proxy", seconds)
        try:
            return read_proxy(url)
        except ValueError as error:
            label = f"proxy of provider {self._provider.name}"
            raise SecretError(Problem(str(error), key=label)) from None

    def _secrets(self, auth: Auth, seconds: float, rejected: str) -> tuple[str, str]:
        if auth.type == "login":
            return self._resolved(auth.password, "password", seconds), ""
        if auth.given_token is not None:
            return "", self._resolved(auth.given_token, "access token", seconds)
        return "", self.tokens.access_token(seconds=seconds, rejected=rejected)

    def _resolved(self, secret: Secret | None, what: str, seconds: float = float("inf")) -> str:
        if secret is None:
            return ""
        user = self._auth.user if self._auth else ""
        return self._looked_up_for(user, secret, what, seconds)

    def _looked_up_for(self, user: str, secret: Secret, what: str, seconds: float) -> str:
        """Return a secret's value; `user` is whose it is in a keyring."""
        from nexomailer_cli.config.secrets import resolve

        return resolve(
            secret.of(user),
            env=self._env,
            prompt=self._prompt,
            label=f"{what} of provider {self._provider.name}",
            warn=self._warn,
            patience=seconds,
        )

    def _once(self, secret: Secret | None, what: str) -> str:
        """Return a secret that a run asks for once, however often a token is renewed."""
        if what not in self._looked_up:
            self._looked_up[what] = self._resolved(secret, what)
        return self._looked_up[what]

    # --- tokens --------------------------------------------------------------------------

    @cached_property
    def grant(self) -> Grant:
        """How tokens are had, where they can be renewed."""
        from nexomailer_cli.oauth.grant import grant_of

        return grant_of(self._provider)

    @cached_property
    def store(self) -> Store:
        """Where they are kept."""
        from nexomailer_cli.oauth.store import FileStore, Nowhere
        from nexomailer_cli.state_folder import state_folder

        try:
            folder = state_folder(self._env) / "tokens"
        except RuntimeError:
            return Nowhere()
        if self._auth is not None and self._auth.token_store == "keyring":  # noqa: S105
            from nexomailer_cli.oauth.keyring_store import KeyringStore

            return KeyringStore(folder, self.grant.key)
        return FileStore(folder, self.grant.key, self._told)

    @cached_property
    def tokens(self) -> Tokens:
        """What renews them."""
        from nexomailer_cli.oauth.tokens import Tokens

        auth = self._auth
        assert auth is not None
        return Tokens(
            self.grant,
            self.store,
            server=self.token_server,
            refresh_token=lambda: self._once(auth.refresh_token, "refresh token"),
            warn=self._told,
        )

    def token_server(self, seconds: float) -> TokenServer:
        """Return who gives them; a request may take `seconds`, and no longer than usual."""
        from nexomailer_cli.oauth.client import TokenServer
        from nexomailer_cli.oauth.web import SECONDS

        assert self._auth is not None
        return TokenServer(
            grant=self.grant,
            client_secret=self._once(self._auth.client_secret, "client secret"),
            seconds=min(seconds, SECONDS),
        )

    def _told(self, words: str) -> None:
        if self._warn is not None:
            self._warn(words)
