"""The sentences of providers, as they were seen, and that the table of them is sound."""

import pytest

from nexomailer_cli.rules import provider_rules
from nexomailer_cli.smtp.failure import STANDARD_RULES, Scope, classify
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Reply, ReplyReader


def reply(wire: str) -> Reply:
    [parsed] = ReplyReader().receive(wire.encode() + b"\r\n")
    return parsed


def test_the_table_is_read_once_and_has_no_rule_that_matches_everything() -> None:
    rules = provider_rules()
    assert rules is provider_rules()
    assert all(rule.codes or rule.enhanced or rule.text for rule in rules)


def test_no_rule_makes_a_refused_recipient_of_a_plain_refusal() -> None:
    assert not any(
        rule.matches(Phase.RCPT, reply(wire))
        for rule in provider_rules()
        for wire in ("550 5.1.1 no such user", "550 User unknown", "450 4.2.0 Greylisted", "250 ok")
    )


def test_the_phase_of_a_rule_limits_it() -> None:
    words = reply("550 sender address rejected: you are not allowed")
    senders = [rule for rule in provider_rules() if rule.scope is Scope.SENDER and rule.text]
    assert any(rule.matches(Phase.MAIL, words) for rule in senders)
    assert not any(rule.matches(Phase.RCPT, words) for rule in senders)


@pytest.mark.parametrize(
    ("phase", "wire", "scope"),
    [
        (Phase.AUTH, "550 5.7.30 Basic Authentication is not supported", Scope.PROVIDER),
        (Phase.AUTH, "454 4.7.0 daily sending quota (100 per day) reached", Scope.QUOTA),
        (Phase.MAIL, "550 5.7.57 Client not authenticated", Scope.PROVIDER),
        (Phase.END, "550 5.4.5 Daily SMTP relay limit exceeded", Scope.QUOTA),
        (Phase.END, "550 5.2.0 SubmissionQuotaExceededException", Scope.QUOTA),
        (Phase.RCPT, "550 5.2.0 mailbox has no room", Scope.RECIPIENT),
        (Phase.MAIL, "454 Throttling failure: Maximum sending rate exceeded.", Scope.RATE),
        (Phase.GREETING, "421 4.3.2 too many connections", Scope.RATE),
        (Phase.END, "550 peak SMTP relay limit exceeded", Scope.RATE),
        (Phase.MAIL, "553 5.7.1 Not owned by user tim", Scope.SENDER),
        (Phase.END, "554 The From domain example.com is not verified", Scope.SENDER),
        (Phase.RCPT, "530 5.7.0 Authentication required", Scope.PROVIDER),
        (Phase.RCPT, "550 relaying denied", Scope.PROVIDER),
        (Phase.END, "550 relaying denied", Scope.MESSAGE),
        (Phase.AUTH, "535 5.7.139 Authentication unsuccessful, basic is disabled", Scope.PROVIDER),
        (Phase.AUTH, "454 4.7.0 Too many login attempts, please try again later.", Scope.PROVIDER),
        (Phase.END, "450 4.2.1 Peak SMTP relay limit exceeded for customer.", Scope.RATE),
        (Phase.MAIL, "421 4.7.0 Try again later, closing connection.", Scope.SESSION),
        (Phase.MAIL, "421 4.7.28 unusual rate of unsolicited mail", Scope.RATE),
        (Phase.END, "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", Scope.RATE),
        (Phase.END, "554 5.2.0 STOREDRV.Submission.Exception: quota exceeded", Scope.QUOTA),
        (Phase.MAIL, "454 Throttling failure: Daily message quota exceeded.", Scope.QUOTA),
        (Phase.MAIL, "421 Too many messages in this connection", Scope.SESSION),
        (
            Phase.MAIL,
            "421 Maximum message count per session reached: Please reconnect.",
            Scope.SESSION,
        ),
        (Phase.MAIL, "451 4.4.2 Timeout waiting for data from client.", Scope.SESSION),
        (
            Phase.DATA,
            "550 5.7.0 Requested action not taken: too many emails per second",
            Scope.RATE,
        ),
    ],
)
def test_the_words_of_a_provider_say_whose_failure_it_is(
    phase: Phase, wire: str, scope: Scope
) -> None:
    assert classify(phase, reply(wire), provider_rules()).scope is scope


@pytest.mark.parametrize("phase", list(Phase))
def test_every_refusal_in_every_phase_has_a_failure(phase: Phase) -> None:
    for code in range(400, 600):
        failure = classify(phase, Reply(code, "", ("no",)), provider_rules())
        assert failure.scope in Scope


def test_rules_of_providers_come_before_those_of_the_rfcs() -> None:
    words = reply("421 4.7.28 unusual rate of mail")
    assert any(rule.matches(Phase.MAIL, words) for rule in STANDARD_RULES)
    assert classify(Phase.MAIL, words).scope is Scope.SESSION
    assert classify(Phase.MAIL, words, provider_rules()).scope is Scope.RATE
