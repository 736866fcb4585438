"""What decides about failover and what is told to people do not contradict each other.

`rules.toml` and `smtp.failure` decide, `findings.toml` explains. Both see the same evidence.
"""

from __future__ import annotations

import pytest

from nexomailer_cli.probe.diagnosis import Evidence, diagnose
from nexomailer_cli.probe.severity import Severity
from nexomailer_cli.rules import provider_rules
from nexomailer_cli.smtp.failure import Failure, Scope, classify, classify_breakage
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Reply
from tests.probe.test_diagnosis import CASES

REPLIES = [
    (expected, seen)
    for expected, seen in CASES
    if seen.code is not None and seen.code >= 400 and not seen.reason
]
# After the end of the content nothing is repeated, whatever broke.
BREAKAGES = [
    (expected, seen)
    for expected, seen in CASES
    if seen.code is None and seen.reason and seen.phase != Phase.END
]

# Failover may be the more hopeful: a later round is cheap, and before the envelope nothing can
# arrive twice. A person is told what cures it, and waiting does not.
ONLY_FAILOVER_HOPES = {
    # nothing listens, or no way leads there: the server may just be restarting
    *("tcp.refused", "tcp.refused_loopback", "tcp.filtered_port", "tcp.unreachable"),
    "tcp.no_route",
    *("socket.missing", "socket.refused", "proxy.unreachable"),
    # refused before anything was asked: another of the provider's machines may differ
    *("banner.rejected", "ehlo.bad_name", "ehlo.no_esmtp", "ehlo.refused"),
    *("starttls.already_tls", "starttls.antivirus_500", "starttls.refused"),
    # out of step: a new connection starts anew, once
    *("proto.out_of_step", "data.no_recipients", "auth.not_enabled", "reply.refused"),
    # the recipients are divided among several transactions
    "rcpt.too_many",
}
# Or the less: people may try again at their leisure.
ONLY_PEOPLE_HOPE = {
    "auth.closed",  # the server has had the password; a second attempt by itself may lock it
    # the other side is not what was configured, or this machine is in need: another provider
    *("tls.closed_without_alert", "tls.busy_in_plaintext", "tcp.no_local_port"),
}

SCOPES = {
    **dict.fromkeys(("banner", "ehlo", "starttls", "auth"), Scope.PROVIDER),
    "mail": Scope.SENDER,
    "rcpt": Scope.RECIPIENT,
    "message": Scope.MESSAGE,
    "quota": Scope.QUOTA,
    "rate": Scope.RATE,
    "conn": Scope.SESSION,
}
# Where the id says at which command something is said, and not whose failure it is.
OTHER_SCOPES = {
    "message.needs_smtputf8": {Scope.RECIPIENT},  # the recipient's address is not ASCII
    "banner.busy": {Scope.RATE, Scope.PROVIDER},
    "ehlo.bad_name": {Scope.PROVIDER, Scope.RECIPIENT},  # a 4xx to RCPT may be greylisting
    "mail.bounce_throttle": {Scope.RATE},
    "conn.idle_timeout": {Scope.SESSION, Scope.MESSAGE},  # 451: this message, not all of them
    # told to MAIL with no more than a code of the sender
    "auth.m365_basic_disabled": {Scope.PROVIDER, Scope.SENDER},
    "mail.auth_required": {Scope.PROVIDER, Scope.SENDER},
    "auth.not_enabled": {Scope.PROVIDER, Scope.SESSION},  # 503 is out of step as well
    "mail.domain_unknown": {Scope.SENDER, Scope.PROVIDER},  # 450: its resolver may be down
    "mail.size": {Scope.CAPACITY},
    "mail.temporary": {Scope.PROVIDER},
    "rcpt.relay_denied": {Scope.PROVIDER},
    "rcpt.too_many": {Scope.CROWD},
    # our address, our domain, or a list that only this recipient's server believes
    "rcpt.ip_reputation": {Scope.PROVIDER, Scope.SENDER, Scope.RECIPIENT},
}


def failure_of(seen: Evidence) -> Failure:
    phase = Phase(seen.phase)
    if seen.code is None:
        return classify_breakage(phase, seen.reason)
    return classify(phase, Reply(seen.code, seen.enhanced, (seen.text,)), provider_rules())


def usual_scope(identity: str, otherwise: Scope) -> Scope:
    return SCOPES.get(identity.split(".")[0], otherwise)


@pytest.mark.parametrize(("expected", "seen"), [*REPLIES, *BREAKAGES])
def test_both_say_the_same_about_waiting(expected: str, seen: Evidence) -> None:
    finding, failure = diagnose(seen), failure_of(seen)
    if finding.severity is not Severity.FAIL or finding.temporary is failure.is_transient:
        return
    assert expected in (ONLY_PEOPLE_HOPE if finding.temporary else ONLY_FAILOVER_HOPES)


@pytest.mark.parametrize(("expected", "seen"), REPLIES)
def test_both_blame_the_same(expected: str, seen: Evidence) -> None:
    scope = failure_of(seen).scope
    assert scope in OTHER_SCOPES.get(expected, {usual_scope(expected, scope)})


def test_every_exception_is_still_one() -> None:
    differing = {
        expected
        for expected, seen in (*REPLIES, *BREAKAGES)
        if diagnose(seen).temporary is not failure_of(seen).is_transient
    }
    assert differing >= ONLY_FAILOVER_HOPES | ONLY_PEOPLE_HOPE
    unusual = {
        expected
        for expected, seen in REPLIES
        if (scope := failure_of(seen).scope) is not usual_scope(expected, scope)
    }
    assert unusual == set(OTHER_SCOPES)
