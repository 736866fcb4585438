"""What a pool is to its lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nexomailer_cli.errors import TransportError
    from nexomailer_cli.pool.desk import Desk, PoolLimits
    from nexomailer_cli.pool.joining import Joining
    from nexomailer_cli.pool.lane import Lane
    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.transport.account import Account


class Home(Protocol):
    """Where lanes get their mails from, and what they share."""

    account: Account
    desk: Desk
    limits: PoolLimits
    joining: Joining

    def draw(self) -> Mail | None:
        """Return the next mail, if there is one now."""
        ...

    def heal(self, mail: Mail) -> None:
        """Take a mail that a stale connection did not move; another will."""
        ...

    def shut_out(self, error: TransportError) -> None:
        """Hear that the provider wants a sign-in that it does not get."""
        ...

    def rest(self, lane: Lane) -> None:
        """Hear that a lane has nothing to do."""
        ...

    def retire(self, lane: Lane) -> None:
        """Hear that a lane will not be of use any more, and part from it."""
        ...
