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


_come: list[int] = []  # and nothing has ended because of them yet


def heed() -> None:
    """Let a signal end the next wait that is `interruptible`, and nothing in between.

    What a server said is taken note of, whole, before anything ends.
    """
    _come.clear()
    with contextlib.suppress(ValueError):  # outside of the main thread
        for number in heard():
            signal.signal(number, lambda number, _: _come.append(number))


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let a signal end what waits here by KeyboardInterrupt, one that came before it as well."""
    usual = {}
    with contextlib.suppress(ValueError):  # outside of the main thread
        usual = {each: signal.signal(each, signal.default_int_handler) for each in heard()}
    try:
        if _come:
            raise KeyboardInterrupt
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
