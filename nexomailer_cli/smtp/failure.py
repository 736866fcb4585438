"""Whose failure is it?

What failed (the provider, the sender, the session, the message, one recipient) and
whether time can cure it decide what happens next; an exception or a bare reply code
cannot. The texts by which providers say such things are data (`rules.toml`) and
come in as rules; what the RFCs fix is the table below.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nexomailer_cli.smtp.reply import Reply


class Scope(StrEnum):
    """What a failure is a failure of."""

    PROVIDER = "provider"
    SENDER = "sender"  # this sender at this provider
    RATE = "rate"  # the provider, until we are slower
    QUOTA = "quota"  # the provider, until its window ends
    SESSION = "session"  # this connection; a new one may do
    CROWD = "crowd"  # too many recipients in one transaction
    RECIPIENT = "recipient"
    MESSAGE = "message"
    CAPACITY = "capacity"  # the message at this provider, which cannot take its like


class Failure(Struct, frozen=True):
    """What failed, and whether it may go away by itself."""

    scope: Scope
    is_transient: bool
    is_unanswered: bool = False  # no server answered about the mail

    @property
    def may_fail_over(self) -> bool:
        """Whether another provider may do better.

        A refused recipient or message is refused everywhere; greylisting wants the
        same provider to come back. A message deferred after its content is another
        matter: it was explicitly not taken, so a copy cannot result.
        """
        if self.scope is Scope.MESSAGE:
            return self.is_transient
        return self.scope is not Scope.RECIPIENT


class Rule(Struct, frozen=True):
    """A provider's way to say what failed; empty fields match everything.

    `is_transient` is `None` where the reply code says so itself.
    """

    scope: Scope
    is_transient: bool | None = None
    phases: frozenset[Phase] = frozenset()
    codes: frozenset[int] = frozenset()
    enhanced: frozenset[str] = frozenset()
    text: str = ""  # a regular expression, in any case

    def matches(self, phase: Phase, reply: Reply) -> bool:
        """Whether this rule speaks of `reply` in `phase`."""
        return (
            (not self.phases or phase in self.phases)
            and (not self.codes or reply.code in self.codes)
            and (not self.enhanced or reply.enhanced in self.enhanced)
            and (not self.text or re.search(self.text, reply.text, re.IGNORECASE) is not None)
        )


_HANDSHAKE = frozenset(
    {Phase.CONNECT, Phase.TLS, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.AUTH}
)
_AFTER_ENVELOPE = frozenset({Phase.DATA, Phase.CONTENT, Phase.END})
_TRANSACTION = frozenset({Phase.RSET, Phase.MAIL, Phase.RCPT}) | _AFTER_ENVELOPE

_ENVELOPE = frozenset({Phase.MAIL, Phase.RCPT})
_BUT_RCPT = _AFTER_ENVELOPE | {Phase.MAIL}


def _rule(
    scope: Scope,
    phases: frozenset[Phase],
    *codes: int,
    enhanced: tuple[str, ...] = (),
    text: str = "",
    is_transient: bool | None = None,
) -> Rule:
    return Rule(scope, is_transient, phases, frozenset(codes), frozenset(enhanced), text)


# What no further words can change: there is no such mailbox (RFC 3463 section 3.2), or the
# content is spam, which it is at every provider.
PLAIN_RULES = (
    _rule(
        Scope.RECIPIENT,
        frozenset({Phase.RCPT}),
        enhanced=("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"),
    ),
    _rule(
        Scope.MESSAGE,
        _AFTER_ENVELOPE,
        *(550, 552, 554),
        text=r"\b(as|is|be|like|contains?|possible) (a )?(spam|virus|phishing|malware)"
        r"|\bspam( message)?:|\b(spam|virus) (message )?(detected|found|rejected|blocked)",
    ),
)

# First match wins: PLAIN_RULES, those of the providers, then these.
STANDARD_RULES = (
    # RFC 5321 section 3.8: the server is going away, whatever it was asked.
    _rule(Scope.SESSION, _TRANSACTION, 421, is_transient=True),
    # RFC 4954 section 6: sign-in is missing, was too weak, or needs TLS.
    _rule(Scope.PROVIDER, _TRANSACTION, 530, 534, 535, 538),
    _rule(Scope.PROVIDER, _ENVELOPE, 503, text=r"\bauth\w* (is )?(required|first)|need.{0,20}auth"),
    # RFC 5321 section 4.5.3.1.10.
    _rule(Scope.CROWD, frozenset({Phase.RCPT}), enhanced=("4.5.3", "5.5.3"), is_transient=True),
    _rule(
        Scope.CROWD,
        frozenset({Phase.RCPT}),
        452,
        552,
        text="too many recipients",
        is_transient=True,
    ),
    # Commands out of place: the two sides are out of step, and start anew.
    _rule(Scope.SESSION, _TRANSACTION, 500, 502, 503, is_transient=True),
    # Postfix says 504 to an address without a full domain; otherwise it is as 502.
    _rule(Scope.RECIPIENT, frozenset({Phase.RCPT}), 504, text="recipient address rejected"),
    _rule(Scope.SENDER, _ENVELOPE, 504, text="sender address rejected"),
    _rule(Scope.SESSION, _TRANSACTION, 504, is_transient=True),
    # RFC 5321 section 4.1.1.11: this server does not know a parameter that it announced.
    _rule(Scope.PROVIDER, frozenset({Phase.MAIL}), 555),
    # A full mailbox, also where it is found out after the content.
    _rule(Scope.RECIPIENT, _AFTER_ENVELOPE | {Phase.RCPT}, enhanced=("4.2.2", "5.2.2")),
    # What is wrong with the content has nothing to do with its size.
    _rule(Scope.MESSAGE, _AFTER_ENVELOPE, 552, enhanced=("5.6.0", "5.7.0", "5.7.1")),
    # RFC 1870: too big for this server.
    _rule(Scope.CAPACITY, _BUT_RCPT, 552),
    _rule(Scope.CAPACITY, _BUT_RCPT, enhanced=("5.3.4",)),
)


def classify(phase: Phase, reply: Reply, rules: Iterable[Rule] = ()) -> Failure:
    """Say whose failure a refusal is; `rules` are how providers word theirs."""
    transient = reply.severity is not Severity.PERMANENT
    if phase is Phase.AUTH and not transient:
        # Whatever the words are: the same password again is how accounts get locked.
        return Failure(Scope.PROVIDER, is_transient=False, is_unanswered=True)
    for rule in (*PLAIN_RULES, *rules, *STANDARD_RULES):
        if rule.matches(phase, reply):
            passes = transient if rule.is_transient is None else rule.is_transient
            # "Sign in first" is no answer about the mail.
            kept_out = rule.scope is Scope.PROVIDER and not passes
            unanswered = phase in _HANDSHAKE or kept_out
            return Failure(rule.scope, passes, is_unanswered=unanswered)
    if phase is Phase.RCPT:
        return Failure(Scope.RECIPIENT, transient)
    if phase in _AFTER_ENVELOPE:
        return Failure(Scope.MESSAGE, transient)
    if phase is Phase.MAIL:
        return Failure(Scope.PROVIDER if transient else Scope.SENDER, transient)
    return Failure(Scope.PROVIDER, is_transient=True, is_unanswered=True)


# A dead connection, a slow server, a resolver that is out of order: what may be well in a
# minute. A certificate, a missing extension or a name that does not exist will not.
_PASSING = frozenset(
    {
        "timeout",
        "deadline",
        "closed",
        "stopped",
        "ECONNRESET",
        "ECONNREFUSED",
        "ECONNABORTED",
        "EHOSTUNREACH",
        "ENETUNREACH",
        "ENETDOWN",
        "EPIPE",
        "ETIMEDOUT",
        "EAI_AGAIN",
        "proxy-unreachable",
        "proxy-no-way",
        "proxy-lost",
        "socket-missing",
        "socket-refused",
        "oauth-unavailable",
    }
)
# A new connection may do at once what the lost one could not; after a time-out it is the
# server that is slow. "stopped" is said of a session that we have cut ourselves.
_LOST = frozenset({"closed", "stopped", "ECONNRESET", "EPIPE"})


def classify_breakage(phase: Phase, reason: str) -> Failure:
    """Say whose failure a conversation is that broke before the end of the content."""
    is_session = phase in _TRANSACTION and reason in _LOST
    return Failure(
        Scope.SESSION if is_session else Scope.PROVIDER,
        # A server that hangs up on a password has had it: that was the one attempt.
        is_transient=reason in _PASSING and phase is not Phase.AUTH,
        is_unanswered=True,
    )
