"""What became of a mail: a verdict for every recipient, and the attempts behind it.

A refusal is a value here, never an exception.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from nexomailer_cli.smtp.failure import Failure
    from nexomailer_cli.smtp.reply import Reply


class Phase(StrEnum):
    """Where in a session something happened."""

    CONNECT = "connect"  # resolving the name, and TCP
    TLS = "tls"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"  # the content is on its way, its end is not
    END = "end"  # the end of the content is out: the point of no return
    RSET = "rset"


class Verdict(StrEnum):
    """What a server decided about one recipient."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REJECTED = "rejected"
    UNKNOWN = "unknown"  # the end of the content went out and no reply came (RFC 1047)


class Status(StrEnum):
    """What became of a mail as a whole, or of one attempt at it."""

    ACCEPTED = "accepted"
    PARTIAL = "partial"
    DEFERRED = "deferred"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    FAILED = "failed"  # no server answered about the mail


class Disposition(Struct, frozen=True):
    """The verdict on one recipient, with its evidence.

    `reply` is the server's answer, or `None` where there was none; `reason` then names
    why, as in `errors.TransportError`. `failure` says whose failure it is, and is `None`
    for an accepted recipient.
    """

    recipient: str
    verdict: Verdict
    phase: Phase
    reply: Reply | None = None
    reason: str = ""
    failure: Failure | None = None


class Attempt(Struct, frozen=True, kw_only=True):
    """One try to hand a mail to one provider."""

    provider: str
    host: str
    port: int
    tls: str  # "TLSv1.3", ...; empty: not encrypted, or not that far
    phase: Phase
    status: Status
    elapsed: float  # seconds
    reply: Reply | None = None
    reason: str = ""
    text: str = ""  # what happened, in words, harmless to show


class Outcome(Struct, frozen=True):
    """What became of one mail: exactly one disposition for every recipient."""

    dispositions: tuple[Disposition, ...]
    attempts: tuple[Attempt, ...] = ()

    @property
    def status(self) -> Status:
        """The verdicts of all recipients in one word."""
        return summary(self.dispositions)


def summary(dispositions: tuple[Disposition, ...]) -> Status:
    """Sum up verdicts: what is not known comes first, then what was accepted."""
    if len(dispositions) == 1 and dispositions[0].verdict is Verdict.ACCEPTED:
        return Status.ACCEPTED
    verdicts = {disposition.verdict for disposition in dispositions}
    if Verdict.UNKNOWN in verdicts:
        return Status.UNKNOWN
    if Verdict.ACCEPTED in verdicts:
        return Status.ACCEPTED if len(verdicts) == 1 else Status.PARTIAL
    if all(
        disposition.failure and disposition.failure.is_unanswered for disposition in dispositions
    ):
        return Status.FAILED
    return Status.DEFERRED if Verdict.DEFERRED in verdicts else Status.REJECTED
