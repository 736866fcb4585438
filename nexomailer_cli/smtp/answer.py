"""The replies of a handshake, where each command waits for its one reply.

Only a reply that was read whole, alone, and after a question counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.errors import ProtocolError
from nexomailer_cli.smtp.reply import Reply, ReplyReader

if TYPE_CHECKING:
    from nexomailer_cli.smtp.outcome import Phase


class AnswerReader:
    """Reads what a server says to one question after the other."""

    def __init__(self) -> None:
        self._reader = ReplyReader()
        self._replies: list[Reply] = []
        self._error: ProtocolError | None = None

    @property
    def has_answer(self) -> bool:
        """Whether there is something to `take`, be it an error."""
        return bool(self._replies) or self._error is not None

    def receive(self, data: bytes) -> None:
        """Take what arrived."""
        if self._error is not None:
            return
        try:
            self._replies += self._reader.receive(data)
        except ProtocolError as error:
            self._error = error

    def take(self, phase: Phase) -> Reply:
        """Return the one reply to the command just sent.

        Raises ProtocolError when there is more or less than that. More is what makes
        naive clients report refused mail as sent: they take a surplus reply for the
        answer to the next command.
        """
        if self._error is not None:
            raise ProtocolError(
                str(self._error),
                phase=phase,
                reason=self._error.reason,
                detail=self._error.detail,
            )
        if len(self._replies) != 1 or not self._reader.is_empty:
            raise surplus(phase)
        return self._replies.pop()

    def verify_order(self, phase: Phase) -> None:
        """Raise ProtocolError if the server has already said more than one reply."""
        if self._error or len(self._replies) > 1 or (self._replies and not self._reader.is_empty):
            self.take(phase)

    def verify_silence(self, phase: Phase) -> None:
        """Raise ProtocolError if the server said anything without being asked."""
        if self._error or self._replies or not self._reader.is_empty:
            raise surplus(phase)


def surplus(phase: Phase) -> ProtocolError:
    """Return the error for bytes that nobody asked for."""
    return ProtocolError(
        "the server said more than it was asked, so its answers cannot be believed",
        phase=phase,
        reason="surplus",
    )
