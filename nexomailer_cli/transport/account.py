"""A provider as a transport sees it, and what became of a mail there: whose failure, what words.

Pure, but for what `terms` does: from dispositions and errors to dispositions and attempts.
What follows from them is decided elsewhere.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from nexomailer_cli.errors import ConfigError, TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.auth import INVALID_CREDENTIALS, TOKEN_REFUSED
from nexomailer_cli.smtp.failure import Failure, Scope, classify, classify_breakage
from nexomailer_cli.smtp.outcome import Attempt, Disposition, Phase, Verdict, summary
from nexomailer_cli.transport.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.failure import Rule
    from nexomailer_cli.smtp.reply import Reply
    from nexomailer_cli.transport.limits import Limits

# RFC 4954 section 6, and what some say instead of 530.
SIGN_IN_CODES = frozenset({503, 530, 534, 535, 538})


class Account(Struct, frozen=True, kw_only=True):
    """A provider as a transport sees it.

    `terms` resolves secrets and reads certificate files, so it is called when a session is
    to be opened and not before; it may raise ConfigError. `other_terms` returns them with
    another access token than one that was refused, where there may be one. `rules` is likewise
    only asked when there is a refusal to judge. `rewrite` makes of a mail what this provider
    wants otherwise, if anything; it may raise MessageError. `blocking` is entered for each wait
    of a transport for one mail: where a signal may end it.
    """

    name: str
    host: str
    port: int
    terms: Callable[[], Terms]
    limits: Limits
    rules: Callable[[], Iterable[Rule]] = tuple
    is_renewed: bool = False
    rewrite: Callable[[Mail], Mail] | None = None
    other_terms: Callable[[str], Terms] | None = None
    blocking: Callable[[], AbstractContextManager[None]] = nullcontext

    def usable_terms(self, rejected: str = "") -> Terms:
        """Return the terms; raise TransportError where a secret or a file cannot be had."""
        try:
            return self.other_terms(rejected) if rejected and self.other_terms else self.terms()
        except ConfigError as error:
            # One provider whose password cannot be had must not keep mail from the next.
            raise TransportError(
                printable(str(error)), phase=error.phase, reason=error.reason
            ) from error

    def refused_token(self, error: TransportError, terms: Terms) -> str:
        """Return the token that was refused, empty where another would fare no better."""
        is_invalid = error.reply is not None and error.reply.code == INVALID_CREDENTIALS
        if self.other_terms is None or error.reason != TOKEN_REFUSED or not is_invalid:
            return ""
        return terms.credentials.token if terms.credentials else ""

    def failure_of(self, error: TransportError) -> Failure:
        """Say whose failure a broken conversation is."""
        phase = Phase(error.phase)
        if error.reply is None or error.reason:
            return classify_breakage(phase, error.reason)
        return classify(phase, error.reply, self.rules())

    def broken(self, mail: Mail, error: TransportError) -> tuple[Disposition, ...]:
        """Return what `error`, before anything was known, means for the recipients."""
        failure = self.failure_of(error)
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

    def judged(self, disposition: Disposition) -> Disposition:
        """Return what a server said with whose failure it is."""
        if disposition.verdict is Verdict.ACCEPTED or disposition.reply is None:
            return disposition
        if disposition.failure is not None:
            return disposition
        failure = classify(disposition.phase, disposition.reply, self.rules())
        verdict = Verdict.DEFERRED if failure.is_transient else Verdict.REJECTED
        return structs.replace(disposition, verdict=verdict, failure=failure)

    def attempt(
        self,
        dispositions: tuple[Disposition, ...],
        *,
        tls: str,
        elapsed: float,
        error: TransportError | None = None,
    ) -> Attempt:
        """Sum up one try, by the disposition that needs most explaining."""
        shown = dispositions[0] if len(dispositions) == 1 else _most_telling(dispositions)
        return Attempt(
            provider=self.name,
            host=self.host,
            port=self.port,
            tls=tls,
            phase=shown.phase,
            status=summary(dispositions),
            elapsed=elapsed,
            reply=shown.reply,
            reason=shown.reason,
            text=_words(shown, error),
        )


def _most_telling(dispositions: tuple[Disposition, ...]) -> Disposition:
    worst = next((each for each in dispositions if each.failure), dispositions[0])
    return next((each for each in dispositions if each.verdict is Verdict.UNKNOWN), worst)


def shuts_out(disposition: Disposition) -> bool:
    """Whether the provider wants a sign-in that it does not get."""
    failure, reply = disposition.failure, disposition.reply
    if reply is None or failure is None or failure.scope is not Scope.PROVIDER:
        return False
    return disposition.phase is Phase.MAIL and reply.code in SIGN_IN_CODES


def locks_out(error: TransportError, failure: Failure) -> bool:
    """Whether the sign-in was refused: the same wrong password again is how accounts get locked."""
    return error.phase == Phase.AUTH and not failure.is_transient


def unfit(mail: Mail, reason: str) -> tuple[Disposition, ...]:
    """Return what a server that cannot take `mail` means for the recipients."""
    failure = Failure(Scope.CAPACITY, is_transient=False)
    return tuple(
        Disposition(recipient, Verdict.REJECTED, Phase.MAIL, None, reason, failure)
        for recipient in mail.envelope.recipients
    )


def unsent(disposition: Disposition, error: TransportError) -> Disposition:
    """Return `disposition`, deferred if the loss of the connection left it open."""
    if disposition.verdict is not Verdict.UNKNOWN:
        return disposition
    phase = Phase(error.phase)
    return Disposition(
        disposition.recipient,
        Verdict.DEFERRED,
        phase,
        error.reply,
        error.reason,
        classify_breakage(phase, error.reason),
    )


def explained(disposition: Disposition, error: TransportError) -> Disposition:
    """Return `disposition`, with the reason why it is unknown if it is."""
    if disposition.verdict is not Verdict.UNKNOWN:
        return disposition
    return structs.replace(disposition, reason=error.reason)


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
    "stopped": "the run was stopped before the answer to the content",
    "not-smtp": "the answer to the content cannot be understood",
    "too-long": "the answer to the content has no end",
}

_UNFIT = {
    "too-large": "the message is larger than this server takes",
    "8bitmime-not-offered": "the message has 8-bit content, which this server does not take",
    "smtputf8-not-offered": "the message has an internationalised address, which this server"
    " does not take",
}
