"""Section by section, whose failure a reply is."""

import pytest

from nexomailer_cli.rules import provider_rules
from nexomailer_cli.smtp.failure import Failure, Scope, classify, classify_breakage
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import ReplyReader

LATER, NEVER = True, False

CASES = [
    (Phase.GREETING, "554 5.7.1 blocked", Scope.PROVIDER, LATER),
    (Phase.GREETING, "421 busy", Scope.PROVIDER, LATER),
    (Phase.EHLO, "550 no", Scope.PROVIDER, LATER),
    (Phase.STARTTLS, "454 4.7.0 TLS not available", Scope.PROVIDER, LATER),
    (Phase.AUTH, "535 5.7.8 bad", Scope.PROVIDER, NEVER),
    (Phase.AUTH, "534 5.7.9 Application-specific", Scope.PROVIDER, NEVER),
    (Phase.AUTH, "454 4.7.0 Temporary authentication failure", Scope.PROVIDER, LATER),
    (Phase.AUTH, "550 5.7.30 Basic authentication is not supported", Scope.PROVIDER, NEVER),
    (Phase.MAIL, "530 5.7.0 Authentication required", Scope.PROVIDER, NEVER),
    (Phase.MAIL, "530 5.7.57 Client not authenticated", Scope.PROVIDER, NEVER),
    (Phase.MAIL, "550 5.1.8 sender", Scope.SENDER, NEVER),
    (Phase.MAIL, "553 5.7.1 <a@b>: Sender address rejected: not owned", Scope.SENDER, NEVER),
    (Phase.END, "550 5.7.60 SMTP; Client does not have permissions", Scope.SENDER, NEVER),
    (Phase.END, "554 Message rejected: Email address is not verified.", Scope.SENDER, NEVER),
    (
        Phase.RCPT,
        "553 5.7.1 <a@b>: Sender address rejected: not owned by user tim",
        Scope.SENDER,
        NEVER,
    ),
    (Phase.MAIL, "451 4.3.0 local error", Scope.PROVIDER, LATER),
    (Phase.MAIL, "454 Throttling failure: Maximum sending rate exceeded.", Scope.RATE, LATER),
    (Phase.END, "454 Throttling failure: Daily message quota exceeded.", Scope.QUOTA, LATER),
    (Phase.END, "421 4.7.28 unusual rate", Scope.RATE, LATER),
    (Phase.END, "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit", Scope.RATE, LATER),
    (Phase.RCPT, "450 4.2.1 Peak SMTP relay limit exceeded", Scope.RATE, LATER),
    (Phase.MAIL, "550 5.7.0 Too many emails per second", Scope.RATE, LATER),
    (Phase.RCPT, "550 5.4.5 Daily user sending limit exceeded", Scope.QUOTA, LATER),
    (Phase.END, "554 5.2.0 ... RecipientLimitExceeded: quota", Scope.QUOTA, LATER),
    (Phase.MAIL, "452 Daily sending quota reached", Scope.QUOTA, LATER),
    (Phase.MAIL, "421 4.3.2 shutting down", Scope.SESSION, LATER),
    (Phase.RCPT, "421 bye", Scope.SESSION, LATER),
    (Phase.RSET, "421 bye", Scope.SESSION, LATER),
    (Phase.CONTENT, "421 timeout", Scope.SESSION, LATER),
    (Phase.MAIL, "503 5.5.1 Sender already specified", Scope.SESSION, LATER),
    (Phase.DATA, "503 valid RCPT first", Scope.SESSION, LATER),
    (Phase.MAIL, "502 unknown command", Scope.SESSION, LATER),
    (Phase.RCPT, "452 4.5.3 too many recipients", Scope.CROWD, LATER),
    (Phase.RCPT, "552 Too many recipients", Scope.CROWD, LATER),
    (Phase.MAIL, "503 AUTH first (#5.5.1)", Scope.PROVIDER, NEVER),
    (Phase.MAIL, "555 5.5.4 Unsupported option: BODY", Scope.PROVIDER, NEVER),
    (Phase.MAIL, "504 unknown", Scope.SESSION, LATER),
    (
        Phase.RCPT,
        "504 5.5.2 <a@x>: Recipient address rejected: need fully-qualified address",
        Scope.RECIPIENT,
        NEVER,
    ),
    (Phase.RCPT, "504 5.5.2 <x>: Sender address rejected", Scope.SENDER, NEVER),
    (Phase.RCPT, "550 5.7.1 <x>: Helo command rejected: Host not found", Scope.PROVIDER, NEVER),
    (
        Phase.RCPT,
        "554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org",
        Scope.PROVIDER,
        NEVER,
    ),
    (Phase.RCPT, "450 4.7.1 <h>: Client host rejected: Greylisted", Scope.RECIPIENT, LATER),
    (Phase.END, "554 5.7.1 Client host blocked using zen.spamhaus.org", Scope.PROVIDER, NEVER),
    (Phase.END, "550 5.4.5 Daily sending quota exceeded (spam protection)", Scope.QUOTA, LATER),
    (Phase.END, "554 Sender address rejected: not owned; anti-spam policy", Scope.SENDER, NEVER),
    (Phase.MAIL, "452 4.2.2 Sender over quota", Scope.PROVIDER, LATER),
    (Phase.MAIL, "503 already authenticated", Scope.SESSION, LATER),
    (Phase.RCPT, "555 5.5.2 Syntax error", Scope.RECIPIENT, NEVER),
    (Phase.END, "552 5.7.0 blocked: its content presents a security issue", Scope.MESSAGE, NEVER),
    (Phase.MAIL, "421 too many messages in this connection", Scope.SESSION, LATER),
    (Phase.END, "421 Maximum message count per session reached", Scope.SESSION, LATER),
    (Phase.END, "550 5.2.251 Sender throttled due to continuous errors", Scope.RATE, LATER),
    (Phase.END, "554 5.2.252 SendAsDenied; a not allowed to send as b", Scope.SENDER, NEVER),
    (Phase.RCPT, "450 4.1.8 <a@x>: Sender address rejected: not found", Scope.SENDER, LATER),
    (Phase.RCPT, "550 5.7.54 SMTP; Unable to relay recipient", Scope.PROVIDER, NEVER),
    (Phase.RCPT, "454 4.7.1 <b@x>: Relay access denied", Scope.PROVIDER, LATER),
    (Phase.END, "550 5.7.26 blocked because the sender is unauthenticated", Scope.SENDER, NEVER),
    (Phase.END, "550 5.7.25 The sending IP address has no PTR", Scope.PROVIDER, NEVER),
    (Phase.RCPT, "450 4.2.1 user is receiving too many mails", Scope.RECIPIENT, LATER),
    (Phase.RCPT, "550 5.1.1 user unknown; too many messages bounced", Scope.RECIPIENT, NEVER),
    (Phase.RCPT, "550 5.1.1 Recipient address rejected: rate limit", Scope.RECIPIENT, NEVER),
    (Phase.END, '554 5.7.1 spam: subject "please slow down"', Scope.MESSAGE, NEVER),
    (Phase.END, '550 5.7.1 spam: "your daily mail quota"', Scope.MESSAGE, NEVER),
    (Phase.END, "554 rejected as spam (not allowed to send from listed URL)", Scope.MESSAGE, NEVER),
    (Phase.RCPT, "550 5.2.1 mailbox holds too many messages", Scope.RECIPIENT, NEVER),
    (Phase.END, "550 5.7.1 Spam: see /rate limits", Scope.MESSAGE, NEVER),
    (Phase.END, "552 5.2.2 mailbox full", Scope.RECIPIENT, NEVER),
    (
        Phase.AUTH,
        "535 5.7.8 Too many connections with bad password, slow down",
        Scope.PROVIDER,
        NEVER,
    ),
    (Phase.RCPT, "450 4.2.0 Greylisted", Scope.RECIPIENT, LATER),
    (Phase.RCPT, "451 4.7.1 try later", Scope.RECIPIENT, LATER),
    (Phase.RCPT, "552 5.2.2 mailbox full", Scope.RECIPIENT, NEVER),
    (Phase.RCPT, "550 5.1.1 no such user", Scope.RECIPIENT, NEVER),
    (Phase.RCPT, "501 5.1.3 bad syntax", Scope.RECIPIENT, NEVER),
    (Phase.RCPT, "554 5.7.1 <x@y>: Relay access denied", Scope.PROVIDER, NEVER),
    (Phase.MAIL, "552 5.3.4 too big", Scope.CAPACITY, NEVER),
    (Phase.END, "554 5.3.4 too big", Scope.CAPACITY, NEVER),
    (Phase.CONTENT, "552 size", Scope.CAPACITY, NEVER),
    (Phase.DATA, "451 4.3.0 queue", Scope.MESSAGE, LATER),
    (Phase.END, "451 4.7.0 try again", Scope.MESSAGE, LATER),
    (Phase.END, "554 5.7.1 spam", Scope.MESSAGE, NEVER),
]


@pytest.mark.parametrize(("phase", "wire", "scope", "is_transient"), CASES)
def test_a_refusal_is_somebodys_failure(
    phase: Phase, wire: str, scope: Scope, is_transient: bool
) -> None:
    [reply] = ReplyReader().receive(wire.encode() + b"\r\n")
    failure = classify(phase, reply, provider_rules())
    assert (failure.scope, failure.is_transient) == (scope, is_transient)


@pytest.mark.parametrize(
    ("failure", "may"),
    [
        (Failure(Scope.RECIPIENT, is_transient=True), False),
        (Failure(Scope.RECIPIENT, is_transient=False), False),
        (Failure(Scope.MESSAGE, is_transient=True), True),
        (Failure(Scope.MESSAGE, is_transient=False), False),
        (Failure(Scope.SENDER, is_transient=False), True),
        (Failure(Scope.PROVIDER, is_transient=False), True),
        (Failure(Scope.CAPACITY, is_transient=False), True),
        (Failure(Scope.QUOTA, is_transient=True), True),
    ],
)
def test_only_what_another_provider_could_do_better_fails_over(failure: Failure, may: bool) -> None:
    assert failure.may_fail_over is may


@pytest.mark.parametrize(
    ("phase", "reason", "scope", "is_transient"),
    [
        (Phase.CONNECT, "ECONNREFUSED", Scope.PROVIDER, LATER),
        (Phase.CONNECT, "EAI_NONAME", Scope.PROVIDER, NEVER),
        (Phase.TLS, "X509_10", Scope.PROVIDER, NEVER),
        (Phase.STARTTLS, "starttls-not-offered", Scope.PROVIDER, NEVER),
        (Phase.MAIL, "closed", Scope.SESSION, LATER),
        (Phase.CONTENT, "ECONNRESET", Scope.SESSION, LATER),
        (Phase.DATA, "timeout", Scope.PROVIDER, LATER),
        (Phase.MAIL, "surplus", Scope.PROVIDER, NEVER),
    ],
)
def test_a_broken_conversation_is_somebodys_failure(
    phase: Phase, reason: str, scope: Scope, is_transient: bool
) -> None:
    assert classify_breakage(phase, reason) == Failure(scope, is_transient, is_unanswered=True)


def test_a_refused_handshake_says_nothing_about_the_mail() -> None:
    [reply] = ReplyReader().receive(b"550 5.7.30 Basic authentication is not supported\r\n")
    assert classify(Phase.AUTH, reply, provider_rules()).is_unanswered
    [reply] = ReplyReader().receive(b"550 5.1.8 unknown sender\r\n")
    assert not classify(Phase.MAIL, reply, provider_rules()).is_unanswered


def test_sign_in_first_is_no_answer_about_the_mail() -> None:
    [reply] = ReplyReader().receive(b"530 5.7.0 Authentication required\r\n")
    assert classify(Phase.MAIL, reply).is_unanswered
