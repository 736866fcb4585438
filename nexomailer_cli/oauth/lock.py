"""A lock between processes, so that two of them do not use up one refresh token."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TICK = 0.02  # seconds between looks at whether the lock is free


@contextlib.contextmanager
def locked(path: Path, *, seconds: float) -> Iterator[None]:
    """Hold the lock at `path`, whose folder is made if need be.

    Raises TimeoutError where another process holds it for longer than `seconds`, and OSError
    where the lock cannot be made. It is free again when the process dies, whatever of.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Never deleted: a process that waits for a deleted file would hold a lock of its own.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _acquire(descriptor, time.monotonic() + seconds)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, until: float) -> None:
    import fcntl

    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise TimeoutError from None
            time.sleep(TICK)
        else:
            return
