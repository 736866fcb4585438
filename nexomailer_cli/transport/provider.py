"""One provider: opens sessions as they are needed and keeps at a mail until it has an answer.

A spoilt session (421, 503, a connection lost before the end of the content) costs a new
connection, not the mail. What another provider should do is not known here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from nexomailer_cli.errors import ConfigError, TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.failure import Failure, Scope, classify, classify_breakage
from nexomailer_cli.smtp.outcome import (
    Attempt,
    Disposition,
    Outcome,
    Phase,
    Verdict,
    summary,
)
from nexomailer_cli.smtp.transaction import obstacle
from nexomailer_cli.transport.base import Attempted, Observer, Withheld, unobserved
from nexomailer_cli.transport.connection import Connection
from nexomailer_cli.transport.handshake import Handshake
from nexomailer_cli.transport.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.failure import Rule
    from nexomailer_cli.smtp.reply import Reply
    from nexomailer_cli.transport.limits import Limits

# RFC 4954 section 6, and what some say instead of 530.
SIGN_IN_CODES = frozenset({503, 530, 534, 535, 538})
# How often a mail starts anew at one provider because its session was spoilt.
MAX_SESSIONS = 3


class Account(Struct, frozen=True, kw_only=True):
    """A provider as a transport sees it.

    `terms` resolves secrets and reads certificate files, so it is called when a session is
    to be opened and not before; it may raise ConfigError. `rules` is likewise only asked
    when there is a refusal to judge.
    """

    name: str
    host: str
    port: int
    terms: Callable[[], Terms]
    limits: Limits
    rules: Callable[[], Iterable[Rule]] = tuple


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

    async def send(self, mail: Mail) -> Outcome:
        """Hand `mail` over; raise MessageError for an envelope that must not go out."""
        if self._off is not None:
            return Outcome(self._broken(mail, self._off))
        told: dict[str, Disposition] = {}
        attempts: list[Attempt] = []
        dispositions: tuple[Disposition, ...] = ()
        sessions = 1
        waiting = mail.envelope.recipients
        while waiting and sessions <= MAX_SESSIONS:
            dispositions, attempt = await self._attempt(mail.only(waiting))
            attempts.append(attempt)
            told |= {each.recipient: each for each in dispositions}
            waiting, is_spoilt = _again(mail, told, dispositions)
            if is_spoilt:
                sessions += 1
                await self.aclose()  # after a 503 it may still be open
        rest = _stopper(dispositions)
        return Outcome(
            tuple(
                told.get(recipient) or structs.replace(rest, recipient=recipient)
                for recipient in mail.envelope.recipients
            ),
            tuple(attempts),
        )

    async def aclose(self) -> None:
        """Say goodbye, if a session is open."""
        if self._connection is not None:
            await self._connection.aclose()
            self._connection = None

    async def _attempt(self, mail: Mail) -> tuple[tuple[Disposition, ...], Attempt]:
        started = asyncio.get_running_loop().time()
        error: TransportError | None = None
        try:
            dispositions = await self._transact(mail)
        except TransportError as caught:
            error = caught
            dispositions = self._broken(mail, error)
        elapsed = asyncio.get_running_loop().time() - started
        attempt = self._account_of(dispositions, error, elapsed)
        self._observer(Attempted(attempt, dispositions))
        return dispositions, attempt

    async def _transact(self, mail: Mail) -> tuple[Disposition, ...]:
        connection = await self._connected()
        most = connection.extensions.max_recipients
        batch = mail.only(mail.envelope.recipients[:most])
        if reason := obstacle(batch, connection.extensions):
            return _unfit(batch, reason)
        if mail.envelope.notify and not connection.extensions.dsn:
            self._observer(Withheld(self.name, "delivery reports (DSN)"))
        dispositions = tuple(map(self._judged, await connection.send(batch)))
        self._heed(dispositions[0])
        return dispositions

    def _heed(self, disposition: Disposition) -> None:
        """Switch this provider off where it wants a sign-in that it does not get."""
        failure, reply = disposition.failure, disposition.reply
        if reply is None or failure is None or failure.scope is not Scope.PROVIDER:
            return
        if disposition.phase is Phase.MAIL and reply.code in SIGN_IN_CODES:
            self._off = TransportError(reply.text, phase=disposition.phase, reply=reply)

    async def _connected(self) -> Connection:
        if self._connection is not None and self._connection.is_reusable:
            return self._connection
        await self.aclose()
        handshake = Handshake(self._terms(), self._account.limits, self._observer)
        try:
            session = await handshake.open()
        except TransportError as error:
            self._remember(error)
            raise
        finally:
            self._tls_version = handshake.tls_version
        self._connection = Connection(session, self.name, self._account.limits, self._observer)
        return self._connection

    def _terms(self) -> Terms:
        try:
            return self._account.terms()
        except ConfigError as error:
            # One provider whose password cannot be had must not keep mail from the next.
            raise TransportError(
                printable(str(error)), phase=Phase.CONNECT, reason="configuration"
            ) from error

    def _remember(self, error: TransportError) -> None:
        """Switch this provider off for the run after a refused sign-in.

        The same wrong password again is how accounts get locked.
        """
        if error.phase == Phase.AUTH and not self._failure_of(error).is_transient:
            self._off = error

    def _broken(self, mail: Mail, error: TransportError) -> tuple[Disposition, ...]:
        failure = self._failure_of(error)
        return tuple(
            Disposition(
                recipient,
                Verdict.DEFERRED,
                Phase(error.phase),
                error.reply,
                error.reason,
                failure,
            )
            for recipient in mail.envelope.recipients
        )

    def _failure_of(self, error: TransportError) -> Failure:
        phase = Phase(error.phase)
        if error.reply is None or error.reason:
            return classify_breakage(phase, error.reason)
        return classify(phase, error.reply, self._account.rules())

    def _judged(self, disposition: Disposition) -> Disposition:
        if disposition.verdict is Verdict.ACCEPTED or disposition.reply is None:
            return disposition
        if disposition.failure is not None:
            return disposition
        failure = classify(disposition.phase, disposition.reply, self._account.rules())
        verdict = Verdict.DEFERRED if failure.is_transient else Verdict.REJECTED
        return structs.replace(disposition, verdict=verdict, failure=failure)

    def _account_of(
        self,
        dispositions: tuple[Disposition, ...],
        error: TransportError | None,
        elapsed: float,
    ) -> Attempt:
        """Sum up one try, by the disposition that needs most explaining."""
        account = self._account
        worst = next((each for each in dispositions if each.failure), dispositions[0])
        unknown = next((each for each in dispositions if each.verdict is Verdict.UNKNOWN), worst)
        return Attempt(
            provider=account.name,
            host=account.host,
            port=account.port,
            tls=self._tls_version,
            phase=unknown.phase,
            status=summary(dispositions),
            elapsed=elapsed,
            reply=unknown.reply,
            reason=unknown.reason,
            text=_words(unknown, error),
        )


def _words(disposition: Disposition, error: TransportError | None) -> str:
    if error is not None:
        said = error.reply.text if error.reply else ""
        return " ".join(word for word in (said, error.detail) if word) or str(error)
    if disposition.verdict is Verdict.UNKNOWN:
        return _AFTER_END.get(disposition.reason, "the connection was lost after the content")
    reply: Reply | None = disposition.reply
    if reply is not None:
        return reply.text
    return _UNFIT.get(disposition.reason, f"the connection was lost ({disposition.reason})")


_AFTER_END = {
    "timeout": "no answer to the content within the time-out",
    "deadline": "no answer to the content before the deadline",
    "not-smtp": "the answer to the content cannot be understood",
    "too-long": "the answer to the content has no end",
}

_UNFIT = {
    "too-large": "the message is larger than this server takes",
    "8bitmime-not-offered": "the message has 8-bit content, which this server does not take",
    "smtputf8-not-offered": "the message has an internationalised address, which this server"
    " does not take",
}


def _unfit(mail: Mail, reason: str) -> tuple[Disposition, ...]:
    failure = Failure(Scope.CAPACITY, is_transient=False)
    return tuple(
        Disposition(recipient, Verdict.REJECTED, Phase.MAIL, None, reason, failure)
        for recipient in mail.envelope.recipients
    )


def _again(
    mail: Mail, told: dict[str, Disposition], latest: tuple[Disposition, ...]
) -> tuple[tuple[str, ...], bool]:
    """Return who is to be tried again here, and whether it takes a new session."""
    scopes = {each.failure.scope for each in latest if each.failure}
    nobody = all(each.failure for each in latest)
    if Scope.PROVIDER in scopes or (nobody and scopes & _STOPS):
        return (), False
    # Where even the first recipient was one too many, another try would change nothing.
    is_crowd = any(each.failure is None or each.failure.scope is not Scope.CROWD for each in latest)
    wanted = {Scope.SESSION, Scope.CROWD} if is_crowd else {Scope.SESSION}
    waiting = tuple(
        recipient
        for recipient in mail.envelope.recipients
        if recipient not in told or _scope(told[recipient]) in wanted
    )
    return waiting, Scope.SESSION in scopes


# What the next batch of recipients would be told as well.
_STOPS = {Scope.RATE, Scope.QUOTA, Scope.SENDER, Scope.CAPACITY}


def _stopper(dispositions: tuple[Disposition, ...]) -> Disposition:
    """Return what kept the provider from those whom it was not asked about."""
    stops = _STOPS | {Scope.PROVIDER, Scope.SESSION}
    return next((each for each in dispositions if _scope(each) in stops), dispositions[-1])


def _scope(disposition: Disposition) -> Scope | None:
    return disposition.failure.scope if disposition.failure else None
