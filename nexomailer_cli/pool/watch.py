"""One timer for a connection, however many mails it carries.

What happens is noted in passing, which costs a look at the clock. The timer looks every
now and then how long nothing has happened, and how long that may last just now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Watch:
    """Calls `expire` when nothing was noted for as long as `patience()` says.

    `shortest` is the smallest patience there is, in seconds: the timer looks that often.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        shortest: float,
        patience: Callable[[], float],
        expire: Callable[[], None],
    ) -> None:
        self._now = loop.time
        self._loop = loop
        self._shortest = shortest
        self._patience = patience
        self._expire = expire
        self._since = loop.time()
        self._timer: asyncio.TimerHandle | None = loop.call_later(shortest, self._look)

    def note(self) -> None:
        """Something has happened: patience begins anew."""
        self._since = self._now()

    def silence(self) -> float:
        """Return for how many seconds nothing has happened."""
        return self._now() - self._since

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        left = self._patience() - self.silence()
        # A loop's clock may be a millisecond behind its timers.
        if left > 0.001:
            self._timer = self._loop.call_later(min(left, self._shortest), self._look)
        else:
            self._timer = None
            self._expire()
