"""What a pool and the one who decides say to each other. Values and a protocol: nothing waits.

A pool conducts sessions; the desk hands it mails and hears what became of them. All
methods of a desk are synchronous, quick and do not raise: they are called from within the
event loop's callbacks, between the bytes of other mails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.failure import Failure
    from nexomailer_cli.smtp.outcome import Attempt, Outcome


class Desk(Protocol):
    """Decides what is sent when, and keeps the books.

    Every mail that `take` hands out comes back exactly once, by `settle` or by `put_back`.
    """

    def take(self, provider: str) -> Mail | None:
        """Return the next mail for this provider.

        With `None` there is nothing now. The pool asks again by itself after each mail that it
        settles or puts back, after a while where no connection was of use; anything else
        that makes mail ready is told to it with `Pool.wake`. A pool that is off puts a mail
        back at once.
        """
        ...

    def intend(self, mail: Mail, go: Callable[[], None]) -> None:
        """Write down that `mail` is about to be completed; call `go` when that is on record.

        Nothing that a server could deliver has gone out. `go` may be called at once, and is
        without effect when the mail has been put back meanwhile; it must be called in the
        thread of the event loop. On each connection `settle` for a mail precedes `intend` for
        the next one.
        """
        ...

    def settle(self, mail: Mail, outcome: Outcome) -> None:
        """Take the verdicts on `mail`, with the attempt behind them."""
        ...

    def put_back(self, mail: Mail, attempt: Attempt, failure: Failure) -> None:
        """Take `mail` back: it was certainly not delivered, and nobody answered about it.

        `failure` says whose failure it was: of the session, the provider, its rate or quota.
        """
        ...


class PoolLimits(Struct, frozen=True, kw_only=True):
    """How a pool treats one provider. Durations are seconds.

    `messages` is for one connection. `idle` is how long an open connection waits for its
    next mail. `joined` permits the end of one mail and the envelope of the next in one
    write, where the server turns out to take it.
    """

    connections: int = 5
    messages: int = 100
    idle: float = 30.0
    joined: Literal["auto", "never"] = "auto"


class PoolState(Struct, frozen=True, kw_only=True):
    """What a pool is doing.

    `sent` are the mails that were settled. `joined` is what has been learnt about the
    server: `None` while it is not known. `is_off` means that no connection will be opened
    any more in this run: the sign-in was refused.
    """

    busy: int
    idle: int
    opening: int
    sent: int
    joined: bool | None
    is_off: bool
