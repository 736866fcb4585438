"""Later, when time may cure the failure.

Greylisting wants the same sender to come back after some minutes; anything else that
passes is tried again after seconds, then minutes.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from nexomailer_cli.smtp.failure import Scope
from nexomailer_cli.smtp.outcome import Attempt, Disposition, Outcome
from nexomailer_cli.transport.base import Observer, Waiting, unobserved

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.transport.base import Transport

FIRST_SECONDS = 5.0
LONGEST_SECONDS = 300.0
# Greylisting servers ask for 1 to 15 minutes; most let the second try in after 5.
GREYLIST_SECONDS = 300.0
LONGEST_GREYLIST_SECONDS = 1800.0
NEVER = float("inf")
# So that many senders who were put off together do not come back together.
JITTER = 0.2


def retry_delay(disposition: Disposition, tries: int) -> float:
    """Return the seconds until the next try, after `tries` of them; NEVER where none pays."""
    failure = disposition.failure
    if failure is None or not failure.is_transient:
        return NEVER
    if failure.scope is Scope.RECIPIENT:
        first, longest = GREYLIST_SECONDS, LONGEST_GREYLIST_SECONDS
    else:
        first, longest = FIRST_SECONDS, LONGEST_SECONDS
    return min(longest, first * 2.0 ** min(tries - 1, 30))


class Clock:
    """The one door to time in this file. Seconds, from an arbitrary moment."""

    def __init__(self, blocking: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self._blocking = blocking

    def now(self) -> float:
        """Return the time."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        with self._blocking():
            time.sleep(seconds)


class RetryTransport:
    """Tries again for `seconds` whom the transport below could not serve yet."""

    def __init__(
        self,
        transport: Transport,
        *,
        seconds: float,
        random: Random,
        observer: Observer = unobserved,
        clock: Clock | None = None,
    ) -> None:
        self._transport = transport
        self._seconds = seconds
        self._random = random
        self._observer = observer
        self._clock = clock or Clock()

    @property
    def name(self) -> str:
        """The name of the transport below."""
        return self._transport.name

    def close(self) -> None:
        """Close the transport below."""
        self._transport.close()

    def send(self, mail: Mail) -> Outcome:
        """Hand `mail` over, and over again to whom it pays, until the time is up."""
        until = self._clock.now() + self._seconds
        told: dict[str, Disposition] = {}
        tries: Counter[str] = Counter()
        attempts: list[Attempt] = []
        due = dict.fromkeys(mail.envelope.recipients, self._clock.now())
        while due:
            self._sleep_until_due(due)
            now = self._clock.now()
            ready = tuple(r for r in mail.envelope.recipients if due.get(r, NEVER) <= now)
            if not ready:
                continue  # the clock woke us a little early
            outcome = self._transport.send(mail.only(ready))
            tries.update(ready)
            attempts += outcome.attempts
            told |= {each.recipient: each for each in outcome.dispositions}
            due |= self._next(outcome.dispositions, tries)
            due = {recipient: at for recipient, at in due.items() if at <= until and at < NEVER}
        return Outcome(tuple(told[r] for r in mail.envelope.recipients), tuple(attempts))

    def _next(self, dispositions: tuple[Disposition, ...], tries: Counter[str]) -> dict[str, float]:
        """Return when each is due; those who failed together stay together."""
        now = self._clock.now()
        jitter = 1.0 + JITTER * self._random.random()
        return {
            each.recipient: now + jitter * retry_delay(each, tries[each.recipient])
            for each in dispositions
        }

    def _sleep_until_due(self, due: dict[str, float]) -> None:
        soonest = min(due.values())
        seconds = soonest - self._clock.now()
        if seconds <= 0:
            return
        self._transport.close()  # no server keeps a silent session for minutes
        waiting = sum(at == soonest for at in due.values())
        self._observer(Waiting(seconds, waiting))
        self._clock.sleep(seconds)
