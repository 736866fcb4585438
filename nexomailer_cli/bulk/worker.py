"""The second process (`composer`) as the first one sees it: given work, never waited for.

Whatever becomes of it, a run goes on without: one that is slow, stopped or killed has nothing
to say, and the first process makes its messages itself.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from typing import TYPE_CHECKING, Final

import msgspec

from nexomailer_cli.bulk.composer import LENGTH, Made, framed

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

    from nexomailer_cli.bulk.composer import Order, Setup

# Without -P, a folder of somebody else's could bring modules of its own.
PROGRAM: Final = ("-P", "-m", "nexomailer_cli.bulk.composer")
# Where we were told to take no modules from, it takes none from either.
_SWITCHES: Final = {"ignore_environment": "-E", "no_user_site": "-s", "no_site": "-S"}
# Octets of an order. Rows that are larger than their messages cost more to hand over than to
# write, and many of them at once a lot of memory.
MAX_ORDER: Final = 1024 * 1024
# Orders of several rows, given and not yet answered. More would only be in the way of others.
MAX_OWED: Final = 2
_RECEIVED: Final = 256 * 1024  # octets, as many as a socket holds
_MADE: Final = msgspec.msgpack.Decoder(list[Made])


def start_worker(setup: Setup) -> Worker | None:
    """Return a second process that has begun to begin, None where it would be of no use."""
    import subprocess

    if _cores() < 2 or not sys.executable or getattr(sys, "frozen", False):
        return None
    try:
        first = framed(setup)
        ours, theirs = socket.socketpair()
    except (OSError, UnicodeEncodeError):
        return None
    with theirs:
        try:
            process = subprocess.Popen(  # noqa: S603 - ourselves
                (sys.executable, *_switches(), *PROGRAM),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Ctrl-C is for the first one, which ends the second. In the same session, a
                # second one that stands still is ended by the system when the first is gone.
                process_group=0,
            )
        except OSError:
            ours.close()
            return None
    return Worker(process, ours, first)


def _switches() -> list[str]:
    return [switch for flag, switch in _SWITCHES.items() if getattr(sys.flags, flag)]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Worker:
    """A process at the other end of a socket. `is_gone` once it has hung up, or is given up."""

    def __init__(self, process: subprocess.Popen[bytes], channel: socket.socket, first: bytes):
        channel.setblocking(False)
        self._process = process
        self._channel = channel
        self._incoming = bytearray()
        self._outgoing = first
        self._owed = MAX_OWED  # answers; nothing is asked for before the first, empty one
        self.is_gone = False
        self._send()

    @property
    def pid(self) -> int:
        """Which process it is."""
        return self._process.pid

    @property
    def may_be_asked(self) -> bool:
        """Whether it has time for another order."""
        return self._owed < MAX_OWED and not self.is_gone

    @property
    def is_owing(self) -> bool:
        """Whether an answer is still to come."""
        return self._owed > 0 and not self.is_gone

    def ask(self, orders: Sequence[Order]) -> None:
        """Have messages made; what cannot be put into words is not asked for.

        Where rows turn out to be large, it is asked for nothing any more.
        """
        try:
            octets = framed(orders)
        except (ValueError, OverflowError, RecursionError):
            return
        if len(octets) > MAX_ORDER:
            self._give_up()
            return
        self._owed += 1
        self._outgoing += octets
        self._send()

    def collect(self) -> Iterator[Made]:
        """Yield what has come in since."""
        if self._outgoing:
            self._send()
        self._receive()
        while (made := self._answer()) is not None:
            self._owed = self._owed - 1 if made else 0  # the first one is empty
            yield from made

    def close(self) -> None:
        """End it; nothing is lost with it."""
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def _give_up(self) -> None:
        """Let it end now, and not with the run."""
        self.is_gone = True
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)

    def _send(self) -> None:
        try:
            sent = self._channel.send(self._outgoing)
        except BlockingIOError:
            return
        except OSError:
            self.is_gone = True
            return
        self._outgoing = self._outgoing[sent:]

    def _receive(self) -> None:
        is_all = False
        while not (is_all or self.is_gone):
            try:
                received = self._channel.recv(_RECEIVED)
            except BlockingIOError:
                return
            except OSError:
                received = b""
            self._incoming += received
            self.is_gone = not received
            is_all = len(received) < _RECEIVED

    def _answer(self) -> list[Made] | None:
        size = len(self._incoming)
        end = LENGTH + int.from_bytes(self._incoming[:LENGTH])
        if size < LENGTH or size < end:
            return None
        with memoryview(self._incoming) as whole, whole[LENGTH:end] as answer:
            made = _MADE.decode(answer)
        del self._incoming[:end]
        return made
