"""One provider: new sessions for spoilt ones, batches, what it cannot take, and being off."""

import socket
import ssl
from collections.abc import Callable
from traceback import walk_tb
from typing import Any

import pytest
from msgspec import structs

from nexomailer_cli.errors import ConfigError, MessageError, Problem
from nexomailer_cli.rules import provider_rules
from nexomailer_cli.smtp.auth import Credentials
from nexomailer_cli.smtp.envelope import Envelope, Mail
from nexomailer_cli.smtp.failure import Failure, Scope
from nexomailer_cli.smtp.outcome import Outcome, Phase, Status, Verdict
from nexomailer_cli.transport import meeting
from nexomailer_cli.transport.account import Account
from nexomailer_cli.transport.base import Attempted, Event, Said, Withheld
from nexomailer_cli.transport.limits import Limits
from nexomailer_cli.transport.provider import ProviderTransport
from nexomailer_cli.transport.route import reach
from nexomailer_cli.transport.terms import Terms
from tests.support.account import (
    HASTY,
    PASSWORD,
    PROMPT,
    account,
    events_of,
    mail,
    terms,
)
from tests.support.aside import Aside
from tests.support.interruption import Interruption
from tests.support.script import (
    GOODBYE,
    RESET,
    Close,
    Deaf,
    Expect,
    Hang,
    Peer,
    Reply,
    Reset,
    Script,
    Step,
    Upgrade,
    chunk,
    ehlo,
    greeting,
    scripted,
    transaction,
)

ServerTls = Callable[..., ssl.SSLContext]
GROUPED = greeting("PIPELINING")
ACCEPTING: Script = (*GROUPED, *transaction(), *GOODBYE)


async def sent(account: Account, *mails: Mail) -> Outcome:
    """Send `mails` over one transport; return what became of the last."""
    transport = Aside(ProviderTransport(account))
    for each in mails[:-1]:
        await transport.send(each)
    outcome = await transport.send(mails[-1])
    await transport.close()
    return outcome


def verdicts(outcome: Outcome) -> list[Verdict]:
    return [each.verdict for each in outcome.dispositions]


def scopes(outcome: Outcome) -> list[Scope | None]:
    return [each.failure.scope if each.failure else None for each in outcome.dispositions]


def refusing(answer: str, recipients: int = 1) -> Script:
    """A group whose MAIL is answered so, and the rest 503."""
    rest: Script = (Expect("RCPT"), Reply("503 no")) * recipients
    return (Expect("MAIL"), Reply(answer), *rest, Expect("DATA"), Reply("503 no"))


# --- sessions -------------------------------------------------------------------------------

SPOILT: dict[str, Script] = {
    "421 to MAIL": (*GROUPED, Expect("MAIL"), Reply("421 4.3.2 bye")),
    "421 to RCPT": (*GROUPED, *transaction()[:3], Reply("421 4.3.2 bye")),
    "421 after the content": (*GROUPED, *transaction(end="421 4.3.2 bye")),
    "503 to MAIL": (*GROUPED, *refusing("503 5.5.1 out of order"), *GOODBYE),
    "502 to DATA": (*GROUPED, *transaction(data="502 what is DATA?"), *GOODBYE),
    "cut at MAIL": (*GROUPED, Expect("MAIL"), Close()),
    "reset at RCPT": (*GROUPED, Expect("MAIL"), Reply("250 ok"), Expect("RCPT"), Reset()),
    "cut at DATA": (*GROUPED, *transaction()[:5], Close()),
}


@pytest.mark.parametrize("spoilt", SPOILT)
async def test_a_spoilt_session_costs_a_connection_and_not_the_mail(spoilt: str) -> None:
    async with scripted(SPOILT[spoilt], ACCEPTING) as peer:
        outcome = await sent(account(peer), mail())
    assert outcome.status is Status.ACCEPTED
    assert peer.connections == 2
    assert len(outcome.attempts) == 2


@pytest.mark.parametrize("spoilt", SPOILT)
async def test_after_three_spoilt_sessions_it_is_enough(spoilt: str) -> None:
    async with scripted(SPOILT[spoilt]) as peer:
        outcome = await sent(account(peer), mail())
    assert scopes(outcome) == [Scope.SESSION]
    assert verdicts(outcome) == [Verdict.DEFERRED]
    assert peer.connections == 3
    assert len(outcome.attempts) == 3


async def test_a_session_refused_the_second_time_is_the_provider_s_failure() -> None:
    async with scripted(SPOILT["421 to MAIL"], (Reply("554 5.7.1 go away"),)) as peer:
        outcome = await sent(account(peer), mail())
    assert scopes(outcome) == [Scope.PROVIDER]
    assert peer.connections == 2


async def test_a_slow_server_is_not_asked_again_at_once() -> None:
    async with scripted((*GROUPED, Hang())) as peer:
        outcome = await sent(account(peer, limits=HASTY), mail())
    assert scopes(outcome) == [Scope.PROVIDER]
    assert outcome.status is Status.FAILED
    assert outcome.attempts[0].reason == "timeout"
    assert peer.connections == 1


async def test_what_may_have_been_delivered_is_not_sent_again() -> None:
    async with scripted((*GROUPED, *transaction()[:-1]), ACCEPTING) as peer:
        outcome = await sent(account(peer), mail())
    assert outcome.status is Status.UNKNOWN
    assert [each.failure for each in outcome.dispositions] == [None]
    assert peer.connections == 1
    [attempt] = outcome.attempts
    assert attempt.status is Status.UNKNOWN
    assert attempt.text.startswith("the connection was lost after the content")


async def test_after_an_unknown_mail_the_next_gets_its_own_connection() -> None:
    silent: Script = (*greeting("PIPELINING", "CHUNKING"), *chunk()[:-1], Hang())
    fine: Script = (*greeting("PIPELINING", "CHUNKING"), *chunk(), *GOODBYE)
    async with scripted(silent, fine) as peer:
        limits = Limits(connect=5.0, reply=0.15, end=0.15)
        outcome = await sent(account(peer, limits=limits), mail(), mail())
    assert outcome.status is Status.ACCEPTED
    assert len(outcome.attempts) == 1
    assert peer.connections == 2


async def test_one_connection_serves_many_mails() -> None:
    async with scripted((*GROUPED, *transaction() * 3, *GOODBYE)) as peer:
        outcome = await sent(account(peer), mail(), mail(), mail())
    assert outcome.status is Status.ACCEPTED
    assert peer.connections == 1


async def test_a_connection_that_ended_meanwhile_is_replaced() -> None:
    async with scripted((*GROUPED, *transaction()), ACCEPTING) as peer:
        transport = Aside(ProviderTransport(account(peer)))
        first = await transport.send(mail())
        await peer.left.wait()
        second = await transport.send(mail())
        await transport.close()
    assert first.status is second.status is Status.ACCEPTED
    assert peer.connections == 2


async def test_a_lost_sender_stays_with_the_provider_s_other_mails() -> None:
    script = (
        *GROUPED,
        *refusing("550 5.7.60 not yours"),
        *RESET,
        *transaction(),
        *GOODBYE,
    )
    async with scripted(script) as peer:
        transport = Aside(ProviderTransport(account(peer, rules=provider_rules)))
        refused = await transport.send(mail())
        accepted = await transport.send(mail())
        await transport.close()
    assert (verdicts(refused), scopes(refused)) == ([Verdict.REJECTED], [Scope.SENDER])
    assert accepted.status is Status.ACCEPTED
    assert peer.connections == 1


@pytest.mark.parametrize("nonsense", ["what?", "999 ok", "199 hm", "250-a\n251 b"])
async def test_nonsense_in_a_transaction_is_an_outcome_and_no_crash(nonsense: str) -> None:
    async with scripted((*GROUPED, Expect("MAIL"), Reply(nonsense), Hang())) as peer:
        outcome = await sent(account(peer), mail())
    assert scopes(outcome) == [Scope.PROVIDER]
    assert outcome.dispositions[0].phase is Phase.MAIL
    assert outcome.attempts[0].reason == "not-smtp"


async def test_being_interrupted_closes_the_connection_and_the_next_mail_gets_a_new_one() -> None:
    signal = Interruption("MAIL")
    async with scripted((*GROUPED, Expect("MAIL"), Hang()), ACCEPTING) as peer:
        entry = structs.replace(account(peer), blocking=signal.blocking)
        transport = Aside(ProviderTransport(entry, signal.observe))
        with pytest.raises(KeyboardInterrupt):
            await transport.send(mail())
        outcome = await transport.send(mail())
        await transport.close()
    assert outcome.status is Status.ACCEPTED
    assert len(outcome.attempts) == 1


# --- batches ----------------------------------------------------------------------------------

FOUR = mail("a@b.test", "b@b.test", "c@b.test", "d@b.test")


def pairs(*batches: tuple[str, ...]) -> Script:
    steps: list[Step] = [*greeting("PIPELINING", "LIMITS RCPTMAX=2")]
    for rcpt in batches:
        steps += transaction(rcpt=rcpt)
    return (*steps, *GOODBYE)


async def test_no_transaction_has_more_recipients_than_the_server_takes() -> None:
    async with scripted(pairs(("250 ok",) * 2, ("250 ok",) * 2)) as peer:
        outcome = await sent(account(peer), FOUR)
    assert verdicts(outcome) == [Verdict.ACCEPTED] * 4
    assert [each.recipient for each in outcome.dispositions] == list(FOUR.envelope.recipients)
    assert peer.verbs.count("MAIL") == 2


async def test_a_recipient_refused_in_one_batch_does_not_stop_the_next() -> None:
    async with scripted(pairs(("550 5.1.1 no", "250 ok"), ("250 ok", "450 later"))) as peer:
        outcome = await sent(account(peer), FOUR)
    assert verdicts(outcome) == [
        Verdict.REJECTED,
        Verdict.ACCEPTED,
        Verdict.ACCEPTED,
        Verdict.DEFERRED,
    ]
    assert scopes(outcome) == [Scope.RECIPIENT, None, None, Scope.RECIPIENT]
    assert outcome.status is Status.PARTIAL
    assert peer.connections == 1


async def test_who_was_not_reached_before_the_provider_failed_is_not_called_accepted() -> None:
    # The provider's fault shows at one recipient, and the other of the batch is taken.
    answers = ("554 5.7.1 <a@b.test>: Relay access denied", "250 ok")
    async with scripted(pairs(answers)) as peer:
        outcome = await sent(account(peer, rules=provider_rules), FOUR)
    assert peer.heard.count("RCPT TO:<c@b.test>") == 0
    assert verdicts(outcome)[1] is Verdict.ACCEPTED
    assert verdicts(outcome)[2:] == [Verdict.REJECTED] * 2
    assert scopes(outcome) == [Scope.PROVIDER, None, Scope.PROVIDER, Scope.PROVIDER]


async def test_who_was_not_reached_in_three_sessions_is_not_called_accepted() -> None:
    five = mail("a@b.test", "b@b.test", "c@b.test", "d@b.test", "e@b.test")
    async with scripted(pairs(("503 5.5.1 what?", "250 ok"))) as peer:
        outcome = await sent(account(peer), five)
    assert not any("e@b.test" in line for line in peer.heard)
    assert verdicts(outcome)[1:4] == [Verdict.ACCEPTED] * 3
    assert scopes(outcome)[0] is scopes(outcome)[4] is Scope.SESSION
    assert verdicts(outcome)[4] is Verdict.DEFERRED


async def test_too_many_recipients_go_in_a_further_transaction() -> None:
    many = "452 4.5.3 Too many recipients"
    script = (
        *GROUPED,
        *transaction(rcpt=("250 ok", "250 ok", many, many)),
        *transaction(rcpt=("250 ok", many)),
        *transaction(),
        *GOODBYE,
    )
    async with scripted(script) as peer:
        outcome = await sent(account(peer), FOUR)
    assert verdicts(outcome) == [Verdict.ACCEPTED] * 4
    assert peer.connections == 1
    assert peer.verbs.count("MAIL") == 3


async def test_a_server_for_which_one_recipient_is_too_many_is_left_in_peace() -> None:
    many = "452 4.5.3 Too many recipients"
    script = (*GROUPED, *transaction(rcpt=(many,) * 4, data="554 none"), *GOODBYE)
    async with scripted(script) as peer:
        outcome = await sent(account(peer), FOUR)
    assert scopes(outcome) == [Scope.CROWD] * 4
    assert peer.verbs.count("MAIL") == 1


async def test_a_lost_batch_is_unknown_and_the_others_go_on() -> None:
    lost: Script = (
        *greeting("PIPELINING", "LIMITS RCPTMAX=2"),
        *transaction(rcpt=("250 ok", "250 ok"))[:-1],
    )
    async with scripted(lost, pairs(("250 ok", "250 ok"))) as peer:
        outcome = await sent(account(peer), FOUR)
    assert verdicts(outcome) == [Verdict.UNKNOWN] * 2 + [Verdict.ACCEPTED] * 2
    assert outcome.status is Status.UNKNOWN
    assert peer.connections == 2


async def test_a_provider_that_is_throttling_is_not_asked_for_the_other_batches() -> None:
    script = (
        *greeting("PIPELINING", "LIMITS RCPTMAX=2"),
        *refusing("454 Throttling failure: Maximum sending rate exceeded.", 2),
        *GOODBYE,
    )
    async with scripted(script) as peer:
        outcome = await sent(account(peer, rules=provider_rules), FOUR)
    assert scopes(outcome) == [Scope.RATE] * 4
    assert peer.verbs.count("MAIL") == 1


# --- what a server cannot take -------------------------------------------------------------

EIGHT_BIT = mail(content="Subject: x\r\n\r\nGrüße\r\n".encode())
UTF8 = mail("bücher@b.test")
CANNOT = [
    (mail(content=b"x" * 90 + b"\r\n"), ("SIZE 50",), "too-large"),
    (EIGHT_BIT, (), "8bitmime-not-offered"),
    (UTF8, ("8BITMIME",), "smtputf8-not-offered"),
]


@pytest.mark.parametrize(("message", "keywords", "reason"), CANNOT)
async def test_what_a_server_cannot_take_is_not_sent(
    message: Mail, keywords: tuple[str, ...], reason: str
) -> None:
    async with scripted((*greeting(*keywords), *GOODBYE)) as peer:
        outcome = await sent(account(peer), message)
    [disposition] = outcome.dispositions
    assert disposition.reason == reason
    assert disposition.failure == Failure(Scope.CAPACITY, is_transient=False)
    assert outcome.status is Status.REJECTED
    assert "server" in outcome.attempts[0].text
    assert peer.verbs == ["EHLO", "QUIT"]


async def test_what_a_server_offers_to_take_is_sent() -> None:
    keywords = ("8BITMIME", "SMTPUTF8", "SIZE 1000", "PIPELINING")
    message = Mail(Envelope("s@a.test", ("bücher@b.test",)), EIGHT_BIT.content)
    async with scripted((*greeting(*keywords), *transaction(), *GOODBYE)) as peer:
        outcome = await sent(account(peer), message)
    assert outcome.status is Status.ACCEPTED
    assert peer.heard[1] == f"MAIL FROM:<s@a.test> SIZE={len(message.content)} BODY=8BITMIME" + (
        " SMTPUTF8"
    )


async def test_an_envelope_that_must_not_go_out_is_an_error_and_keeps_the_session() -> None:
    async with scripted(ACCEPTING) as peer:
        transport = Aside(ProviderTransport(account(peer)))
        with pytest.raises(MessageError):
            await transport.send(mail("a b@c.test"))
        outcome = await transport.send(mail())
        await transport.close()
    assert outcome.status is Status.ACCEPTED
    assert peer.connections == 1


# --- sign-in ----------------------------------------------------------------------------------

SIGN_IN: Script = greeting("PIPELINING", "AUTH PLAIN LOGIN")


async def test_a_refused_password_switches_the_provider_off() -> None:
    script = (*SIGN_IN, Expect("AUTH"), Reply("535 5.7.8 wrong"), Hang())
    async with scripted(script) as peer:
        transport = Aside(ProviderTransport(account(peer, credentials=PASSWORD)))
        first = await transport.send(mail())
        second = await transport.send(mail())
        await transport.close()
    assert peer.connections == 1
    assert peer.verbs.count("AUTH") == 1
    for outcome in (first, second):
        assert outcome.status is Status.FAILED
        [disposition] = outcome.dispositions
        assert disposition.failure == Failure(
            Scope.PROVIDER, is_transient=False, is_unanswered=True
        )
        assert (disposition.phase, str(disposition.reply)) == (Phase.AUTH, "535 5.7.8 wrong")
    assert (len(first.attempts), second.attempts) == (1, ())


@pytest.mark.parametrize(
    "answer", ["454 4.7.0 Temporary authentication failure", "421 4.7.0 later", "432 busy"]
)
async def test_a_sign_in_that_failed_for_the_moment_may_be_repeated(answer: str) -> None:
    script = (*SIGN_IN, Expect("AUTH"), Reply(answer), Hang())
    good = (*SIGN_IN, Expect("AUTH"), Reply("235 in"), *transaction(), *GOODBYE)
    async with scripted(script, good) as peer:
        transport = Aside(ProviderTransport(account(peer, credentials=PASSWORD)))
        first = await transport.send(mail())
        second = await transport.send(mail())
        await transport.close()
    assert (first.status, scopes(first)) == (Status.FAILED, [Scope.PROVIDER])
    assert second.status is Status.ACCEPTED
    assert peer.connections == 2


async def test_no_traceback_grows_while_a_provider_is_off() -> None:
    script = (*SIGN_IN, Expect("AUTH"), Reply("535 5.7.8 wrong"), Hang())
    async with scripted(script) as peer:
        transport = Aside(ProviderTransport(account(peer, credentials=PASSWORD)))
        for _ in range(50):
            await transport.send(mail())
        assert transport._off is not None
        frames = list(walk_tb(transport._off.__traceback__))
        await transport.close()
    assert len(frames) < 20


async def test_a_mail_that_asks_for_sign_in_is_the_provider_s_failure() -> None:
    script = (*GROUPED, *refusing("530 5.7.0 Authentication required"), *GOODBYE)
    async with scripted(script) as peer:
        outcome = await sent(account(peer), mail())
    assert scopes(outcome) == [Scope.PROVIDER]
    assert outcome.status is Status.FAILED
    assert peer.connections == 1


async def test_a_provider_that_wants_a_sign_in_is_not_asked_again_in_a_run() -> None:
    script = (*GROUPED, *refusing("530 5.7.0 Authentication required"), *GOODBYE)
    async with scripted(script) as peer:
        transport = Aside(ProviderTransport(account(peer)))
        outcomes = [await transport.send(mail()) for _ in range(2)]
        await transport.close()
    assert [outcome.status for outcome in outcomes] == [Status.FAILED] * 2
    assert peer.verbs.count("MAIL") == 1


def unconfigured() -> Terms:
    raise ConfigError(Problem("environment variable PASS is not set\x1b", key="password"))


async def test_a_password_that_cannot_be_had_is_an_outcome() -> None:
    broken = Account(name="p", host="h.test", port=25, terms=unconfigured, limits=PROMPT)
    outcome = await sent(broken, mail())
    assert outcome.status is Status.FAILED
    [attempt] = outcome.attempts
    assert attempt.reason == "configuration"
    assert "PASS is not set\\x1b" in attempt.text
    assert not any(each.failure and each.failure.is_transient for each in outcome.dispositions)


async def test_a_provider_nobody_answers_for_is_an_outcome(unused_tcp_port: int) -> None:
    outcome = await sent(account(unused_tcp_port), mail())
    [attempt] = outcome.attempts
    assert (attempt.phase, attempt.reason) == (Phase.CONNECT, "ECONNREFUSED")
    assert (attempt.host, attempt.port) == ("127.0.0.1", unused_tcp_port)
    assert outcome.dispositions[0].verdict is Verdict.DEFERRED


# --- nothing stays behind ------------------------------------------------------------------


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """All sockets that handshakes were given."""
    sockets: list[socket.socket] = []

    def spy(*way: Any) -> socket.socket:
        sockets.append(reach(*way))
        return sockets[-1]

    monkeypatch.setattr(meeting, "reach", spy)
    return sockets


async def test_a_server_that_is_stuck_in_tls_leaves_no_socket(
    server_tls: ServerTls, client_tls: ssl.SSLContext, dialled: list[socket.socket]
) -> None:
    script: Script = (
        *greeting("STARTTLS"),
        *(Expect("STARTTLS"), Reply("220 go"), Upgrade(), Expect("EHLO"), Deaf(), Hang()),
    )
    async with scripted(script, tls=server_tls()) as peer:
        outcome = await sent(account(peer, tls=client_tls, limits=HASTY), mail())
        assert dialled[0].fileno() == -1
    assert outcome.attempts[0].phase is Phase.EHLO


async def test_a_name_that_tls_cannot_use_is_an_outcome(
    server_tls: ServerTls, client_tls: ssl.SSLContext
) -> None:
    def terms_with_name(port: int) -> Terms:
        return structs.replace(terms(port, tls=client_tls), servername=".b.test")

    script: Script = (
        *greeting("STARTTLS"),
        *(Expect("STARTTLS"), Reply("220 go"), Upgrade(), Hang()),
    )
    async with scripted(script, tls=server_tls()) as peer:
        entry = Account(
            name="p",
            host="127.0.0.1",
            port=peer.port,
            terms=lambda: terms_with_name(peer.port),
            limits=PROMPT,
        )
        outcome = await sent(entry, mail())
    assert scopes(outcome) == [Scope.PROVIDER]


# --- what is told -------------------------------------------------------------------------


async def test_each_attempt_is_told_and_no_secret(
    server_tls: ServerTls, client_tls: ssl.SSLContext
) -> None:
    events: list[Event] = []
    opening: Script = (
        *greeting("STARTTLS"),
        *(Expect("STARTTLS"), Reply("220 go"), Upgrade()),
        *ehlo("PIPELINING", "AUTH LOGIN"),
        *(Expect("AUTH LOGIN"), Reply("334 VXNlcm5hbWU6"), Expect("")),
        *(Reply("334 UGFzc3dvcmQ6"), Expect(""), Reply("235 in")),
    )
    async with scripted(
        (*opening, Expect("MAIL"), Reply("421 4.3.2 bye")),
        (*opening, *transaction(), *GOODBYE),
        tls=server_tls(),
    ) as peer:
        entry = account(peer, credentials=PASSWORD, tls=client_tls)
        transport = Aside(ProviderTransport(entry, events.append))
        outcome = await transport.send(mail())
        await transport.close()
    told = events_of(Attempted, events)
    assert [event.attempt for event in told if isinstance(event, Attempted)] == list(
        outcome.attempts
    )
    assert [attempt.status for attempt in outcome.attempts] == [Status.DEFERRED, Status.ACCEPTED]
    assert {attempt.tls for attempt in outcome.attempts} == {"TLSv1.3"}
    assert all(0 <= attempt.elapsed < 5 for attempt in outcome.attempts)
    said = [event.text for event in events if isinstance(event, Said)]
    assert said.count("***") == 4
    assert not any("dGFuc3RhYWY" in line or "dGlt" in line for line in said)


async def test_the_words_of_a_partly_refused_mail_are_those_of_the_refusal() -> None:
    script = (*GROUPED, *transaction(rcpt=("250 ok", "550 5.1.1 unknown here")), *GOODBYE)
    async with scripted(script) as peer:
        outcome = await sent(account(peer), mail("a@b.test", "b@b.test"))
    [attempt] = outcome.attempts
    assert attempt.status is Status.PARTIAL
    assert (attempt.phase, attempt.text) == (Phase.RCPT, "unknown here")


async def test_the_words_of_an_accepted_mail_are_those_of_the_server() -> None:
    async with scripted(ACCEPTING) as peer:
        transport = Aside(ProviderTransport(account(peer, name="main")))
        outcome = await transport.send(mail())
        await transport.close()
    assert transport.name == "main"
    assert outcome.attempts[0].text == "Ok: queued as 4F2A"


async def test_a_report_that_the_server_does_not_offer_is_told() -> None:
    events: list[Event] = []
    wish = Mail(Envelope("s@a.test", ("r@b.test",), ("failure",)), mail().content)
    both: Script = (*greeting("PIPELINING", "DSN"), *transaction(), *GOODBYE)
    async with scripted(ACCEPTING, both) as peer:
        for _ in range(2):
            transport = Aside(ProviderTransport(account(peer), events.append))
            await transport.send(wish)
            await transport.close()
    told = [event for event in events if isinstance(event, Withheld)]
    assert told == [Withheld("main", "delivery reports (DSN)")]
    assert "RCPT TO:<r@b.test> NOTIFY=FAILURE ORCPT=rfc822;r@b.test" in peer.heard


def test_an_account_does_not_show_the_password() -> None:
    assert "tanstaaf" not in repr(account(1, credentials=Credentials("tim", "tanstaaf")))


async def test_closing_what_was_never_open_does_nothing() -> None:
    peer = Peer(port=1)
    ProviderTransport(account(peer)).close()


async def test_content_that_was_too_big_is_not_sent_again() -> None:
    script = (*GROUPED, *transaction(end="552 5.3.4 too big"), *GOODBYE)
    async with scripted(script) as peer:
        outcome = await sent(account(peer), mail())
    assert scopes(outcome) == [Scope.CAPACITY]
    assert peer.verbs.count("MAIL") == 1
