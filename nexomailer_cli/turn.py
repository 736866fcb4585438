"""Whose turn it is with `strategy = "round-robin"`, across runs.

One small counter in the user's state directory. Losing it costs fairness, never mail, so
nothing here fails: a counter that cannot be kept is replaced by chance.
"""

from __future__ import annotations

import contextlib
import os
import random
from typing import TYPE_CHECKING

from nexomailer_cli.state_folder import state_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def next_turn(env: Mapping[str, str]) -> int:
    """Return a number that grows by one from run to run."""
    try:
        return _advance(_path(env))
    except (RuntimeError, ImportError):  # a user without a home, a system without flock
        return _chance()
    except (OSError, ValueError):
        with contextlib.suppress(OSError):
            _path(env).unlink()
        return _chance()


def _chance() -> int:
    return random.SystemRandom().randrange(2**31)


def _path(env: Mapping[str, str]) -> Path:
    return state_folder(env) / "round-robin"


def _advance(path: Path) -> int:
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two runs at once take two turns
        turn = int(file.read(20) or 0)
        file.seek(0)
        file.write(f"{turn + 1}\n")
        file.truncate()
    return turn
