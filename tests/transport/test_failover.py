"""Provider 1 fails in every way there is: does provider 2 get the mail?"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from msgspec import structs

from nexomailer_cli.errors import Problem, SecretError
from nexomailer_cli.rules import provider_rules
from nexomailer_cli.smtp.envelope import Mail
from nexomailer_cli.smtp.failure import Failure, Scope
from nexomailer_cli.smtp.outcome import Disposition, Outcome, Phase, Status, Verdict
from nexomailer_cli.smtp.reply import Reply as Answer
from nexomailer_cli.transport.account import Account
from nexomailer_cli.transport.failover import FailoverTransport, more_telling, waiting_recipients
from nexomailer_cli.transport.limits import Limits
from nexomailer_cli.transport.provider import ProviderTransport
from nexomailer_cli.transport.terms import Terms
from tests.support.account import BIG, CONTENT, PASSWORD, PROMPT, account, mail
from tests.support.aside import Aside
from tests.support.interruption import Interruption
from tests.support.script import (
    GOODBYE,
    Close,
    Deaf,
    Expect,
    Hang,
    Part,
    Peer,
    Raw,
    Reply,
    Script,
    Upgrade,
    chunk,
    ehlo,
    greeting,
    scripted,
    transaction,
)

ServerTls = Callable[..., ssl.SSLContext]
GROUPED = greeting("PIPELINING", "8BITMIME")
SIGN_IN = greeting("PIPELINING", "AUTH PLAIN LOGIN")
ACCEPTING: Script = (*GROUPED, *transaction(), *GOODBYE)
QUICK = Limits(connect=0.2, reply=0.2, end=0.2)


@dataclass(frozen=True)
class Case:
    """What provider 1 does, whether provider 2 is asked, and what becomes of the mail."""

    script: Script
    asked: bool
    status: Status
    connections: int = 1
    limits: Limits = PROMPT
    signs_in: bool = False
    content: bytes = CONTENT


def mail_says(answer: str) -> Script:
    rest: Script = (Expect("RCPT"), Reply("503 no"), Expect("DATA"), Reply("503 no"))
    return (*GROUPED, Expect("MAIL"), Reply(answer), *rest, *GOODBYE)


def rcpt_says(answer: str) -> Script:
    return (*GROUPED, *transaction(rcpt=(answer,), data="554 5.5.1 no recipients"), *GOODBYE)


def auth_says(answer: str) -> Script:
    return (*SIGN_IN, Expect("AUTH"), Reply(answer), Hang())


def end_says(answer: str) -> Script:
    return (*GROUPED, *transaction(end=answer), *GOODBYE)


OK, UNKNOWN = Status.ACCEPTED, Status.UNKNOWN
CHUNKED = greeting("PIPELINING", "CHUNKING")
CASES = {
    # The provider.
    "no greeting": Case((Hang(),), True, OK, limits=QUICK),
    "hangs up": Case((Close(),), True, OK),
    "greets with 421": Case((Reply("421 4.7.0 busy"), Hang()), True, OK),
    "greets with 554": Case((Reply("554 5.7.1 blocked"), Hang()), True, OK),
    "is no SMTP server": Case((Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Hang()), True, OK),
    "refuses EHLO": Case((Reply("220 hi"), Expect("EHLO"), Reply("550 no"), Hang()), True, OK),
    "wrong password": Case(auth_says("535 5.7.8 wrong"), True, OK, signs_in=True),
    "password too weak": Case(auth_says("534 5.7.9 no"), True, OK, signs_in=True),
    "sign-in needs TLS": Case(auth_says("538 5.7.11 no"), True, OK, signs_in=True),
    "no basic sign-in": Case(auth_says("550 5.7.30 Basic authentication"), True, OK, signs_in=True),
    "454 to AUTH": Case(auth_says("454 4.7.0 for the moment"), True, OK, signs_in=True),
    "421 to AUTH": Case(auth_says("421 4.7.0 later"), True, OK, signs_in=True),
    "no AUTH at all": Case((*GROUPED, Hang()), True, OK, signs_in=True),
    "530 to MAIL": Case(mail_says("530 5.7.0 sign in first"), True, OK),
    "4xx to MAIL": Case(mail_says("451 4.3.0 local error"), True, OK),
    "silent at MAIL": Case((*GROUPED, Expect("MAIL"), Hang()), True, OK, limits=QUICK),
    "nonsense at MAIL": Case((*GROUPED, Expect("MAIL"), Reply("what?"), Hang()), True, OK),
    "relay denied": Case(rcpt_says("554 5.7.1 <r1@b.test>: Relay access denied"), True, OK),
    # The sender, its rate and quota there.
    "sender refused": Case(mail_says("550 5.7.60 not yours"), True, OK),
    "sender refused at the end": Case(end_says("554 Email address is not verified."), True, OK),
    "too fast": Case(mail_says("454 Throttling failure: Maximum sending rate exceeded"), True, OK),
    "quota used up": Case(end_says("550 5.4.5 Daily user sending limit exceeded"), True, OK),
    # The session, three times over.
    "421 to MAIL": Case((*GROUPED, Expect("MAIL"), Reply("421 4.3.2 bye")), True, OK, 3),
    "421 to RCPT": Case((*GROUPED, *transaction()[:3], Reply("421 bye")), True, OK, 3),
    "421 to DATA": Case((*GROUPED, *transaction()[:5], Reply("421 bye")), True, OK, 3),
    "421 at the end": Case((*GROUPED, *transaction(end="421 4.3.2 bye")), True, OK, 3),
    "503 to MAIL": Case(mail_says("503 5.5.1 order"), True, OK, 3),
    "cut at MAIL": Case((*GROUPED, Expect("MAIL"), Close()), True, OK, 3),
    "cut before the content": Case((*GROUPED, *transaction()[:5], Close()), True, OK, 3),
    "cut within the content": Case(
        (*GROUPED, *transaction()[:6], Part(1), Deaf(), Close()), True, OK, 3, content=BIG
    ),
    # The point of no return.
    "cut after the content": Case((*GROUPED, *transaction()[:-1]), False, UNKNOWN),
    "silent after the content": Case(
        (*GROUPED, *transaction()[:-1], Hang()), False, UNKNOWN, limits=QUICK
    ),
    "cut after a chunk": Case((*CHUNKED, *chunk()[:-1]), False, UNKNOWN),
    "cut at MAIL, chunk and all out": Case((*CHUNKED, Expect("MAIL"), Close()), False, UNKNOWN),
    "nonsense after the content": Case(end_says("what?")[:-2], False, UNKNOWN),
    "a promise after the content": Case(end_says("354 go on")[:-2], False, UNKNOWN),
    # The recipient.
    "recipient unknown": Case(rcpt_says("550 5.1.1 no such user"), False, Status.REJECTED),
    "mailbox full": Case(rcpt_says("552 5.2.2 mailbox full"), False, Status.REJECTED),
    "greylisted": Case(rcpt_says("450 4.2.0 Greylisted"), False, Status.DEFERRED),
    "451 to RCPT": Case(rcpt_says("451 4.7.1 try later"), False, Status.DEFERRED),
    # The message.
    "spam": Case(end_says("554 5.7.1 spam"), False, Status.REJECTED),
    "deferred at the end": Case(end_says("451 4.3.0 try later"), True, OK),
    "deferred at DATA": Case(
        (*GROUPED, *transaction(data="451 4.3.0 no room"), *GOODBYE), True, OK
    ),
    "too big at the end": Case(end_says("552 5.3.4 too big"), True, OK),
    "too big by its SIZE": Case((*greeting("SIZE 10"), *GOODBYE), True, OK),
    "no 8-bit": Case(
        (*greeting(), *GOODBYE), True, OK, content="Subject: x\r\n\r\nGrüße\r\n".encode()
    ),
    # Nothing at all.
    "accepts": Case(ACCEPTING, False, OK),
    "accepts and cuts": Case((*GROUPED, *transaction(), Close()), False, OK),
    "accepts and refuses QUIT": Case(
        (*GROUPED, *transaction(), Expect("QUIT"), Reply("503 no")), False, OK
    ),
}


def both(first: Account, second: Account, *, deadline: float = float("inf")) -> Aside[Outcome]:
    return Aside(
        FailoverTransport((ProviderTransport(first), ProviderTransport(second)), deadline=deadline)
    )


async def delivered(first: Account, second: Account, message: Mail) -> Outcome:
    transport = both(first, second)
    outcome = await transport.send(message)
    await transport.close()
    return outcome


@contextlib.asynccontextmanager
async def spare() -> AsyncIterator[Peer]:
    """A second provider that takes everything."""
    async with scripted(ACCEPTING) as peer:
        yield peer


@pytest.mark.parametrize("name", CASES)
async def test_whose_failure_it_is_decides_who_is_asked_next(name: str) -> None:
    case = CASES[name]
    async with scripted(case.script) as one, spare() as two:
        first = account(
            one,
            name="one",
            limits=case.limits,
            rules=provider_rules,
            credentials=PASSWORD if case.signs_in else None,
        )
        outcome = await delivered(first, account(two, name="two"), mail(content=case.content))
    assert outcome.status is case.status
    assert two.connections == case.asked
    assert one.connections == case.connections
    assert one.verbs.count("AUTH") <= 1
    providers = [attempt.provider for attempt in outcome.attempts]
    assert providers == ["one"] * case.connections + ["two"] * case.asked


async def test_nobody_at_home_and_the_next_is_asked(unused_tcp_port: int) -> None:
    async with spare() as two:
        outcome = await delivered(account(unused_tcp_port), account(two), mail())
    assert outcome.status is OK
    assert outcome.attempts[0].reason == "ECONNREFUSED"


@pytest.mark.parametrize("implicit", [True, False])
async def test_a_wrong_certificate_and_the_next_is_asked(
    implicit: bool, server_tls: ServerTls, client_tls: ssl.SSLContext
) -> None:
    words: Script = (
        (Hang(),)
        if implicit
        else (*greeting("STARTTLS"), Expect("STARTTLS"), Reply("220 go"), Upgrade(), *ehlo())
    )
    other = server_tls("other.test")
    async with scripted(words, tls=other, implicit=implicit) as one, spare() as two:
        first = account(one, tls=client_tls, implicit=implicit, credentials=PASSWORD)
        outcome = await delivered(first, account(two), mail())
    assert outcome.status is OK
    assert outcome.attempts[0].reason == "X509_62"
    assert "AUTH" not in one.verbs


async def test_no_starttls_and_the_next_is_asked(client_tls: ssl.SSLContext) -> None:
    async with scripted((*greeting("AUTH PLAIN"), Hang())) as one, spare() as two:
        first = account(one, tls=client_tls, credentials=PASSWORD)
        outcome = await delivered(first, account(two), mail())
    assert outcome.status is OK
    assert outcome.attempts[0].reason == "starttls-not-offered"
    assert one.verbs == ["EHLO"]


def no_secret() -> Terms:
    raise SecretError(Problem("is empty", key="password of provider one"))


async def test_a_password_that_cannot_be_had_does_not_keep_the_mail_from_the_next() -> None:
    async with spare() as two:
        first = Account(name="one", host="h.test", port=25, terms=no_secret, limits=PROMPT)
        outcome = await delivered(first, account(two), mail())
    assert outcome.status is OK
    assert outcome.attempts[0].text == "password of provider one: is empty"


async def test_a_wrong_password_is_tried_once_in_a_run() -> None:
    twice: Script = (*GROUPED, *transaction() * 2, *GOODBYE)
    async with scripted(auth_says("535 5.7.8 wrong")) as one, scripted(twice) as two:
        transport = both(account(one, name="one", credentials=PASSWORD), account(two))
        outcomes = [await transport.send(mail()) for _ in range(2)]
        await transport.close()
    assert [outcome.status for outcome in outcomes] == [OK, OK]
    assert one.verbs.count("AUTH") == 1
    assert [attempt.provider for attempt in outcomes[1].attempts] == [
        outcomes[0].attempts[1].provider
    ]
    assert "wrong" in outcomes[0].attempts[0].text


async def test_recipients_are_handed_on_one_by_one() -> None:
    script = (
        *GROUPED,
        *transaction(
            rcpt=("250 ok", "550 5.1.1 no", "450 4.2.0 later", "554 5.7.1 Relay access denied")
        ),
        *GOODBYE,
    )
    async with scripted(script) as one, spare() as two:
        first = account(one, rules=provider_rules)
        outcome = await delivered(first, account(two), mail("a@b.c", "u@b.c", "g@b.c", "x@b.c"))
    assert [each.verdict for each in outcome.dispositions] == [
        Verdict.ACCEPTED,
        Verdict.REJECTED,
        Verdict.DEFERRED,
        Verdict.ACCEPTED,
    ]
    assert [line for line in two.heard if line.startswith("RCPT")] == ["RCPT TO:<x@b.c>"]


async def test_who_may_have_the_mail_is_left_alone_and_the_others_are_handed_on() -> None:
    lost: Script = (
        *greeting("PIPELINING", "LIMITS RCPTMAX=1"),
        *transaction()[:-1],
    )
    denied: Script = (Reply("554 5.7.1 blocked"), Hang())
    async with scripted(lost, denied) as one, spare() as two:
        outcome = await delivered(account(one), account(two), mail("a@b.c", "x@b.c"))
    assert [each.verdict for each in outcome.dispositions] == [Verdict.UNKNOWN, Verdict.ACCEPTED]
    assert outcome.status is UNKNOWN
    assert [line for line in two.heard if line.startswith("RCPT")] == ["RCPT TO:<x@b.c>"]


async def test_who_was_not_reached_at_the_first_is_reached_at_the_second() -> None:
    script = (
        *greeting("PIPELINING", "LIMITS RCPTMAX=2"),
        *transaction(rcpt=("554 5.7.1 Relay access denied", "250 ok")),
        *GOODBYE,
    )
    spares: Script = (*GROUPED, *transaction(rcpt=("250 ok",) * 3), *GOODBYE)
    async with scripted(script) as one, scripted(spares) as two:
        first = account(one, rules=provider_rules)
        outcome = await delivered(first, account(two), mail("a@b.c", "b@b.c", "c@b.c", "d@b.c"))
    assert outcome.status is OK
    assert [line[8:] for line in two.heard if line.startswith("RCPT")] == [
        "<a@b.c>",
        "<c@b.c>",
        "<d@b.c>",
    ]


async def test_all_refuse_the_sender_and_that_is_final() -> None:
    script = mail_says("550 5.7.60 not yours")
    async with scripted(script) as one, scripted(script) as two:
        outcome = await delivered(account(one), account(two), mail())
    assert outcome.status is Status.REJECTED
    assert (one.connections, two.connections) == (1, 1)


async def test_what_may_pass_outweighs_what_will_not() -> None:
    # Only so can the whole be tried again later.
    later, never = mail_says("451 4.3.0 later"), mail_says("550 5.7.60 not yours")
    async with scripted(later) as one, scripted(never) as two:
        outcome = await delivered(account(one), account(two), mail())
    assert outcome.status is Status.DEFERRED
    assert str(outcome.dispositions[0].reply) == "451 4.3.0 later"


async def test_the_deadline_stops_handing_on() -> None:
    deadline = asyncio.get_running_loop().time() + 0.2
    patient = Limits(connect=60.0, reply=60.0, deadline=deadline)
    async with scripted((*GROUPED, Hang())) as one, spare() as two:
        transport = both(account(one, limits=patient), account(two), deadline=deadline)
        outcome = await transport.send(mail())
        await transport.close()
    assert outcome.status is Status.FAILED
    assert outcome.attempts[0].reason == "deadline"
    assert two.connections == 0


async def test_the_first_provider_is_asked_however_late_it_is() -> None:
    async with spare() as one, spare() as two:
        transport = both(account(one), account(two), deadline=0.0)
        outcome = await transport.send(mail())
        await transport.close()
    assert outcome.status is OK
    assert two.connections == 0


async def test_being_interrupted_leaves_no_connection_open() -> None:
    signal = Interruption("MAIL")
    async with scripted((*GROUPED, Expect("MAIL"), Hang())) as one, spare() as two:
        entry = structs.replace(account(one), blocking=signal.blocking)
        providers = ProviderTransport(entry, signal.observe), ProviderTransport(account(two))
        transport = Aside(FailoverTransport(providers))
        with pytest.raises(KeyboardInterrupt):
            await transport.send(mail())
        async with asyncio.timeout(2.0):
            await one.left.wait()
        await transport.close()
    assert two.connections == 0


async def test_the_name_says_all_names() -> None:
    assert both(account(1, name="one"), account(2, name="two")).name == "one, two"


# --- what two providers say about one recipient ---------------------------------------------


def told(scope: Scope | None, *, is_transient: bool = False, text: str = "x") -> Disposition:
    if scope is None:
        return Disposition("r", Verdict.ACCEPTED, Phase.END, Answer(250, "", (text,)))
    verdict = Verdict.DEFERRED if is_transient else Verdict.REJECTED
    failure = Failure(scope, is_transient)
    return Disposition("r", verdict, Phase.MAIL, Answer(450, "", (text,)), "", failure)


LATER = told(Scope.PROVIDER, is_transient=True, text="later")
LATER_TOO = told(Scope.RATE, is_transient=True, text="later, too")
NEVER = told(Scope.PROVIDER, text="never")
NEVER_TOO = told(Scope.SENDER, text="never, too")
TAKEN = told(None)
LOST = Disposition("r", Verdict.UNKNOWN, Phase.END, None, "closed")
GREY = told(Scope.RECIPIENT, is_transient=True)
GONE = told(Scope.RECIPIENT)


@pytest.mark.parametrize(
    ("known", "new", "counts"),
    [
        (None, LATER, LATER),
        (None, TAKEN, TAKEN),
        (LATER, TAKEN, TAKEN),
        (LATER, LOST, LOST),
        (LATER, GREY, GREY),
        (LATER, GONE, GONE),
        (NEVER, GONE, GONE),
        (LATER, NEVER, LATER),
        (NEVER, LATER, LATER),
        (LATER, LATER_TOO, LATER),
        (NEVER, NEVER_TOO, NEVER),
    ],
)
def test_the_more_telling_answer_counts(
    known: Disposition | None, new: Disposition, counts: Disposition
) -> None:
    assert more_telling(known, new) is counts


@pytest.mark.parametrize(
    ("known", "waits"),
    [
        (LATER, True),
        (NEVER, True),
        (NEVER_TOO, True),
        (LATER_TOO, True),
        (told(Scope.CAPACITY), True),
        (told(Scope.MESSAGE, is_transient=True), True),
        (told(Scope.MESSAGE), False),
        (TAKEN, False),
        (LOST, False),
        (GREY, False),
        (GONE, False),
    ],
)
def test_only_whom_another_provider_may_help_waits_for_it(known: Disposition, waits: bool) -> None:
    message = mail("r", "new")
    assert waiting_recipients(message, {"r": known}) == (("r", "new") if waits else ("new",))


async def test_who_was_greylisted_comes_back_to_the_same_provider() -> None:
    greylisting = (*GROUPED, *transaction(rcpt=("450 4.2.0 later",), data="503 no"), *GOODBYE)
    second = (*GROUPED, *transaction(), *GOODBYE)
    async with (
        scripted((Reply("421 busy"),), second) as one,
        scripted(greylisting, second) as two,
    ):
        transport = both(account(one, name="one"), account(two, name="two"))
        first = await transport.send(mail())
        await transport.close()
        again = await transport.send(mail())
        await transport.close()
    assert [attempt.provider for attempt in first.attempts] == ["one", "two"]
    assert [attempt.provider for attempt in again.attempts] == ["two"]
    assert (first.status, again.status) == (Status.DEFERRED, OK)
