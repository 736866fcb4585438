"""Signals that end a command: Ctrl-C, a job that is cancelled, a terminal that is gone.

A signal that somebody has switched off, as `nohup` does, stays off.
"""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


def heed() -> None:
    """Let a signal cancel the running task, as Ctrl-C does anyway."""
    import asyncio

    task = asyncio.current_task()
    assert task is not None
    # Not on Windows, and not outside of the main thread.
    with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
        for number in heard():
            if number is not signal.SIGINT:
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let a signal end work that blocks the event loop, which only takes note of it for later."""
    usual = {}
    with contextlib.suppress(ValueError):  # outside of the main thread
        usual = {each: signal.signal(each, signal.default_int_handler) for each in heard()}
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


def ignore() -> None:
    """Let every signal come too late: what is known must not be cut off while it is told."""
    with contextlib.suppress(ValueError):
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)


def heard() -> list[signal.Signals]:
    """Return the signals that nobody has switched off."""
    return [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
