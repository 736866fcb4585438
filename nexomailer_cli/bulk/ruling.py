"""What follows for a row from what became of its mail. Pure: an outcome in, a ruling out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.bulk.state import State
from nexomailer_cli.smtp.failure import Scope
from nexomailer_cli.smtp.outcome import Attempt, Disposition, Phase, Verdict
from nexomailer_cli.transport.account import SIGN_IN_CODES
from nexomailer_cli.transport.retry import JITTER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.smtp.failure import Failure

# Sending again at once costs the row nothing: it was not the row that failed.
AT_ONCE = frozenset({Scope.PROVIDER, Scope.RATE, Scope.QUOTA, Scope.SESSION, Scope.CROWD})
# This provider will not take the row, another may.
SHUT = frozenset({Scope.SENDER, Scope.CAPACITY})
# Seconds until a row that was put off is tried again, before and after jitter.
LONGEST_DELAY = 86400.0
LONGEST_WAIT = LONGEST_DELAY * (1.0 + JITTER)

_BETWEEN = "\x1f"


class Ruling(Struct, frozen=True, kw_only=True):
    """Where a row stands after an attempt.

    `decisive` is the disposition that says why. `rest` are the recipients to try again, empty
    for all who were tried; of a row that has ended, those who did not get it. `flaw` is what
    was said of those who were refused for good, see `refused_in`. WAITING is again at once and not
    charged, DEFERRED later and charged. `shuts` this provider for the row, for good.
    """

    state: State
    decisive: Disposition
    rest: tuple[str, ...] = ()
    flaw: str = ""
    shuts: bool = False


def rule(dispositions: tuple[Disposition, ...], flaw: str = "") -> Ruling:
    """Return what follows; `flaw` is what earlier attempts left behind."""
    first = dispositions[0]
    if first.verdict is Verdict.ACCEPTED and len(dispositions) == 1 and not flaw:
        return Ruling(state=State.ACCEPTED, decisive=first)
    unknown = next((d for d in dispositions if d.verdict is Verdict.UNKNOWN), None)
    if unknown is not None:
        lost = tuple(d.recipient for d in dispositions if d.verdict is Verdict.UNKNOWN)
        return Ruling(state=State.UNKNOWN, decisive=unknown, flaw=flaw, rest=lost)
    refused = next((d for d in dispositions if _is_refused(d)), None)
    if refused is not None:
        flaw = "\n".join((*_lines(flaw), *_flaws(dispositions)))
    again = tuple(d for d in dispositions if not (_is_accepted(d) or _is_refused(d)))
    if again:
        return _again(again, flaw)
    if flaw:
        decisive = refused or dispositions[0]
        return Ruling(state=State.REJECTED, decisive=decisive, flaw=flaw, rest=refused_in(flaw))
    return Ruling(state=State.ACCEPTED, decisive=dispositions[0])


def _again(again: tuple[Disposition, ...], flaw: str) -> Ruling:
    charged = next((d for d in again if _scope(d) not in AT_ONCE | SHUT), None)
    decisive = charged or again[0]
    return Ruling(
        state=State.DEFERRED if charged else State.WAITING,
        decisive=decisive,
        rest=tuple(each.recipient for each in again),
        flaw=flaw,
        shuts=charged is None and _scope(decisive) in SHUT,
    )


def _is_accepted(disposition: Disposition) -> bool:
    return disposition.verdict is Verdict.ACCEPTED


def _is_refused(disposition: Disposition) -> bool:
    failure = disposition.failure
    if failure is None:
        return disposition.verdict is Verdict.REJECTED
    return not failure.is_transient and not failure.may_fail_over


def _scope(disposition: Disposition) -> Scope | None:
    failure: Failure | None = disposition.failure
    return failure.scope if failure else None


def _flaws(dispositions: tuple[Disposition, ...]) -> Iterator[str]:
    for each in filter(_is_refused, dispositions):
        said = str(each.reply) if each.reply else each.reason
        # Neither stands in an address, or in a reply that was made harmless.
        yield f"{each.recipient}{_BETWEEN}{' '.join(said.split())}"


def _lines(flaw: str) -> list[str]:
    return flaw.split("\n") if flaw else []


def refused_in(flaw: str) -> tuple[str, ...]:
    """Return who was refused for good."""
    return tuple(line.partition(_BETWEEN)[0] for line in _lines(flaw))


def first_words(flaw: str) -> str:
    """Return the first refusal, for people."""
    recipient, _, said = flaw.partition("\n")[0].partition(_BETWEEN)
    return f"{recipient}: {said}"


def shuts_out(attempt: Attempt, failure: Failure) -> bool:
    """Whether it was the sign-in: the same password again is how accounts get locked."""
    if failure.is_transient:
        return False
    reply = attempt.reply
    return attempt.phase is Phase.AUTH or (reply is not None and reply.code in SIGN_IN_CODES)


def words_of(decisive: Disposition | None, text: str) -> tuple[int | None, str, str]:
    """Return code, enhanced code and words for the record."""
    reply = decisive.reply if decisive else None
    if reply is not None:
        return reply.code, reply.enhanced, reply.text
    return None, "", text or (decisive.reason if decisive else "")
