"""The next provider, when one cannot help.

Who is handed on is decided recipient by recipient, by the scope of the failure
(`smtp.failure`). A mail that may have been delivered is never handed on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nexomailer_cli.smtp.failure import Scope
from nexomailer_cli.smtp.outcome import Attempt, Disposition, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.transport.base import Transport


class FailoverTransport:
    """Tries transports in order, until no recipient is left whom another could help."""

    def __init__(
        self, transports: tuple[Transport, ...], *, deadline: float = float("inf")
    ) -> None:
        assert transports
        self._transports = transports
        self._deadline = deadline
        # Who has been greylisted where: another server's second try would be a first one.
        self._home: dict[str, Transport] = {}

    @property
    def name(self) -> str:
        """The names of all, in order."""
        return ", ".join(transport.name for transport in self._transports)

    def send(self, mail: Mail) -> Outcome:
        """Hand `mail` to the first transport that takes it."""
        told: dict[str, Disposition] = {}
        attempts: list[Attempt] = []
        for transport, recipients in tuple(self._plan(mail)):
            waiting = waiting_recipients(mail.only(recipients), told)
            if not waiting:
                continue
            if self._is_too_late() and all(each in told for each in waiting):
                break
            outcome = transport.send(mail.only(waiting))
            attempts += outcome.attempts
            for disposition in outcome.dispositions:
                known = told.get(disposition.recipient)
                told[disposition.recipient] = more_telling(known, disposition)
            self._remember(transport, outcome)
        return Outcome(
            tuple(told[recipient] for recipient in mail.envelope.recipients), tuple(attempts)
        )

    def _plan(self, mail: Mail) -> Iterator[tuple[Transport, tuple[str, ...]]]:
        """Yield whom to offer to which transport: the greylisted first, where they were."""
        everybody = mail.envelope.recipients
        homes = {each: self._home.pop(each, None) for each in everybody}
        for transport in self._transports:
            yield transport, tuple(each for each in everybody if homes[each] is transport)
        for transport in self._transports:
            yield transport, tuple(each for each in everybody if homes[each] is not transport)

    def _remember(self, transport: Transport, outcome: Outcome) -> None:
        for each in outcome.dispositions:
            if each.failure and each.failure.scope is Scope.RECIPIENT and _is_transient(each):
                self._home[each.recipient] = transport

    def close(self) -> None:
        """Close all."""
        for transport in self._transports:
            transport.close()

    def _is_too_late(self) -> bool:
        return time.monotonic() >= self._deadline


def waiting_recipients(mail: Mail, told: dict[str, Disposition]) -> tuple[str, ...]:
    """Return the recipients whom another provider may help."""
    return tuple(
        recipient
        for recipient in mail.envelope.recipients
        if recipient not in told or _may_fail_over(told[recipient])
    )


def more_telling(known: Disposition | None, new: Disposition) -> Disposition:
    """Choose between what two providers said about one recipient.

    An answer that settles the matter counts. Otherwise one that time may cure, since the
    whole can then be tried again; and of equals that of the provider which comes first.
    """
    if known is None or not _may_fail_over(new):
        return new
    return known if _is_transient(known) or not _is_transient(new) else new


def _may_fail_over(disposition: Disposition) -> bool:
    return disposition.failure is not None and disposition.failure.may_fail_over


def _is_transient(disposition: Disposition) -> bool:
    return disposition.failure is not None and disposition.failure.is_transient
