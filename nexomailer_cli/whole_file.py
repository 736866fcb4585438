"""Small files for their owner only: written whole or not at all, read whole and without waiting.

For configurations, passwords and tokens. What goes wrong is an OSError: what is said about it
is its caller's business.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OWNER_ONLY = 0o600

# Without it, opening a FIFO that nobody writes to waits for ever. Windows has neither.
_DOES_NOT_WAIT = getattr(os, "O_NONBLOCK", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def write_whole(path: Path, content: bytes, *, replaces: bool) -> None:
    """Write a file that nobody else can read; the folder is there already.

    What is there is FileExistsError unless it `replaces` it. A process that dies meanwhile
    leaves the old file, and so does a power cut.
    """
    if not replaces:
        _create(path, content)
        return
    # What a process of that number has left there may be somebody's who can read it.
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    _create(beside, content)
    beside.replace(path)
    _sync(path.parent)


def read_whole(path: Path, *, limit: int, follows_links: bool = True) -> tuple[bytes, int]:
    """Return what is in a regular file, and its permissions; more than `limit` bytes is OSError."""
    flags = os.O_RDONLY | _DOES_NOT_WAIT | (0 if follows_links else _NO_LINK)
    descriptor = os.open(path, flags)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(0, "it is not a regular file")
        content = os.read(descriptor, limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise OSError(0, "it is too large")
    return content, stat.S_IMODE(mode)


def _create(path: Path, content: bytes) -> None:
    # Never any other mode, not even for a moment, and never through somebody's link.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, OWNER_ONLY)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    # A rotated refresh token that a power cut takes away is gone: the old one is used up. Not
    # every system has folders that can be told so; the file is written by now.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
