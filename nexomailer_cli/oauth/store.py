"""Where tokens are kept between runs: one file for each grant, for its owner only.

A file is replaced whole, so a process that dies leaves the old token or the new one. Who
writes holds the lock.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

import msgspec

from nexomailer_cli.oauth.lock import locked
from nexomailer_cli.oauth.token import Token
from nexomailer_cli.printable import printable
from nexomailer_cli.whole_file import read_whole, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_BYTES = 256 * 1024


class Store(Protocol):
    """One token's place."""

    @property
    def place(self) -> str:
        """What people call it."""
        ...

    def locked(self, *, seconds: float) -> contextlib.AbstractContextManager[None]:
        """Keep others from writing; raise TimeoutError or OSError."""
        ...

    def read(self) -> Token | None:
        """Return what is there, None if that is nothing, or nothing of use."""
        ...

    def write(self, token: Token) -> None:
        """Put `token` there, whole or not at all; raise OSError."""
        ...

    def delete(self) -> None:
        """See to it that nothing is there; raise OSError."""
        ...


class FileStore:
    """Keeps a token in a file of `folder`. `warn` is told what is wrong with it."""

    def __init__(self, folder: Path, key: str, warn: Callable[[str], None]) -> None:
        self._path = folder / f"{key}.json"
        self._lock = folder / f"{key}.lock"
        self._warn = warn
        self._told: set[str] = set()

    @property
    def place(self) -> str:
        """The file's path."""
        return printable(str(self._path))

    def locked(self, *, seconds: float) -> contextlib.AbstractContextManager[None]:
        """Hold the lock beside the file."""
        return locked(self._lock, seconds=seconds)

    def read(self) -> Token | None:
        """Return the token in the file."""
        try:
            # Whoever could put a link there would have us send a token of his choice.
            content, mode = read_whole(self._path, limit=MAX_BYTES, follows_links=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._remark(f"cannot be read: {error.strerror}")
            return None
        if mode & 0o077:
            self._remark(f"others can read this token: chmod 600 it (mode {mode:04o})")
        token = decoded(content)
        if token is None:
            self._remark("is damaged, and not used")
        return token

    def _remark(self, words: str) -> None:
        # Whoever renews a token reads twice: before the lock is had and after.
        if words not in self._told:
            self._told.add(words)
            self._warn(f"{self.place}: {words}")

    def write(self, token: Token) -> None:
        """Replace the file."""
        write_whole(self._path, encoded(token), replaces=True)

    def delete(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)


class Nowhere:
    """Keeps nothing: there is no place for it."""

    place = "the home directory, which there is none of"

    def locked(self, *, seconds: float) -> contextlib.AbstractContextManager[None]:
        """Raise OSError."""
        raise OSError(0, f"there is no place to lock for {seconds:g} s")

    def read(self) -> Token | None:
        """Return nothing."""
        return None

    def write(self, token: Token) -> None:
        """Raise OSError."""
        raise OSError(0, f"there is no place for {token!r}")

    def delete(self) -> None:
        """Do nothing."""


def encoded(token: Token) -> bytes:
    """Return a token as it is kept."""
    return msgspec.json.encode(token)


def decoded(content: bytes | str) -> Token | None:
    """Return the token that was kept, None if `content` is none."""
    try:
        return msgspec.json.decode(content, type=Token)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None  # not even as a cause: it may quote
