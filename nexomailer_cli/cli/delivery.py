"""Runs a transport for one mail, and listens.

What the listener saw last matters when somebody presses Ctrl-C: a mail whose end had
gone out may have been delivered, and is told so.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from msgspec import structs

from nexomailer_cli.cli import signals
from nexomailer_cli.core import Surroundings, Wishes, open_transport
from nexomailer_cli.smtp.failure import Failure, Scope
from nexomailer_cli.smtp.outcome import (
    Attempt,
    Disposition,
    Outcome,
    Phase,
    Status,
    Verdict,
)
from nexomailer_cli.transport.base import Attempted, Event, PastReturn, Said, Waiting, Withheld

if TYPE_CHECKING:
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.config.settings import Config
    from nexomailer_cli.smtp.envelope import Mail

INTERRUPTED = "interrupted"


class Listener:
    """Tells people what a transport does, line by line."""

    def __init__(self, output: Output) -> None:
        self.attempts: list[Attempt] = []
        self.told: dict[str, Disposition] = {}
        self.outcome: Outcome | None = None
        self.is_past_return = False
        self._output = output
        self._started = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        match event:
            case Said(speaker, text):
                elapsed = time.monotonic() - self._started
                self._output.detail(f"{elapsed:8.3f} {speaker}: {text}")
            case PastReturn():
                self.is_past_return = True
            case Attempted(attempt, dispositions):
                self.is_past_return = False
                self.told |= {each.recipient: each for each in dispositions}
                self.attempts.append(attempt)
                if attempt.status is not Status.ACCEPTED:
                    self._output.note(told(attempt))
            case Withheld(provider, what):
                self._output.warn(f"{provider}: the server does not offer {what}")
            case Waiting(seconds, recipients):
                self._output.note(f"trying again in {seconds:.0f} s for {_count(recipients)}")


def told(attempt: Attempt) -> str:
    """Return one line that says how an attempt went."""
    what = str(attempt.reply) if attempt.reply else attempt.text
    if attempt.reply and attempt.text and attempt.text != attempt.reply.text:
        what = f"{what} ({attempt.text})"
    # A Unix socket has no port.
    place = f"{attempt.host}:{attempt.port}" if attempt.port else attempt.host
    return (
        f"{attempt.provider} ({place}): "
        f"{attempt.phase} {attempt.status} after {attempt.elapsed:.1f} s: {what}"
    )


def _count(recipients: int) -> str:
    return "1 recipient" if recipients == 1 else f"{recipients} recipients"


def deliver(config: Config, mail: Mail, wishes: Wishes, output: Output) -> tuple[Outcome, bool]:
    """Send `mail`; return what became of it, and whether somebody interrupted it."""
    listener = Listener(output)
    wishes = _with_author(wishes, mail, config)
    signals.heed()
    try:
        return _send(config, mail, wishes, listener, output), False
    except KeyboardInterrupt:
        if listener.outcome is not None:
            return listener.outcome, False  # only the goodbye was interrupted
        return _interrupted(mail, listener), True


def _with_author(wishes: Wishes, mail: Mail, config: Config) -> Wishes:
    """Say whom the mail is from, where a provider is for some senders only."""
    if not any(provider.from_addresses for provider in config.providers):
        return wishes
    from nexomailer_cli.message.raw import author_of

    return structs.replace(wishes, author=author_of(mail.content))


def _around(listener: Listener, output: Output) -> Surroundings:
    from nexomailer_cli.config.secrets import terminal_prompt

    return Surroundings(
        env=os.environ,
        prompt=terminal_prompt(),
        warn=output.warn,
        blocking=signals.interruptible,
        observer=listener,
    )


def _send(
    config: Config, mail: Mail, wishes: Wishes, listener: Listener, output: Output
) -> Outcome:
    with signals.interruptible():  # it may wait for another run, whose turn it is
        transport = open_transport(config, wishes, _around(listener, output))
    try:
        listener.outcome = transport.send(mail)
        return listener.outcome
    finally:
        transport.close()


def _interrupted(mail: Mail, listener: Listener) -> Outcome:
    """Return what is known of each recipient; who may have got the mail is not told otherwise."""
    if listener.is_past_return:
        rest = Disposition("", Verdict.UNKNOWN, Phase.END, None, INTERRUPTED)
    else:
        failure = Failure(Scope.SESSION, is_transient=True, is_unanswered=True)
        rest = Disposition("", Verdict.DEFERRED, Phase.CONNECT, None, INTERRUPTED, failure)
    return Outcome(
        tuple(
            _settled(listener.told.get(recipient)) or structs.replace(rest, recipient=recipient)
            for recipient in mail.envelope.recipients
        ),
        tuple(listener.attempts),
    )


def _settled(disposition: Disposition | None) -> Disposition | None:
    """Return what was said of a recipient if nobody would have asked again."""
    failure = disposition.failure if disposition else None
    return None if failure and (failure.is_transient or failure.may_fail_over) else disposition
