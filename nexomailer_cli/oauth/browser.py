"""Sign in with a browser on this machine: authorization code with PKCE (RFC 8252, RFC 7636)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.oauth.client import TokenServer
    from nexomailer_cli.oauth.token import Token

# Time to find a password, a telephone and the number on it.
SECONDS = 300.0


def sign_in(server: TokenServer, *, show: Callable[[str], None], seconds: float) -> Token:
    """Return the token of whoever signs in at the URL that is given to `show`.

    Raises TokenError for a refusal, and for nobody who signs in within `seconds`.
    """
    from nexomailer_cli.oauth.landing import Landing

    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    with Landing(server.grant.loopback, state) as landing:
        uri = landing.redirect_uri
        show(server.authorization_url(state=state, verifier=verifier, redirect_uri=uri))
        try:
            answer = landing.wait(seconds)
        except TimeoutError:
            raise server.too_late() from None
    if "code" not in answer:
        raise server.refusal(answer["error"], answer.get("error_description", ""))
    return server.code(answer["code"], verifier=verifier, redirect_uri=uri)
