"""A mail in several transactions, where a server takes some recipients at a time.

Pure: says who is to be asked about next, and what is known in the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from nexomailer_cli.smtp.failure import Scope

if TYPE_CHECKING:
    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.outcome import Disposition


def again(
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


def complete(
    mail: Mail, told: dict[str, Disposition], latest: tuple[Disposition, ...]
) -> tuple[Disposition, ...]:
    """Return what is known about every recipient, after `latest` was the last that was said."""
    rest = _stopper(latest)
    return tuple(
        told.get(recipient) or structs.replace(rest, recipient=recipient)
        for recipient in mail.envelope.recipients
    )


def _stopper(dispositions: tuple[Disposition, ...]) -> Disposition:
    """Return what kept the provider from those whom it was not asked about."""
    stops = _STOPS | {Scope.PROVIDER, Scope.SESSION}
    return next((each for each in dispositions if _scope(each) in stops), dispositions[-1])


def _scope(disposition: Disposition) -> Scope | None:
    return disposition.failure.scope if disposition.failure else None
