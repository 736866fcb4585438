"""One run: the desk, the pools and a loop that turns until every row is accounted for.

Signals end it in order: after the first, no new message starts and those in flight finish;
after the second, everything is cut, and the journal says of each row what is known.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nexomailer_cli.bulk.desk import Desk

TICK_SECONDS = 0.2
INTERRUPTED = "interrupted"


class Pool(Protocol):
    """What a run needs of a pool: `pool.pool.Pool`, or a test's stand-in."""

    def wake(self) -> None:
        """Ask the desk for mail again."""
        ...

    async def start(self) -> None:
        """Begin to ask the desk."""
        ...

    async def aclose(self, *, drain: bool) -> None:
        """Part from the server; without `drain` at once, whatever is in flight."""
        ...


class Clock:
    """Seconds of the wall clock that never jump: read once, then counted on."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        """Return the time."""
        return time.monotonic() + self._offset


class LoopTurns:
    """The desk's turns on an event loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.pools: tuple[Pool, ...] = ()
        self.is_over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._clock = clock

    def soon(self, work: Callable[[], None]) -> None:
        """Do `work` in the loop's next turn."""
        self._loop.call_soon(work)

    def at(self, moment: float, work: Callable[[], None]) -> Callable[[], None]:
        """Do `work` at a moment of the clock."""
        return self._loop.call_later(max(0.0, moment - self._clock()), work).cancel

    def wake(self) -> None:
        """Wake all pools."""
        for pool in self.pools:
            pool.wake()

    def finished(self) -> None:
        """Let the run end."""
        self.is_over.set()


class Run:
    """A desk and its pools, from the first connection to the last record."""

    def __init__(
        self, desk: Desk, pools: tuple[Pool, ...], turns: LoopTurns, signals: Iterable[int] = ()
    ) -> None:
        self.was_interrupted = False
        self._desk = desk
        self._pools = turns.pools = pools
        self._turns = turns
        self._signals = tuple(signals)
        self._is_cut = False
        self._bug: BaseException | None = None

    async def complete(self, tick: Callable[[], None]) -> None:
        """Work until there is nothing left to do; call `tick` now and then.

        The journal is complete when this returns, whatever way it ends.
        """
        asyncio.get_running_loop().set_exception_handler(self._surprised)
        with self._listening():
            ticking = asyncio.create_task(_ticking(tick))
            try:
                for pool in self._pools:
                    await pool.start()
                self._turns.wake()
                self._desk.look_soon()
                await self._turns.is_over.wait()
            finally:
                ticking.cancel()
                await self._part()
                self._desk.close()
        if self._bug is not None:
            raise self._bug

    def _surprised(self, _loop: object, context: dict[str, Any]) -> None:
        """End the run where a callback has failed: otherwise it would wait for ever."""
        error = context.get("exception")
        # What a loop has to say of a lost connection is what the outcome tells.
        if error is None or isinstance(error, OSError | asyncio.CancelledError):
            return
        self._bug = self._bug or error
        self._is_cut = True
        self._turns.finished()

    async def _part(self) -> None:
        drain = not self._is_cut and self._desk.failure is None
        await asyncio.gather(*(pool.aclose(drain=drain) for pool in self._pools))

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            for number in self._signals:
                loop.add_signal_handler(number, self._interrupt)
        try:
            yield
        finally:
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                for number in self._signals:
                    loop.remove_signal_handler(number)

    def _interrupt(self) -> None:
        if self.was_interrupted:
            self._is_cut = True
            self._turns.finished()
            return
        self.was_interrupted = True
        self._desk.stop(INTERRUPTED)


async def _ticking(tick: Callable[[], None]) -> None:
    while True:
        tick()
        await asyncio.sleep(TICK_SECONDS)


def new_loop() -> asyncio.AbstractEventLoop:
    """Return the quickest event loop that is installed; raise OSError if it could not run."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    try:
        # One that gets no socket for its signals can neither run nor be closed any more.
        for end in socket.socketpair():
            end.close()
    except OSError:
        loop.close()
        raise
    return loop
