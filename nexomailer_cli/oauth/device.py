"""Sign in with a browser on another machine: a code is typed there (RFC 8628)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from nexomailer_cli.config.web_address import complaint_about
from nexomailer_cli.errors import TokenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.oauth.client import TokenServer
    from nexomailer_cli.oauth.token import Token

USUAL_INTERVAL = 5.0  # seconds; RFC 8628 section 3.2
SHORTEST_INTERVAL = 0.1
LONGEST_INTERVAL = 60.0
SLOWER = 5.0  # seconds; RFC 8628 section 3.5
LONGEST_LIFE = 3600.0


class DeviceCode(Struct, frozen=True, kw_only=True):
    """What a person is told, and what the device asks with in the meantime; in seconds."""

    device_code: str
    user_code: str
    url: str
    lives: float
    interval: float

    def __repr__(self) -> str:
        return f"DeviceCode({self.url!r}, ***)"


def ask_for_code(server: TokenServer) -> DeviceCode:
    """Return the code that a person is to type; raise TokenError."""
    said = server.device_authorization()
    try:
        return _read(said)
    except (KeyError, ValueError, TypeError):
        raise server.nonsense() from None


def sign_in(
    server: TokenServer,
    code: DeviceCode,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Token:
    """Return the token, once somebody has typed the code; raise TokenError."""
    until = now() + code.lives
    interval = code.interval
    while now() + interval < until:
        sleep(interval)
        try:
            return server.device_token(code.device_code)
        except TokenError as error:
            # A server that is out of order is asked less often too (RFC 8628 section 3.5).
            if error.reason != "oauth-unavailable":
                raise
            interval += 0.0 if error.code == "authorization_pending" else SLOWER
    raise server.too_late()


def _read(said: dict[str, Any]) -> DeviceCode:
    # What Google called it before there was an RFC.
    url = said.get("verification_uri") or said["verification_url"]
    code = DeviceCode(
        device_code=str(said["device_code"]),
        user_code=str(said["user_code"]),
        url=str(url),
        lives=min(float(said["expires_in"]), LONGEST_LIFE),
        interval=_within(float(said.get("interval", USUAL_INTERVAL))),
    )
    if complaint_about(code.url):
        raise ValueError
    return code


def _within(interval: float) -> float:
    return max(SHORTEST_INTERVAL, min(interval, LONGEST_INTERVAL))
