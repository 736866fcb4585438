"""What is kept for a provider that signs in with access tokens, in words and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from nexomailer_cli.config.settings import Provider
    from nexomailer_cli.credentials import Wallet
    from nexomailer_cli.oauth.grant import Grant
    from nexomailer_cli.oauth.token import Token


class Kept(Struct, frozen=True):
    """A grant, the token of it that is kept, and where; `renews` says without a person."""

    grant: Grant
    token: Token | None
    place: str
    renews: bool

    @property
    def is_signed_in(self) -> bool:
        """Whether there is a way to a token without a person."""
        return self.renews or self.token is not None


def looked_up(provider: Provider, wallet: Wallet) -> Kept:
    """Return what is kept for a provider; raise SecretError for a keyring that is none."""
    token, auth = wallet.tokens.kept(), provider.config.auth
    renews = (
        wallet.grant.kind != "refresh_token"
        or (auth is not None and auth.refresh_token is not None)
        or bool(token and token.refresh_token)
    )
    return Kept(wallet.grant, token, wallet.store.place, renews)


def line(kept: Kept, now: float) -> str:
    """Return one line for people."""
    name, user = printable(kept.grant.provider), printable(kept.grant.user)
    if not kept.is_signed_in:
        return f"{name}: nobody is signed in; nexomailer auth login {name}"
    words = [f"{name}: {user}", _access(kept.token, now)]
    words.append("renewed by itself" if kept.renews else "cannot be renewed")
    return ", ".join(words) + f" ({kept.place})"


def _access(token: Token | None, now: float) -> str:
    if token is None:
        return "no access token yet"
    if token.expires_at is None:
        return "access token without an end"
    left = token.expires_at - now
    return f"access token for {left / 60:.0f} min" if left > 0 else "access token expired"


def as_object(found: list[Kept], exit_code: int, now: float) -> dict[str, Any]:
    """Return the object of `--json`; no token is in it."""
    return {
        "schema": "nexomailer.auth-status/1",
        "providers": [_as_object(each, now) for each in found],
        "exit_code": exit_code,
    }


def _as_object(kept: Kept, now: float) -> dict[str, Any]:
    token = kept.token
    expires = token.expires_at if token else None
    return {
        "provider": kept.grant.provider,
        "user": kept.grant.user,
        "grant": kept.grant.kind,
        "signed_in": kept.is_signed_in,
        "renews": kept.renews,
        "store": kept.place,
        "access_token": token is not None and token.is_valid(now),
        "expires_in_s": None if expires is None else round(expires - now),
    }
