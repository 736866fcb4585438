"""How long each part of a session may take. Durations are seconds."""

from __future__ import annotations

from msgspec import Struct

REPLY_SECONDS = 60.0
# RFC 5321 section 4.5.3.2.6. A client that gives up sooner does not know whether the mail
# was delivered, and whoever sends it again makes a duplicate.
END_SECONDS = 600.0
# The slowest link that still counts as working; Postfix is content with 500.
MIN_BYTES_PER_SECOND = 16 * 1024
# For one call of the system, which takes no more than 24 days. A time-out may be a year.
LONGEST_WAIT = 86400.0


class Limits(Struct, frozen=True):
    """The time-outs of one provider.

    `connect` is for everything up to the greeting. `reply` and `end` are for one whole
    reply, however it dribbles in. `deadline` is the moment of `time.monotonic` at
    which the command as a whole gives up.
    """

    connect: float = 30.0
    reply: float = REPLY_SECONDS
    end: float = END_SECONDS
    deadline: float = float("inf")

    def until(self, seconds: float, *, now: float) -> float:
        """Return the moment at which a wait of `seconds` ends."""
        return min(now + seconds, self.deadline)

    def is_over(self, *, now: float) -> bool:
        """Whether the deadline has passed, so that no time-out is to blame."""
        return now >= self.deadline

    def end_for(self, size: int) -> float:
        """Return how long the reply to `size` octets of content may take."""
        return self.end + size / MIN_BYTES_PER_SECOND

    def write_for(self, size: int) -> float:
        """Return how long `size` octets may take to leave."""
        return self.reply + size / MIN_BYTES_PER_SECOND


def limits_for(connect: float, socket: float | None, *, deadline: float = float("inf")) -> Limits:
    """Return the limits that a provider's two time-outs ask for."""
    if socket is None:
        return Limits(connect=connect, deadline=deadline)
    return Limits(connect=connect, reply=socket, end=socket, deadline=deadline)
