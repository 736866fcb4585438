"""An access token with what belongs to it. A value: asking for one is `client`'s business."""

from __future__ import annotations

from msgspec import Struct

# A message is not signed in for in the last minute of a token's life.
LEEWAY_SECONDS = 60.0


class Token(Struct, frozen=True, kw_only=True):
    """What a token server gave; times are seconds since 1970.

    `expires_at` is `None` where it did not say. `origin` is the fingerprint of the
    configured refresh token that this one descends from, empty after `auth login`.
    """

    access_token: str
    obtained_at: float
    expires_at: float | None = None
    refresh_token: str = ""
    origin: str = ""

    def __repr__(self) -> str:
        return "Token(***)"

    def is_valid(self, now: float) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or now < self.expires_at

    def is_fresh(self, now: float) -> bool:
        """Whether it will not expire before it has been of use."""
        if self.expires_at is None:
            return True
        leeway = min(LEEWAY_SECONDS, (self.expires_at - self.obtained_at) / 10)
        return now < self.expires_at - leeway


def fingerprint(secret: str) -> str:
    """Return what tells one secret from another, and does not tell the secret."""
    import hashlib

    return hashlib.sha256(b"nexomailer\0" + secret.encode()).hexdigest()
