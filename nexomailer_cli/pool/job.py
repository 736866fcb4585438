"""One mail on its way through a lane, perhaps in several transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.errors import MessageError
from nexomailer_cli.smtp.failure import Failure, Scope
from nexomailer_cli.smtp.outcome import Disposition, Phase, Verdict
from nexomailer_cli.smtp.transaction import obstacle
from nexomailer_cli.transport.account import explained, unfit, unsent

if TYPE_CHECKING:
    from nexomailer_cli.errors import TransportError
    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.extensions import Extensions
    from nexomailer_cli.smtp.transaction import Transaction
    from nexomailer_cli.transport.account import Account
    from nexomailer_cli.transport.limits import Limits

# Failures that say nothing about a mail: it comes back as if it had not been tried.
_NOT_OF_THE_MAIL = {Scope.SESSION, Scope.PROVIDER, Scope.RATE, Scope.QUOTA}


class Job(Struct):
    """A mail, the part of its recipients that is dealt with now, and what is known of the others.

    `part` is the mail as the provider wants it, once that `is_rewritten`.
    `began` is on the loop's clock. `is_asked` is whether the desk has been told that its end is
    about to go, `is_intended` whether the desk has that on record. `is_first` marks the
    first mail after a silence, in which the server may have hung up.
    """

    mail: Mail
    part: Mail
    began: float
    transaction: Transaction | None = None
    is_asked: bool = False
    is_intended: bool = False
    is_first: bool = False
    is_rewritten: bool = False
    told: dict[str, Disposition] = {}

    @property
    def is_past_return(self) -> bool:
        """Whether the end of the content went out."""
        return self.transaction is not None and self.transaction.is_past_return

    @property
    def is_done(self) -> bool:
        """Whether the server has said all that it will say about this part."""
        return self.transaction is not None and self.transaction.is_done

    def dispositions(self) -> tuple[Disposition, ...]:
        """Return what is known about this part's recipients."""
        assert self.transaction is not None
        return self.transaction.dispositions()

    def tell(self, dispositions: tuple[Disposition, ...]) -> dict[str, Disposition]:
        """Add to what is known about the mail's recipients, and return it."""
        self.told = self.told | {each.recipient: each for each in dispositions}
        return self.told

    def next_part(self, recipients: tuple[str, ...]) -> None:
        """Go on with those who are still to be asked about."""
        self.part = self.mail.only(recipients)
        self.is_rewritten = False
        self.transaction = None

    def fit(self, account: Account, extensions: Extensions) -> tuple[Disposition, ...]:
        """Cut off the part that a server takes at once, and make of it what the provider wants.

        Returns what it means for the recipients if it cannot be sent there, nothing if it can.
        """
        if extensions.max_recipients is not None:
            self.part = self.part.only(self.part.envelope.recipients[: extensions.max_recipients])
        if account.rewrite is not None and not self.is_rewritten:
            try:
                self.part = account.rewrite(self.part)
            except MessageError:
                return unsendable(self.part)
            self.is_rewritten = True
        reason = obstacle(self.part, extensions)
        return unfit(self.part, reason) if reason else ()

    @property
    def is_whole(self) -> bool:
        """Whether this part is for all recipients of the mail."""
        return self.part.envelope.recipients is self.mail.envelope.recipients

    def patience(self, awaiting: Phase, limits: Limits) -> float:
        """Return how long the next reply may take, in seconds."""
        transaction = self.transaction
        assert transaction is not None
        # After a refusal, what is still to come changes nothing.
        if awaiting is Phase.END and not transaction.is_refused:
            return limits.end_for(len(transaction.content))
        return limits.reply

    def lost(self, account: Account, error: TransportError) -> tuple[Disposition, ...]:
        """Return what is known about this part's recipients when the session is lost."""
        if self.transaction is None:
            return account.broken(self.part, error)
        known = self.transaction.dispositions()
        if self.transaction.is_past_return or self.transaction.is_done:
            return tuple(explained(each, error) for each in known)
        if all(each.verdict is Verdict.UNKNOWN for each in known):
            return account.broken(self.part, error)
        return tuple(unsent(each, error) for each in known)


def blameless(dispositions: tuple[Disposition, ...]) -> Failure | None:
    """Return what failed, if it was not the mail: nobody has it, and nobody answered about it."""
    for each in dispositions:
        if each.failure is None or each.failure.scope not in _NOT_OF_THE_MAIL:
            return None
    return dispositions[0].failure


def unsendable(mail: Mail) -> tuple[Disposition, ...]:
    """Return what an envelope that must not reach a command line means for the recipients."""
    failure = Failure(Scope.MESSAGE, is_transient=False)
    return tuple(
        Disposition(recipient, Verdict.REJECTED, Phase.MAIL, None, "unsendable", failure)
        for recipient in mail.envelope.recipients
    )
