"""What the bookkeeping needs of an event loop, so that it can be tested without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Turns(Protocol):
    """Turns of an event loop, and who is to be told in them."""

    def soon(self, work: Callable[[], None]) -> None:
        """Do `work` when all that has arrived by now is dealt with."""
        ...

    def at(self, moment: float, work: Callable[[], None]) -> Callable[[], None]:
        """Do `work` at a moment of the run's clock; return how to call that off."""
        ...

    def wake(self) -> None:
        """Let every pool ask for mail again."""
        ...

    def finished(self) -> None:
        """Take note that there is nothing left to do."""
        ...
