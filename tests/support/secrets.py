"""Looks for secrets in what anybody can see, in every form that they come in."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from urllib.parse import quote, quote_plus


def forms(secret: str) -> set[str]:
    """Return a secret as it is, in base64 at each offset, and as a URL has it."""
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    for offset in range(3):
        # Behind other text base64 looks another way; its first and last letters depend on that.
        padded = b"\0" * offset + secret.encode()
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(padded).decode().rstrip("=")[4 if offset else 0 : -2])
    return found


def found_in(shown: str, secrets: Iterable[str]) -> list[str]:
    """Return the forms of `secrets` that are in `shown`."""
    return [form for secret in secrets for form in forms(secret) if form in shown]
