"""Whether a server takes the next envelope behind an end of content: learnt, never assumed.

RFC 2920 section 3.1 allows it, and some that announce PIPELINING lose what follows the dot,
or deliver and then die. So after the first accepted mail one connection sends a lone RSET
behind a dot, and then one connection an envelope; only when both were answered in order do
all of the provider's connections. A server that fails costs one connection and at most
one UNKNOWN: no content goes out before its own 354.
"""

from __future__ import annotations

from enum import Enum, auto

# A server that lost the RSET says nothing at all. One that took it answers right behind
# the answer to the content.
TRIAL_SECONDS = 2.0


class Behind(Enum):
    """What may stand behind an end of content."""

    NOTHING = auto()
    RESET = auto()
    ENVELOPE = auto()


class Joining:
    """What is known about one provider. `is_taken` is `None` until something is."""

    def __init__(self, *, is_allowed: bool) -> None:
        self.is_taken: bool | None = None if is_allowed else False
        self._trial = Behind.NOTHING
        self._is_open = False  # whether the trial is for the next one to make

    def encourage(self) -> None:
        """Hear that a mail was accepted: the server is in order, and may be tried."""
        if self.is_taken is None and self._trial is Behind.NOTHING:
            self._trial, self._is_open = Behind.RESET, True

    def choose(self) -> Behind:
        """Say what to put behind an end of content; a trial is given to one connection only."""
        if self.is_taken:
            return Behind.ENVELOPE
        if not self._is_open:
            return Behind.NOTHING
        self._is_open = False
        return self._trial

    def decline(self) -> None:
        """Hear that a trial was not made: there was nothing to send."""
        self._is_open = self.is_taken is None

    def conclude(self, *, is_good: bool) -> None:
        """Hear how a trial went."""
        if not is_good or self._trial is Behind.ENVELOPE:
            self.is_taken = is_good
        else:
            self._trial, self._is_open = Behind.ENVELOPE, True
