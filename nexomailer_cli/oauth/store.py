"""Where tokens are kept between runs: one file for each grant, for its owner only.

A file is replaced whole, so a process that dies leaves the old token or the new one. Who
writes holds the lock.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Protocol

import msgspec

from nexomailer_cli.oauth.lock import locked
from nexomailer_cli.oauth.token import Token
from nexomailer_cli.printable import printable

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
            content, mode = _content(self._path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn(f"{self.place}: cannot be read: {error.strerror}")
            return None
        if mode & 0o077:
            self._warn(f"{self.place}: others can read this token: chmod 600 it (mode {mode:04o})")
        token = decoded(content)
        if token is None:
            self._warn(f"{self.place}: is damaged, and not used")
        return token

    def write(self, token: Token) -> None:
        """Replace the file."""
        beside = self._path.with_suffix(".new")
        # What a process that died has left there may be somebody's who can read it.
        beside.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
            file.write(encoded(token))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        _sync(self._path.parent)

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


def _content(path: Path) -> tuple[bytes, int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(0, "it is not a regular file")
        return os.read(descriptor, MAX_BYTES), stat.S_IMODE(mode)
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    # A rotated refresh token that a power cut takes away is gone: the old one is used up.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
