"""Takes secrets out of text: servers have quoted in an error what they were sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def unsaid(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with every form of every secret replaced."""
    for secret in secrets:
        for form in _forms(secret) if secret else ():
            text = text.replace(form, "***")
    return text


def _forms(secret: str) -> Iterator[str]:
    import base64
    from urllib.parse import quote, quote_plus

    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield base64.b64encode(secret.encode()).decode().rstrip("=")
    yield base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")
