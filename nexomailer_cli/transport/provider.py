"""One provider: opens sessions as they are needed and keeps at a mail until it has an answer.

A spoilt session (421, 503, a connection lost before the end of the content) costs a new
connection, not the mail. What another provider should do is not known here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nexomailer_cli.errors import TransportError
from nexomailer_cli.smtp.outcome import Outcome
from nexomailer_cli.smtp.transaction import obstacle
from nexomailer_cli.transport.account import Account, locks_out, shuts_out, unfit
from nexomailer_cli.transport.base import Attempted, Observer, Withheld, unobserved
from nexomailer_cli.transport.batch import again, complete
from nexomailer_cli.transport.connection import Connection
from nexomailer_cli.transport.opening import Opening

if TYPE_CHECKING:
    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.outcome import Attempt, Disposition

# How often a mail starts anew at one provider because its session was spoilt.
MAX_SESSIONS = 3


class ProviderTransport:
    """Sends through one account, over one connection at a time."""

    def __init__(self, account: Account, observer: Observer = unobserved) -> None:
        self._account = account
        self._observer = observer
        self._connection: Connection | None = None
        self._off: TransportError | None = None
        self._tls_version = ""

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return self._account.name

    def send(self, mail: Mail) -> Outcome:
        """Hand `mail` over; raise MessageError for an envelope that must not go out."""
        if self._off is not None:
            return Outcome(self._account.broken(mail, self._off))
        told: dict[str, Disposition] = {}
        attempts: list[Attempt] = []
        dispositions: tuple[Disposition, ...] = ()
        sessions = 1
        waiting = mail.envelope.recipients
        while waiting and sessions <= MAX_SESSIONS:
            dispositions, attempt = self._attempt(mail.only(waiting))
            attempts.append(attempt)
            told |= {each.recipient: each for each in dispositions}
            waiting, is_spoilt = again(mail, told, dispositions)
            if is_spoilt:
                sessions += 1
                self.close()  # after a 503 it may still be open
        return Outcome(complete(mail, told, dispositions), tuple(attempts))

    def close(self) -> None:
        """Say goodbye, if a session is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _attempt(self, mail: Mail) -> tuple[tuple[Disposition, ...], Attempt]:
        started = time.monotonic()
        error: TransportError | None = None
        try:
            dispositions = self._transact(mail)
        except TransportError as caught:
            error = caught
            dispositions = self._account.broken(mail, error)
        elapsed = time.monotonic() - started
        attempt = self._account.attempt(
            dispositions, tls=self._tls_version, elapsed=elapsed, error=error
        )
        self._observer(Attempted(attempt, dispositions))
        return dispositions, attempt

    def _transact(self, mail: Mail) -> tuple[Disposition, ...]:
        connection = self._connected()
        most = connection.extensions.max_recipients
        batch = mail.only(mail.envelope.recipients[:most])
        if self._account.rewrite is not None:
            batch = self._account.rewrite(batch)
        if reason := obstacle(batch, connection.extensions):
            return unfit(batch, reason)
        if mail.envelope.notify and not connection.extensions.dsn:
            self._observer(Withheld(self.name, "delivery reports (DSN)"))
        dispositions = tuple(map(self._account.judged, connection.send(batch)))
        self._heed(dispositions[0])
        return dispositions

    def _heed(self, disposition: Disposition) -> None:
        """Switch this provider off where it wants a sign-in that it does not get."""
        reply = disposition.reply
        if reply is not None and shuts_out(disposition):
            self._off = TransportError(reply.text, phase=disposition.phase, reply=reply)

    def _connected(self) -> Connection:
        if self._connection is not None and self._connection.is_reusable:
            return self._connection
        self.close()
        opening = Opening(self._account, self._observer)
        try:
            wire, session = opening.open()
        except TransportError as error:
            if locks_out(error, self._account.failure_of(error)):
                self._off = error  # for the rest of the run
            raise
        finally:
            self._tls_version = opening.tls_version
        self._connection = Connection(
            wire, session, self.name, self._account.limits, self._observer
        )
        return self._connection
