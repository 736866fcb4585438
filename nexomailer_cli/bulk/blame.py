"""Whose failure it was, told to the gate before the provider. Knows no rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.bulk.events import Troubled
from nexomailer_cli.bulk.ruling import shuts_out
from nexomailer_cli.smtp.failure import Scope
from nexomailer_cli.smtp.outcome import Verdict

if TYPE_CHECKING:
    from nexomailer_cli.bulk.schedule import Gate
    from nexomailer_cli.smtp.failure import Failure
    from nexomailer_cli.smtp.outcome import Attempt, Disposition


def blame(
    gate: Gate,
    dispositions: tuple[Disposition, ...],
    attempt: Attempt | None,
    now: float,
    *,
    is_repeated: bool = False,
) -> Troubled | None:
    """Let a gate know what became of a mail; return what people should be told.

    `is_repeated` says that the mail has lost session after session there.
    """
    failures = {each.failure.scope: each.failure for each in dispositions if each.failure}
    if provider := failures.get(Scope.PROVIDER):
        return _fail(gate, provider, attempt, now)
    if Scope.RATE in failures:
        gate.slow_down(now)
    elif Scope.QUOTA in failures:
        gate.park(now)
    elif any(each.verdict is Verdict.UNKNOWN for each in dispositions):
        # Each is one that nobody can send again: a server that loses them gets few.
        gate.lose(now)
        return Troubled(attempt, is_off=False) if attempt else None
    elif failures.keys() == {Scope.SESSION}:
        gate.fail(now) if is_repeated else gate.give_back()
    else:
        gate.succeed(now)
    return None


def _fail(gate: Gate, failure: Failure, attempt: Attempt | None, now: float) -> Troubled | None:
    was_off = gate.is_off
    if attempt is not None and shuts_out(attempt, failure):
        gate.switch_off()
    else:
        gate.fail(now, is_lasting=not failure.is_transient)
    return Troubled(attempt, gate.is_off) if attempt and not was_off else None
