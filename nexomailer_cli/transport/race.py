"""A race of all addresses (RFC 8305), which can tell of every runner and not only of the winner."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import time
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from nexomailer_cli.transport.limits import LONGEST_WAIT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nexomailer_cli.transport.resolving import Address

# RFC 8305 section 5.
STAGGER_SECONDS = 0.25
# How long the others may still answer once one has: a few times what the winner took.
MIN_GRACE_SECONDS = 0.25
MAX_GRACE_SECONDS = 1.0

Result = Literal["connected", "refused", "unreachable", "silent", "denied", "failed"]
_RESULTS: dict[int, Result] = {
    errno.ECONNREFUSED: "refused",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EAFNOSUPPORT: "unreachable",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
    errno.ETIMEDOUT: "silent",
}


class ConnectAttempt(Struct, frozen=True, kw_only=True):
    """What became of one address."""

    address: str
    family: Literal["ipv4", "ipv6"]
    result: Literal["connected", "refused", "unreachable", "silent", "denied", "failed"]
    ms: float
    errno: str | None


class Race(Struct, frozen=True):
    """How the race ended. `seconds` is what the winner's own connection took: one round trip."""

    attempts: tuple[ConnectAttempt, ...]
    sock: socket.socket | None = None
    winner: str | None = None
    seconds: float = 0.0

    @property
    def error(self) -> OSError:
        """The failure that says most about why nobody won."""
        numbers = [getattr(errno, each.errno or "ETIMEDOUT") for each in self.attempts]
        number = min(numbers, key=_telling)
        return OSError(number, os.strerror(number))


def _telling(number: int) -> int:
    # Refused by the host says more than silence, and silence more than having no IPv6 here.
    order = (errno.EADDRNOTAVAIL, errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EACCES)
    return order.index(number) if number in order else len(order)


def race(
    addresses: Iterable[Address],
    seconds: float,
    source: str | None = None,
    *,
    lingers: bool = False,
) -> Race:
    """Connect to all of `addresses`, one family after the other, staggered.

    Waits `seconds` at most for the first one; with `lingers` a little longer for the others, to
    see how they do.
    """
    running = _Race(interleaved(addresses), seconds, source, lingers=lingers)
    with contextlib.closing(running):
        return running.run()


def interleaved(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """Return the addresses with their families taking turns, the first one's family first."""
    addresses = tuple(addresses)
    first = [each for each in addresses if each.family is addresses[0].family]
    rest = [each for each in addresses if each.family is not addresses[0].family]
    turns = chain.from_iterable(zip_longest(first, rest))
    return tuple(each for each in turns if each is not None)


class _Runner:
    """One address on its way."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.sock: socket.socket | None = None
        self.started = 0.0
        self.took = 0.0
        self.number: int | None = None  # of the error; 0: connected; None: not known yet

    def attempt(self) -> ConnectAttempt:
        number = errno.ETIMEDOUT if self.number is None else self.number
        return ConnectAttempt(
            address=self.address.text,
            family="ipv6" if self.address.is_six else "ipv4",
            result="connected" if number == 0 else _RESULTS.get(number, "failed"),
            ms=round(self.took * 1000, 1),
            errno=errno.errorcode.get(number, "EIO") if number else None,
        )


class _Race:
    def __init__(
        self,
        addresses: tuple[Address, ...],
        seconds: float,
        source: str | None,
        *,
        lingers: bool,
    ) -> None:
        self._lingers = lingers
        self._waiting = [_Runner(address) for address in addresses]
        self._runners = tuple(self._waiting)
        self._selector = selectors.DefaultSelector()
        self._source = source
        self._winner: _Runner | None = None
        self._until = time.monotonic() + seconds
        # Everybody gets to start, however little time there is.
        self._stagger = min(STAGGER_SECONDS, seconds / max(1, len(addresses)))
        self._next_start = 0.0

    def run(self) -> Race:
        while self._is_running():
            now = time.monotonic()
            if self._waiting and now >= self._next_start:
                self._start(self._waiting.pop(0))
                continue
            wake = min(self._until, self._next_start) if self._waiting else self._until
            self._look(max(0.0, wake - now))
        for runner in self._runners:
            if runner.number is None:
                runner.took = time.monotonic() - (runner.started or time.monotonic())
        return self._result()

    def _is_running(self) -> bool:
        is_open = self._waiting or any(each.number is None for each in self._runners)
        return bool(is_open) and time.monotonic() < self._until

    def _start(self, runner: _Runner) -> None:
        runner.started = time.monotonic()
        self._next_start = runner.started + self._stagger
        try:
            runner.sock = socket.socket(runner.address.family, socket.SOCK_STREAM)
            runner.sock.setblocking(False)
            if self._source:
                runner.sock.bind((self._source, 0))
        except OSError as error:
            self._ended(runner, error.errno or errno.EIO)
            return
        number = runner.sock.connect_ex(runner.address.place)
        if number not in (0, errno.EINPROGRESS):
            self._ended(runner, number)
            return
        self._selector.register(runner.sock, selectors.EVENT_WRITE, runner)

    def _look(self, seconds: float) -> None:
        for key, _ in self._selector.select(min(seconds, LONGEST_WAIT)):
            runner: _Runner = key.data
            assert runner.sock is not None
            self._selector.unregister(runner.sock)
            self._ended(runner, runner.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _ended(self, runner: _Runner, number: int) -> None:
        runner.number = number
        runner.took = time.monotonic() - runner.started
        if number == 0 and self._winner is None:
            self._winner = runner
            grace = min(MAX_GRACE_SECONDS, max(MIN_GRACE_SECONDS, 3 * runner.took))
            self._until = min(self._until, time.monotonic() + grace * self._lingers)
        if number != 0 or self._winner is not None:
            self._next_start = 0.0  # nobody has to wait for this one

    def _result(self) -> Race:
        attempts = tuple(each.attempt() for each in self._runners)
        if self._winner is None or self._winner.sock is None:
            return Race(attempts)
        sock, self._winner.sock = self._winner.sock, None
        # A command is one small write, and its reply is waited for.
        with contextlib.suppress(OSError):  # some systems refuse it once the socket is reset
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Race(attempts, sock, self._winner.address.text, self._winner.took)

    def close(self) -> None:
        self._selector.close()
        for runner in self._runners:
            if runner.sock is not None:
                runner.sock.close()
