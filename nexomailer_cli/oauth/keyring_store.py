"""Tokens in the system's keyring, where the extra `keyring` is installed and asked for.

Not used by itself wherever it is installed: a keyring that is locked asks somebody to open
it, and a cron job has nobody.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from nexomailer_cli.config import secret_keyring
from nexomailer_cli.oauth.lock import locked
from nexomailer_cli.oauth.store import decoded, encoded
from nexomailer_cli.oauth.token import Token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVICE = "nexomailer"


class KeyringStore:
    """Keeps a token in the keyring; the lock is a file in `folder`."""

    def __init__(self, folder: Path, key: str) -> None:
        self._lock = folder / f"{key}.lock"
        self._key = key

    @property
    def place(self) -> str:
        """The keyring."""
        return "the keyring"

    def locked(self, *, seconds: float) -> contextlib.AbstractContextManager[None]:
        """Hold the lock; a keyring itself has none."""
        return locked(self._lock, seconds=seconds)

    def read(self) -> Token | None:
        """Return the token in the keyring."""
        with _explained():
            kept = secret_keyring.find(SERVICE, self._key)
        return decoded(kept) if kept else None

    def write(self, token: Token) -> None:
        """Replace the token in the keyring."""
        with _explained():
            secret_keyring.keep(SERVICE, self._key, encoded(token).decode())

    def delete(self) -> None:
        """Remove the token from the keyring."""
        with _explained():
            secret_keyring.forget(SERVICE, self._key)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Let a keyring fail as a file does."""
    try:
        yield
    except secret_keyring.KeyringError as error:
        raise OSError(0, str(error)) from None
