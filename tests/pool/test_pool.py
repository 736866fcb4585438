"""The pool: how many sessions, for how long, and what comes back when one is lost."""

import asyncio
import ssl
from collections.abc import Callable

import pytest
from msgspec import structs

from nexomailer_cli.errors import ConfigError, Problem
from nexomailer_cli.pool import lane as lane_module
from nexomailer_cli.pool import pool as pool_module
from nexomailer_cli.pool.desk import PoolLimits
from nexomailer_cli.pool.pool import Pool
from nexomailer_cli.smtp.failure import Failure, Scope
from nexomailer_cli.smtp.outcome import Phase, Status, Verdict
from nexomailer_cli.transport.account import Account
from nexomailer_cli.transport.base import Event, Said, Withheld
from tests.support.account import (
    BIG,
    HASTY,
    PASSWORD,
    PROMPT,
    account,
    events_of,
    eventually,
    mail,
    terms,
)
from tests.support.desk import CountingDesk, mails, pool_at
from tests.support.script import (
    GOODBYE,
    Close,
    Content,
    Deaf,
    Expect,
    Hang,
    Listen,
    Oblige,
    Octets,
    Part,
    Raw,
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

GROUPED = ("PIPELINING",)
CHUNKED = ("PIPELINING", "CHUNKING")
SESSION = Failure(Scope.SESSION, is_transient=True, is_unanswered=True)
ACCEPTED = [Status.ACCEPTED]


async def served(pool: Pool, desk: CountingDesk) -> None:
    """Run until the desk is empty, and part."""
    await pool.start()
    await desk.until_empty()
    await pool.aclose(drain=True)
    assert pool.state.busy == pool.state.idle == pool.state.opening == 0


# --- working mails off -----------------------------------------------------------------------


@pytest.mark.parametrize("keywords", [(), GROUPED, CHUNKED, ("CHUNKING",)])
async def test_one_connection_works_off_mail_after_mail(keywords: tuple[str, ...]) -> None:
    talk = chunk() if "CHUNKING" in keywords else transaction()
    async with scripted((*greeting(*keywords), *talk, *talk, *talk, *GOODBYE)) as peer:
        desk = CountingDesk(mails(3))
        pool = pool_at(peer, desk)
        await served(pool, desk)
    assert desk.statuses == ACCEPTED * 3
    assert peer.connections == 1
    assert peer.verbs[-1] == "QUIT"
    assert pool.state.sent == 3
    [attempt] = desk.settled[0][1].attempts
    assert (attempt.provider, attempt.host, attempt.status) == ("main", "127.0.0.1", "accepted")


@pytest.mark.parametrize("keywords", [(), GROUPED, CHUNKED, ("CHUNKING",)])
async def test_no_end_of_content_goes_out_before_the_desk_has_its_intent(
    keywords: tuple[str, ...],
) -> None:
    talk = chunk() if "CHUNKING" in keywords else transaction()
    async with scripted((*greeting(*keywords), *talk, *talk, *GOODBYE)) as peer:
        desk = CountingDesk(mails(2), goes_at_once=False)
        pool = pool_at(peer, desk)
        await pool.start()
        for number in range(2):
            await desk.until(lambda number=number: len(desk.intents) > number)  # type: ignore[misc]
            for _ in range(5):
                await asyncio.sleep(0)
            assert len(peer.contents) == number
            _, go = desk.intents[number]
            go()
            go()  # changes nothing
            await desk.until(lambda number=number: len(desk.settled) > number)  # type: ignore[misc]
        await pool.aclose(drain=True)
    assert desk.statuses == ACCEPTED * 2


async def test_large_content_goes_in_pieces_and_waits_for_its_reader() -> None:
    signal = asyncio.Event()
    *talk, content, end = transaction()
    script = (*greeting(*GROUPED), *talk, Deaf(), Listen(signal), content, end, *GOODBYE)
    async with scripted(script) as peer:
        desk = CountingDesk(mails(1, BIG))
        pool = pool_at(peer, desk)
        await pool.start()
        await eventually(lambda: any(each._is_paused for each in pool._lanes))
        assert not desk.intents
        signal.set()
        await desk.until_empty()
        await pool.aclose(drain=True)
    assert desk.statuses == ACCEPTED
    assert peer.contents == [BIG]


async def test_large_content_in_one_chunk_follows_its_envelope() -> None:
    async with scripted((*greeting(*CHUNKED), *chunk(), *GOODBYE)) as peer:
        desk = CountingDesk(mails(1, BIG))
        await served(pool_at(peer, desk), desk)
    assert desk.statuses == ACCEPTED
    assert peer.contents == [BIG]


@pytest.mark.parametrize("keywords", [GROUPED, CHUNKED])
async def test_what_cannot_or_must_not_be_sent_is_settled_without_a_word(
    keywords: tuple[str, ...],
) -> None:
    talk = chunk() if "CHUNKING" in keywords else transaction()
    script = (*greeting(*keywords, "SIZE 100"), *talk, *GOODBYE)
    big, bad, good = mails(1, b"x" * 101)[0], mail("x@y>\r\nDATA"), mail("r@b.test")
    async with scripted(script) as peer:
        desk = CountingDesk([big, bad, good, big])
        await served(pool_at(peer, desk), desk)
    assert desk.statuses == [Status.REJECTED, Status.REJECTED, Status.ACCEPTED, Status.REJECTED]
    reasons = [outcome.dispositions[0].reason for _, outcome in desk.settled]
    assert reasons == ["too-large", "unsendable", "", "too-large"]


async def test_a_refused_mail_is_settled_and_the_next_one_begins_with_rset() -> None:
    script = (
        *greeting(*GROUPED),
        *transaction(rcpt=("550 5.1.1 no",), data="503 none"),
        Expect("RSET"),
        *transaction()[:1],
        Reply("250 reset\n250 ok"),
        *transaction()[2:],
        *GOODBYE,
    )
    async with scripted(script) as peer:
        desk = CountingDesk(mails(2))
        await served(pool_at(peer, desk), desk)
    assert desk.statuses == [Status.REJECTED, Status.ACCEPTED]
    failure = desk.settled[0][1].dispositions[0].failure
    assert failure == Failure(Scope.RECIPIENT, is_transient=False)


@pytest.mark.parametrize(
    ("reply", "scope"),
    [
        ("421 4.3.2 shutting down", Scope.SESSION),
        ("451 4.3.0 not now", Scope.PROVIDER),
        ("503 5.5.1 what?", Scope.SESSION),
    ],
)
async def test_a_refusal_that_is_not_about_the_mail_puts_it_back(reply: str, scope: Scope) -> None:
    script = (*greeting(), Expect("MAIL"), Reply(reply), Hang())
    async with scripted(script) as peer:
        desk = CountingDesk(mails(1))
        await served(pool_at(peer, desk), desk)
    [back] = desk.back
    assert back.failure.scope is scope
    assert str(back.attempt.reply) == reply


async def test_recipients_are_asked_about_as_many_at_a_time_as_the_server_takes() -> None:
    twice = (*transaction(rcpt=("250 ok",) * 2), *transaction(rcpt=("550 5.1.1 no",), data="503 -"))
    script = (*greeting(*GROUPED, "LIMITS RCPTMAX=2"), *twice, *GOODBYE)
    async with scripted(script) as peer:
        desk = CountingDesk([mail("a@b.test", "b@b.test", "c@b.test")])
        await served(pool_at(peer, desk), desk)
    [(_, outcome)] = desk.settled
    verdicts = [each.verdict for each in outcome.dispositions]
    assert verdicts == [Verdict.ACCEPTED, Verdict.ACCEPTED, Verdict.REJECTED]
    assert len(desk.intents) == 1


async def test_one_recipient_too_many_is_asked_about_in_the_next_transaction() -> None:
    answers = ("250 ok", "452 4.5.3 too many recipients")
    script = (*greeting(), *transaction(rcpt=answers), *transaction(), *GOODBYE)
    async with scripted(script) as peer:
        desk = CountingDesk([mail("a@b.test", "b@b.test")])
        await served(pool_at(peer, desk), desk)
    assert desk.statuses == ACCEPTED


async def test_who_is_still_to_be_asked_about_when_the_session_ends_is_deferred() -> None:
    script = (*greeting("LIMITS RCPTMAX=1 MAILMAX=1"), *transaction(), *GOODBYE)
    async with scripted(script) as peer:
        desk = CountingDesk([mail("a@b.test", "b@b.test")])
        await served(pool_at(peer, desk), desk)
    [(_, outcome)] = desk.settled
    one, other = outcome.dispositions
    assert one.verdict is Verdict.ACCEPTED
    assert (other.verdict, other.failure) == (Verdict.DEFERRED, SESSION)


async def test_a_delivery_report_that_nobody_offers_is_said_to_be_withheld() -> None:
    events: list[Event] = []
    async with scripted((*greeting(), *transaction(), *GOODBYE)) as peer:
        wanted = mail("r@b.test")
        envelope = wanted.envelope.__class__("s@a.test", ("r@b.test",), ("never",))
        desk = CountingDesk([wanted.__class__(envelope, wanted.content)])
        pool = Pool(account(peer), desk, PoolLimits(), events.append)
        await served(pool, desk)
    assert events_of(Withheld, events)
    said = [each.text for each in events if isinstance(each, Said) and each.speaker == "C"]
    assert said == [
        *("EHLO me.test", "MAIL FROM:<s@a.test>", "RCPT TO:<r@b.test>", "DATA"),
        *("(22 octets of content)", ".", "QUIT"),
    ]


# --- a session is lost: at every point, in every shape ---------------------------------------

POINTS: dict[str, tuple[tuple[str, ...], Script, bool]] = {
    "after MAIL": ((), (Expect("MAIL"),), False),
    "after RCPT": ((), (*transaction()[:2], Expect("RCPT")), False),
    "after DATA": ((), (*transaction()[:4], Expect("DATA")), False),
    "after the end": ((), (*transaction()[:6], Content()), True),
    "within a group": (GROUPED, (*transaction()[:3],), False),
    "after a group": (GROUPED, (*transaction()[:5],), False),
    "after a group's content": (GROUPED, (*transaction()[:6], Content()), True),
    "after a chunk": (CHUNKED, (*chunk()[:5], Octets()), True),
    "before a slow chunk": (("CHUNKING",), (*chunk()[:3],), False),
}
BREAKS: dict[str, tuple[Step, ...]] = {"cut": (Close(),), "reset": (Reset(),), "silence": (Hang(),)}


@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("point", POINTS)
async def test_only_a_mail_whose_end_had_gone_out_is_unknown(
    point: str, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexomailer_cli.transport.limits.MIN_BYTES_PER_SECOND", 2**30)
    keywords, steps, is_unknown = POINTS[point]
    # Hasty about the silence only: a busy machine is slow to do the rest.
    hasty = structs.replace(HASTY, connect=PROMPT.connect)
    hasty = structs.replace(hasty, reply=PROMPT.reply) if is_unknown else hasty
    limits = hasty if broken == "silence" else PROMPT
    async with scripted((*greeting(*keywords), *steps, *BREAKS[broken])) as peer:
        desk = CountingDesk(mails(1))
        await served(pool_at(peer, desk, limits=limits), desk)
    if is_unknown:
        assert desk.statuses == [Status.UNKNOWN]
        assert not desk.back
        return
    [back] = desk.back
    assert back.failure.scope is (Scope.PROVIDER if broken == "silence" else Scope.SESSION)
    assert back.failure.is_transient
    assert back.attempt.status is Status.FAILED


async def test_what_was_refused_before_the_loss_stays_refused() -> None:
    script = (*greeting(), *transaction(rcpt=("550 5.1.1 no",))[:4], Expect("RCPT"), Close())
    async with scripted(script) as peer:
        desk = CountingDesk([mail("a@b.test", "b@b.test")])
        await served(pool_at(peer, desk), desk)
    [(_, outcome)] = desk.settled
    assert [each.verdict for each in outcome.dispositions] == [Verdict.REJECTED, Verdict.DEFERRED]


@pytest.mark.parametrize("keywords", [GROUPED, CHUNKED])
@pytest.mark.parametrize("said", [b"250 hello?\r\n", b"25"])
async def test_words_that_nobody_asked_for_keep_the_end_from_going_out(
    keywords: tuple[str, ...], said: bytes
) -> None:
    signal = asyncio.Event()
    talk = transaction()[:6] if keywords is GROUPED else ()
    async with scripted((*greeting(*keywords), *talk, Listen(signal), Raw(said), Hang())) as peer:
        desk = CountingDesk(mails(1), goes_at_once=False)
        pool = pool_at(peer, desk)
        await pool.start()
        await desk.until(lambda: bool(desk.intents))
        signal.set()
        await eventually(lambda: not any(each.is_reusable for each in pool._lanes))
        for _, go in desk.intents:
            go()
        await desk.until_empty()
        await pool.aclose(drain=True)
    [back] = desk.back
    assert back.attempt.reason == "surplus"
    assert peer.contents == []


async def test_go_comes_too_late_for_a_session_that_is_lost() -> None:
    async with scripted((*greeting(*CHUNKED), Close())) as peer:
        desk = CountingDesk(mails(1), goes_at_once=False)
        pool = pool_at(peer, desk)
        await pool.start()
        await desk.until(lambda: bool(desk.back))
        [(_, go)] = desk.intents
        go()
        await pool.aclose(drain=True)
    assert desk.back[0].failure == SESSION


@pytest.mark.parametrize("last", [Close(), Reset()])
async def test_a_refusal_within_the_content_is_believed(last: Step) -> None:
    script = (
        *greeting(*GROUPED),
        *transaction()[:6],
        Part(1),
        Deaf(),
        Reply("552 5.3.4 big"),
        last,
    )
    async with scripted(script) as peer:
        desk = CountingDesk(mails(1, BIG))
        await served(pool_at(peer, desk), desk)
    [(_, outcome)] = desk.settled
    assert outcome.status is Status.REJECTED
    assert not desk.intents


async def test_a_server_that_stops_reading_costs_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nexomailer_cli.transport.limits.MIN_BYTES_PER_SECOND", 2**30)
    script = (*greeting(*GROUPED), *transaction()[:6], Part(1), Deaf(), Hang())
    async with scripted(script) as peer:
        desk = CountingDesk(mails(1, BIG))
        await served(pool_at(peer, desk, limits=HASTY), desk)
    [back] = desk.back
    assert (back.attempt.phase, back.attempt.reason) == (Phase.CONTENT, "timeout")


async def test_go_comes_too_late_for_a_server_that_has_just_hung_up() -> None:
    async with scripted((*greeting(*GROUPED), *transaction()[:6], Hang())) as peer:
        desk = CountingDesk(mails(1), goes_at_once=False)
        pool = pool_at(peer, desk)
        await pool.start()
        await desk.until(lambda: bool(desk.intents))
        [lane] = pool._lanes
        lane._wire.abort()
        desk.intents[0][1]()
        assert [each.failure for each in desk.back] == [SESSION]
        await pool.aclose(drain=True)


async def test_a_desk_may_take_longer_than_a_server() -> None:
    async with scripted((*greeting(*GROUPED), *transaction(), *GOODBYE)) as peer:
        desk = CountingDesk(mails(1), goes_at_once=False)
        pool = pool_at(peer, desk, limits=HASTY)
        await pool.start()
        await desk.until(lambda: bool(desk.intents))
        asyncio.get_running_loop().call_later(2.5 * HASTY.reply, desk.intents[0][1])
        await desk.until_empty()
        await pool.aclose(drain=True)
    assert desk.statuses == ACCEPTED


@pytest.mark.parametrize("keywords", [GROUPED, CHUNKED])
async def test_mails_go_over_tls(
    keywords: tuple[str, ...], server_tls: Callable[..., ssl.SSLContext], client_tls: ssl.SSLContext
) -> None:
    talk = chunk() if keywords is CHUNKED else transaction()
    opening = (*greeting("STARTTLS"), Expect("STARTTLS"), Reply("220 go"), Upgrade())
    script = (*opening, *ehlo(*keywords), *talk, *talk, *GOODBYE)
    async with scripted(script, tls=server_tls()) as peer:
        desk = CountingDesk([*mails(1), *mails(1, BIG)])
        limits = PoolLimits(connections=1, joined="never")
        await served(Pool(account(peer, tls=client_tls), desk, limits), desk)
    assert desk.statuses == ACCEPTED * 2
    assert desk.settled[0][1].attempts[0].tls == "TLSv1.3"
    assert peer.contents[1] == BIG


# --- connections that went stale -------------------------------------------------------------


@pytest.mark.parametrize("keywords", [GROUPED, CHUNKED])
@pytest.mark.parametrize("last", [Close(), Reset()])
async def test_a_stale_connection_is_replaced_without_the_desk_hearing_of_it(
    keywords: tuple[str, ...], last: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_module, "FRESH_SECONDS", -1.0)
    # Careful: the first one waits for the answer to its envelope, in spite of CHUNKING.
    talk = chunk() if keywords is CHUNKED else transaction()
    script = (*greeting(*keywords), *talk)
    async with scripted((*script, Expect("MAIL"), last), (*script, *GOODBYE)) as peer:
        desk = CountingDesk(mails(1))
        pool = pool_at(peer, desk)
        await pool.start()
        await desk.until_empty()
        desk.todo.append(mail("late@b.test"))
        pool.wake()
        await desk.until_empty()
        await pool.aclose(drain=True)
    assert desk.statuses == ACCEPTED * 2
    assert not desk.back
    assert peer.connections == 2


async def test_a_mail_may_meet_several_stale_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "FRESH_SECONDS", -1.0)
    stale = (*greeting(*GROUPED), *transaction(), Expect("MAIL"), Close())
    async with scripted(stale, stale, (*greeting(*GROUPED), Oblige())) as peer:
        desk = CountingDesk(mails(2), goes_at_once=False)
        pool = pool_at(peer, desk, connections=2)
        await pool.start()
        await desk.until(lambda: len(desk.intents) == 2)
        desk.goes_at_once = True
        for _, go in tuple(desk.intents):
            go()
        await desk.until_empty()
        desk.todo.append(mail("late@b.test"))
        pool.wake()
        await desk.until_empty()
        await pool.aclose(drain=True)
    assert desk.statuses == ACCEPTED * 3
    assert not desk.back
    assert peer.connections == 3


async def test_a_connection_that_ends_while_it_rests_is_forgotten() -> None:
    signal = asyncio.Event()
    first = (*greeting(), *transaction(), Listen(signal), Close())
    async with scripted(first, (*greeting(), *transaction(), *GOODBYE)) as peer:
        desk = CountingDesk(mails(1))
        pool = pool_at(peer, desk)
        await pool.start()
        await desk.until_empty()
        await eventually(lambda: pool.state.idle == 1)
        signal.set()
        await eventually(lambda: not pool._lanes)
        desk.todo.append(mail("late@b.test"))
        pool.wake()
        await desk.until_empty()
        await pool.aclose(drain=True)
    assert desk.statuses == ACCEPTED * 2


async def test_an_idle_connection_is_closed_politely_in_time() -> None:
    async with scripted((*greeting(), *transaction(), *GOODBYE)) as peer:
        desk = CountingDesk(mails(1))
        pool = pool_at(peer, desk, idle=0.05)
        await pool.start()
        await desk.until_empty()
        await eventually(lambda: not pool._lanes)
        await asyncio.wait_for(peer.left.wait(), 5)
        assert peer.verbs[-1] == "QUIT"
        await pool.aclose(drain=True)


# --- how many connections, and for how long --------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "messages", "connections"),
    [("x", 2, 3), ("LIMITS MAILMAX=3", 100, 2), ("LIMITS MAILMAX=3", 2, 3), ("x", 100, 1)],
)
async def test_a_connection_carries_no_more_mails_than_allowed(
    keyword: str, messages: int, connections: int
) -> None:
    per_session = {3: 2, 2: 3, 1: 5}[connections]
    script = (*greeting(*GROUPED, keyword), *transaction() * per_session, *GOODBYE)
    last = (*greeting(*GROUPED, keyword), *transaction() * (5 % per_session), *GOODBYE)
    scripts = [script] * (5 // per_session) + [last] * (5 % per_session > 0)
    async with scripted(*scripts) as peer:
        desk = CountingDesk(mails(5))
        await served(pool_at(peer, desk, messages=messages), desk)
    assert desk.statuses == ACCEPTED * 5
    assert peer.connections == connections


async def test_connections_are_opened_as_there_is_work_for_and_no_more_than_allowed() -> None:
    signal = asyncio.Event()
    script = (*greeting(*GROUPED), *transaction()[:6], Content(), Listen(signal), Reply("250 ok"))
    async with scripted((*script, Oblige())) as peer:
        desk = CountingDesk(mails(9))
        pool = pool_at(peer, desk, connections=3)
        await pool.start()
        await eventually(lambda: len(peer.contents) == 3)
        assert pool.state.busy == peer.connections == 3
        signal.set()
        await desk.until_empty()
        await pool.aclose(drain=True)
    assert desk.statuses == ACCEPTED * 9
    assert peer.connections == 3


async def test_one_connection_is_enough_for_one_mail_at_a_time() -> None:
    async with scripted((*greeting(), *transaction() * 3, *GOODBYE)) as peer:
        desk = CountingDesk(mails(1))
        pool = pool_at(peer, desk, connections=5)
        await pool.start()
        for _ in range(2):
            await desk.until_empty()
            desk.todo.append(mail("next@b.test"))
            pool.wake()
        await desk.until_empty()
        await pool.aclose(drain=True)
    assert peer.connections == 1


@pytest.mark.parametrize(
    ("script", "scope"),
    [
        ((Reply("554 5.7.1 go away"), Hang()), Scope.PROVIDER),
        ((Close(),), Scope.PROVIDER),
        ((*greeting(), Close()), Scope.SESSION),
    ],
)
async def test_a_refused_connection_is_told_and_the_next_one_takes_longer_each_time(
    script: Script, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "FIRST_PAUSE", 0.2)
    async with scripted(script) as peer:
        desk = CountingDesk(mails(3))
        pool = pool_at(peer, desk)
        await pool.start()
        await desk.until(lambda: len(desk.back) == 1)
        for _ in range(20):
            await asyncio.sleep(0)
        pool.wake()
        assert (peer.connections, pool.state.opening) == (1, 0)
        began = asyncio.get_running_loop().time()
        await desk.until(lambda: len(desk.back) == 3)
        assert asyncio.get_running_loop().time() - began > 0.4
        assert peer.connections == 3
        await pool.aclose(drain=True)
    assert {each.failure.scope for each in desk.back} == {scope}


async def test_a_server_that_wants_no_more_connections_is_served_by_those_it_has() -> None:
    good = (*greeting(*GROUPED), *transaction() * 6, *GOODBYE)
    async with scripted(good, (Reply("421 4.7.0 too many connections"), Close())) as peer:
        desk = CountingDesk(mails(6), goes_at_once=False)
        pool = pool_at(peer, desk, connections=4)
        await pool.start()
        await desk.until(lambda: bool(desk.intents))
        await eventually(lambda: peer.connections == 2 and pool.state.opening == 0)
        desk.goes_at_once = True
        desk.intents[0][1]()
        await desk.until_empty()
        assert peer.connections == 2
        await pool.aclose(drain=True)
    assert desk.statuses == ACCEPTED * 6
    assert not desk.back


async def test_after_a_while_more_connections_are_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "CONTENT_SECONDS", -1.0)
    good = (*greeting(*GROUPED), Oblige())
    refusal = (Reply("421 4.7.0 too many connections"), Close())
    async with scripted(good, refusal, good) as peer:
        desk = CountingDesk(mails(4), goes_at_once=False)
        pool = pool_at(peer, desk, connections=2)
        await pool.start()
        await eventually(lambda: peer.connections == 2 and pool.state.opening == 0)
        pool.wake()
        await eventually(lambda: peer.connections == 3)
        desk.goes_at_once = True
        await desk.until(lambda: bool(desk.intents))
        for _, go in tuple(desk.intents):
            go()
        await desk.until_empty()
        await pool.aclose(drain=True)
    assert desk.statuses == ACCEPTED * 4


# --- signing in ------------------------------------------------------------------------------

REFUSED: Script = (
    *greeting("AUTH PLAIN"),
    Expect("AUTH"),
    Reply("535 5.7.8 wrong"),
    Hang(),
)


async def test_a_refused_password_is_tried_once() -> None:
    async with scripted(REFUSED) as peer:
        desk = CountingDesk(mails(4))
        pool = Pool(account(peer, credentials=PASSWORD), desk, PoolLimits(connections=4))
        await pool.start()
        await desk.until(lambda: bool(desk.back))
        pool.wake()
        await pool.aclose(drain=True)
    assert pool.state.is_off
    assert peer.connections == 1
    assert len(desk.back) == 2  # one for the attempt, and one that was asked for afterwards
    assert {each.failure for each in desk.back} == {
        Failure(Scope.PROVIDER, is_transient=False, is_unanswered=True)
    }


async def test_a_server_that_wants_a_sign_in_is_asked_once() -> None:
    script = (*greeting(), Expect("MAIL"), Reply("530 5.7.0 sign in first"), Hang())
    async with scripted(script) as peer:
        desk = CountingDesk(mails(2))
        pool = pool_at(peer, desk)
        await pool.start()
        await desk.until(lambda: bool(desk.back))
        await eventually(lambda: not pool._lanes)
        pool.wake()
        await pool.aclose(drain=True)
    assert pool.state.is_off
    assert peer.connections == 1
    assert len(desk.back) == 2
    assert {each.failure for each in desk.back} == {
        Failure(Scope.PROVIDER, is_transient=False, is_unanswered=True)
    }


async def test_a_secret_that_cannot_be_had_is_the_providers_failure() -> None:
    def nothing() -> None:
        raise ConfigError(Problem("pass exited with status 1"))

    broken = Account(name="main", host="h", port=1, terms=nothing, limits=PROMPT)  # type: ignore[arg-type]
    desk = CountingDesk(mails(1))
    await served(Pool(broken, desk, PoolLimits()), desk)
    [back] = desk.back
    assert (back.failure.scope, back.attempt.reason) == (Scope.PROVIDER, "configuration")


@pytest.mark.parametrize("is_renewed", [True, False])
async def test_terms_are_asked_for_anew_with_each_connection(is_renewed: bool) -> None:
    asked = []
    async with scripted((*greeting(), *transaction(), *GOODBYE)) as peer:

        def fresh() -> object:
            asked.append(asyncio._get_running_loop() is not None)
            return terms(peer.port)

        desk = CountingDesk(mails(2))
        provider = Account(
            name="main",
            host="127.0.0.1",
            port=peer.port,
            terms=fresh,  # type: ignore[arg-type]
            limits=PROMPT,
            is_renewed=is_renewed,
        )
        await served(Pool(provider, desk, PoolLimits(connections=1, messages=1)), desk)
    # The first time in the loop's own thread, which may ask a person.
    assert asked == [True, not is_renewed]


# --- the end ---------------------------------------------------------------------------------


async def test_draining_sees_what_is_on_its_way_to_its_end() -> None:
    async with scripted((*greeting(*GROUPED), *transaction(), *GOODBYE)) as peer:
        desk = CountingDesk(mails(3), goes_at_once=False)
        pool = pool_at(peer, desk)
        await pool.start()
        await desk.until(lambda: bool(desk.intents))
        closing = asyncio.create_task(pool.aclose(drain=True))
        await asyncio.sleep(0)
        desk.intents[0][1]()
        await closing
        pool.wake()
    assert desk.statuses == ACCEPTED
    assert not desk.back
    assert len(desk.todo) == 2


@pytest.mark.parametrize("goes", [True, False])
async def test_what_is_on_its_way_at_a_sudden_end_is_unknown_or_back(goes: bool) -> None:
    script = (*greeting(*GROUPED), *transaction()[:6], Content(), Hang())
    async with scripted(script) as peer:
        desk = CountingDesk(mails(3), goes_at_once=goes)
        pool = pool_at(peer, desk)
        await pool.start()
        await desk.until(lambda: bool(desk.intents))
        draining = asyncio.create_task(pool.aclose(drain=True))
        await asyncio.sleep(0)
        await pool.aclose(drain=False)
        await draining
    assert desk.statuses == ([Status.UNKNOWN] if goes else [])
    assert [each.failure for each in desk.back] == ([] if goes else [SESSION])
    assert not desk.out


@pytest.mark.parametrize("drain", [True, False])
async def test_a_mail_whose_connection_is_only_being_opened_goes_back(drain: bool) -> None:
    async with scripted((Hang(),)) as peer:
        desk = CountingDesk(mails(1))
        pool = pool_at(peer, desk)
        await pool.start()
        await eventually(lambda: peer.connections == 1)
        await pool.aclose(drain=drain)
    assert [each.failure for each in desk.back] == [SESSION]


# --- joined ----------------------------------------------------------------------------------


def ends(reply: str = "250 done") -> tuple[Step, ...]:
    return (Content(), Reply(reply))


ENVELOPE: Script = transaction()[:6]
RSET: Script = (Expect("RSET"), Reply("250 reset"))
PLAIN = transaction()
# What a server sees that takes everything: a mail, one with a lone RSET behind it, and then
# one with the next envelope behind it.
LEARNING: Script = (*greeting(*GROUPED), *PLAIN, *ENVELOPE, *ends(), *RSET)


async def test_what_a_server_takes_behind_the_dot_is_learnt_and_used() -> None:
    script = (*LEARNING, *ENVELOPE, *ends(), *RSET, *ENVELOPE, *ends(), *RSET, *ENVELOPE, *ends())
    async with scripted((*script, *GOODBYE)) as peer:
        desk = CountingDesk(mails(5))
        pool = pool_at(peer, desk, joined=True)
        await served(pool, desk)
    assert desk.statuses == ACCEPTED * 5
    assert pool.state.joined
    assert peer.verbs.count("RSET") == 3


async def test_with_joined_groups_no_end_goes_out_before_the_desk_has_its_intent() -> None:
    script = (*LEARNING, *ENVELOPE, *ends(), *RSET, *ENVELOPE, *ends(), *GOODBYE)
    async with scripted(script) as peer:
        desk = CountingDesk(mails(4), goes_at_once=False)
        pool = pool_at(peer, desk, joined=True)
        await pool.start()
        for number in range(4):
            await desk.until(lambda number=number: len(desk.intents) > number)  # type: ignore[misc]
            # The mail before has its verdict by then: never two intents on one connection.
            assert len(desk.settled) == number
            desk.intents[number][1]()
        await desk.until_empty()
        await pool.aclose(drain=True)
    assert desk.statuses == ACCEPTED * 4


@pytest.mark.parametrize("answer", ["503 what?", "500 what?"])
async def test_a_refused_trial_costs_a_connection_and_no_mail(answer: str) -> None:
    first = (*greeting(*GROUPED), *PLAIN, *ENVELOPE, *ends(), Expect("RSET"), Reply(answer))
    async with scripted((*first, *GOODBYE), (*greeting(*GROUPED), Oblige())) as peer:
        desk = CountingDesk(mails(4))
        pool = pool_at(peer, desk, joined=True)
        await served(pool, desk)
    assert desk.statuses == ACCEPTED * 4
    assert peer.connections == 2
    assert pool.state.joined is False


async def test_a_server_that_loses_the_trial_is_left_and_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lane_module, "TRIAL_SECONDS", 0.05)
    first = (*greeting(*GROUPED), *PLAIN, *ENVELOPE, *ends(), Expect("RSET"), Hang())
    async with scripted(first, (*greeting(*GROUPED), *PLAIN * 2, *GOODBYE)) as peer:
        desk = CountingDesk(mails(4))
        pool = pool_at(peer, desk, joined=True)
        await served(pool, desk)
    assert desk.statuses == ACCEPTED * 4
    assert pool.state.joined is False
    assert peer.connections == 2


# Where a connection with a joined group may end, and what had its end out then.
JOINED_CUTS: dict[str, tuple[Script, int]] = {
    "before the answer to the content": ((Content(),), 1),
    "after it": (ends(), 0),
    "after RSET": ((*ends(), *RSET), 0),
    "after MAIL": ((*ends(), *RSET, *transaction()[:2]), 0),
    "after RCPT": ((*ends(), *RSET, *transaction()[:4]), 0),
    "after DATA": ((*ends(), *RSET, *ENVELOPE, Content()), 1),
}


@pytest.mark.parametrize("last", [Close(), Reset()])
@pytest.mark.parametrize("is_trial", [True, False])
@pytest.mark.parametrize("cut", JOINED_CUTS)
async def test_when_joined_mails_are_lost_only_the_one_whose_end_was_out_is_unknown(
    cut: str, is_trial: bool, last: Step
) -> None:
    steps, unknown = JOINED_CUTS[cut]
    before = () if is_trial else (*ENVELOPE, *ends(), *RSET)
    script = (*LEARNING, *before, *ENVELOPE, *steps, last)
    async with scripted(script, (Close(),)) as peer:
        desk = CountingDesk(mails(12))
        pool = pool_at(peer, desk, joined=True)
        await pool.start()
        await desk.until(lambda: len(desk.todo) < 8 and not desk.out)
        await pool.aclose(drain=True)
    assert desk.statuses.count(Status.UNKNOWN) == unknown
    contents = len(peer.contents) - unknown
    assert desk.statuses.count(Status.ACCEPTED) == contents
    assert len(desk.settled) + len(desk.back) + len(desk.todo) == 12
    assert all(each.failure.scope in (Scope.SESSION, Scope.PROVIDER) for each in desk.back)
    if is_trial and cut != "after DATA":
        assert pool.state.joined is False


async def test_a_421_in_a_joined_group_puts_the_next_mail_back() -> None:
    script = (*LEARNING, *ENVELOPE, *ends("421 4.3.2 bye"), Close())
    async with scripted(script, (Close(),)) as peer:
        desk = CountingDesk(mails(4))
        pool = pool_at(peer, desk, joined=True)
        await pool.start()
        await desk.until(lambda: len(desk.back) >= 2)
        await pool.aclose(drain=True)
    assert desk.statuses == ACCEPTED * 2
    assert [each.failure.scope for each in desk.back[:2]] == [Scope.SESSION] * 2


async def test_mails_that_cannot_be_sent_are_passed_over_in_joining() -> None:
    bad = mail("x@y>\r\nDATA")
    good = mails(4)
    script = (*LEARNING, *ENVELOPE, *ends(), *RSET, *ENVELOPE, *ends(), *GOODBYE)
    async with scripted(script) as peer:
        desk = CountingDesk([*good[:3], bad, bad, good[3]])
        await served(pool_at(peer, desk, joined=True), desk)
    assert sorted(desk.statuses) == [Status.ACCEPTED] * 4 + [Status.REJECTED] * 2


async def test_a_trial_waits_where_there_is_nothing_to_join() -> None:
    async with scripted((*LEARNING, *PLAIN, *GOODBYE)) as peer:
        desk = CountingDesk(mails(3))
        pool = pool_at(peer, desk, joined=True)
        await served(pool, desk)
    assert pool.state.joined is None
    assert desk.statuses == ACCEPTED * 3
