"""One session: a cut, a reset, a 421 and silence at each point; what is certain, and when."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest

from nexomailer_cli.errors import AddressError, MessageError, ProtocolError, TransportError
from nexomailer_cli.smtp.extensions import Extensions
from nexomailer_cli.smtp.outcome import Disposition, Phase, Verdict
from nexomailer_cli.transport import limits as limits_module
from nexomailer_cli.transport.base import Event, PastReturn, Said
from nexomailer_cli.transport.connection import Connection
from nexomailer_cli.transport.limits import Limits
from nexomailer_cli.transport.meeting import Meeting
from nexomailer_cli.transport.terms import Session
from nexomailer_cli.transport.wire import Wire
from tests.support.account import (
    BIG,
    CONTENT,
    HASTY,
    PROMPT,
    connect,
    events_of,
    eventually,
    mail,
    terms,
    until_heard,
)
from tests.support.interruption import Interruption
from tests.support.script import (
    GOODBYE,
    RESET,
    Close,
    Content,
    Deaf,
    Dribble,
    Expect,
    Hang,
    Listen,
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

ServerTls = Callable[..., ssl.SSLContext]

SHAPES: dict[str, tuple[str, ...]] = {
    "lockstep": (),
    "grouped": ("PIPELINING",),
    "chunked": ("PIPELINING", "CHUNKING"),
    "slow chunks": ("CHUNKING",),
}
# The commands of each shape, with what a server says that goes on.
WITH_DATA: tuple[tuple[Phase, Script, Step], ...] = (
    (Phase.MAIL, (Expect("MAIL"),), Reply("250 ok")),
    (Phase.RCPT, (Expect("RCPT"),), Reply("250 ok")),
    (Phase.DATA, (Expect("DATA"),), Reply("354 go on")),
    (Phase.END, (Content(),), Reply("250 ok")),
)
WITH_BDAT: tuple[tuple[Phase, Script, Step], ...] = (
    *WITH_DATA[:2],
    (Phase.END, (Expect("BDAT"), Octets()), Reply("250 ok")),
)
POINTS = [
    (shape, phase)
    for shape, keywords in SHAPES.items()
    for phase, _, _ in (WITH_BDAT if "CHUNKING" in keywords else WITH_DATA)
]
BREAKS: dict[str, tuple[Step, tuple[str, ...]]] = {
    "cut": (Close(), ("closed", "ECONNRESET")),
    "reset": (Reset(), ("closed", "ECONNRESET")),
    "silence": (Hang(), ("timeout",)),
    # Byte by byte: in one segment with the reply before, it takes that along (see below).
    "nonsense": (Dribble("what?\r\n"), ("not-smtp",)),
}


def until(shape: str, phase: Phase, *steps: Step) -> Script:
    """A server that goes on until it has read the command of `phase`, and then takes `steps`."""
    keywords = SHAPES[shape]
    script: list[Step] = list(greeting(*keywords))
    for at, expects, answer in WITH_BDAT if "CHUNKING" in keywords else WITH_DATA:
        script += expects
        if at is phase:
            break
        script.append(answer)
    return (*script, *steps)


@pytest.fixture
def fast_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """No link is so slow that size would earn it time."""
    monkeypatch.setattr(limits_module, "MIN_BYTES_PER_SECOND", 2**30)


@pytest.mark.parametrize("shape", SHAPES)
async def test_each_shape_delivers(shape: str) -> None:
    keywords = SHAPES[shape]
    talk = chunk() if "CHUNKING" in keywords else transaction()
    async with scripted((*greeting(*keywords), *talk, *GOODBYE)) as peer:
        connection = await connect(peer)
        [disposition] = await connection.send(mail())
        await connection.close()
    assert disposition.verdict is Verdict.ACCEPTED
    dotted = CONTENT.replace(b"\r\n.", b"\r\n..")
    assert peer.contents == [CONTENT if "CHUNKING" in keywords else dotted]


@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize(("shape", "phase"), POINTS)
async def test_only_what_breaks_after_the_end_is_unknown(
    shape: str, phase: Phase, broken: str, fast_lines: None
) -> None:
    step, reasons = BREAKS[broken]
    # This shape has said all, the content too, before it hears a word.
    is_out = phase is Phase.END or shape == "chunked"
    async with scripted(until(shape, phase, step)) as peer:
        connection = await connect(peer, HASTY if broken == "silence" else PROMPT)
        if is_out:
            [disposition] = await connection.send(mail())
            assert (disposition.verdict, disposition.phase) == (Verdict.UNKNOWN, Phase.END)
            assert disposition.reply is None
            reason = disposition.reason
        else:
            with pytest.raises(TransportError) as caught:
                await connection.send(mail())
            reason = caught.value.reason
            assert caught.value.phase == phase
        assert not connection.is_reusable
        await connection.close()
    assert reason in reasons


@pytest.mark.parametrize(("shape", "phase"), POINTS)
async def test_a_421_answers_all_that_is_open(shape: str, phase: Phase) -> None:
    async with scripted(until(shape, phase, Reply("421 4.3.2 shutting down"))) as peer:
        connection = await connect(peer)
        [disposition] = await connection.send(mail())
        assert not connection.is_reusable
        await connection.close()
    assert disposition.verdict is Verdict.DEFERRED
    assert disposition.phase is phase
    assert str(disposition.reply) == "421 4.3.2 shutting down"


# --- a refusal and the end of the connection in one breath ----------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("last", [Close(), Reset()])
async def test_an_answer_counts_although_the_connection_ends_with_it(
    shape: str, last: Step
) -> None:
    async with scripted(until(shape, Phase.END, Reply("250 2.0.0 ok"), last)) as peer:
        connection = await connect(peer)
        [disposition] = await connection.send(mail())
        await connection.close()
    assert disposition.verdict is Verdict.ACCEPTED


# --- in the middle of the content -----------------------------------------------------------

# The server has begun to read the content and reads no more: its end cannot have left.
MID_DATA: Script = (
    *until("grouped", Phase.DATA, Reply("354 go on")),
    Part(1),
    Deaf(),
)
MID_BDAT: Script = (
    *until("chunked", Phase.RCPT, Reply("250 ok")),
    Expect("BDAT"),
    Part(1),
    Deaf(),
)
MIDDLES = pytest.mark.parametrize("middle", [MID_DATA, MID_BDAT], ids=["DATA", "BDAT"])


@MIDDLES
@pytest.mark.parametrize("broken", ["cut", "reset", "silence", "nonsense"])
async def test_what_breaks_within_the_content_was_certainly_not_delivered(
    middle: Script, broken: str, fast_lines: None
) -> None:
    step, reasons = BREAKS[broken]
    async with scripted((*middle, step, Hang())) as peer:
        connection = await connect(peer, HASTY if broken == "silence" else PROMPT)
        began = time.monotonic()
        with pytest.raises(TransportError) as caught:
            await connection.send(mail(content=BIG))
        await connection.close()
    assert time.monotonic() - began < 4.5
    assert caught.value.phase == Phase.CONTENT
    assert caught.value.reason in reasons


@MIDDLES
async def test_half_a_word_within_the_content_does_not_hurry_its_end(
    middle: Script, fast_lines: None
) -> None:
    async with scripted((*middle, Raw(b"55"), Hang())) as peer:
        connection = await connect(peer, HASTY)
        with pytest.raises(TransportError) as caught:
            await connection.send(mail(content=BIG))
        await connection.close()
    assert (caught.value.phase, caught.value.reason) == (Phase.CONTENT, "timeout")


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("last", [(Close(),), (Part(1), Reset()), (Part(1), Close())])
async def test_a_peer_that_left_before_the_end_certainly_did_not_get_it(
    secure: bool, last: Script, server_tls: ServerTls, client_tls: ssl.SSLContext
) -> None:
    # It reads on, so that writing does not stop: the loss shows only between two pieces.
    opening: Script = (*greeting("STARTTLS"), Expect("STARTTLS"), Reply("220 go"), Upgrade())
    script = (*(opening if secure else (Reply("220 hi"),)), *ehlo("PIPELINING"))
    script = (*script, *transaction()[:6], *last)
    async with scripted(script, tls=server_tls()) as peer:
        connection = await connect(peer, tls=client_tls if secure else None)
        with pytest.raises(TransportError):
            await connection.send(mail(content=BIG))
        await connection.close()


@pytest.mark.parametrize("is_left", [False, True], ids=["silence", "cut"])
def test_an_end_that_has_not_left_us_was_certainly_not_delivered(
    is_left: bool, fast_lines: None
) -> None:
    near, far = socket.socketpair()
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # less than the content
    is_over = threading.Event()

    def serve() -> None:
        with far, far.makefile("rb") as lines:
            for answer in (b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n"):
                lines.readline()
                far.sendall(answer)
            assert is_left or is_over.wait(5)

    server = threading.Thread(target=serve)
    server.start()
    connection = Connection(Wire(near), Session(Extensions(), ""), "main", HASTY)
    with pytest.raises(TransportError) as caught:
        connection.send(mail(content=BIG[:60_000] + b"\r\n"))
    is_over.set()
    server.join()
    assert caught.value.phase == Phase.CONTENT
    assert caught.value.reason in BREAKS["cut" if is_left else "silence"][1]


@MIDDLES
@pytest.mark.parametrize("after", [(Hang(),), (Close(),), ()], ids=["silence", "close", "cut"])
async def test_a_refusal_within_the_content_is_believed(middle: Script, after: Script) -> None:
    async with scripted((*middle, Reply("552 5.3.4 too big"), *after)) as peer:
        connection = await connect(peer)
        async with asyncio.timeout(2.0):
            [disposition] = await connection.send(mail(content=BIG))
        assert not connection.is_reusable
        await connection.close()
    assert (disposition.verdict, disposition.phase) == (Verdict.REJECTED, Phase.CONTENT)
    assert str(disposition.reply) == "552 5.3.4 too big"


@MIDDLES
async def test_an_acceptance_within_the_content_is_a_lie(middle: Script) -> None:
    async with scripted((*middle, Reply("250 2.0.0 queued"), Hang())) as peer:
        connection = await connect(peer)
        with pytest.raises(ProtocolError) as caught:
            await connection.send(mail(content=BIG))
        await connection.close()
    assert (caught.value.phase, caught.value.reason) == (Phase.CONTENT, "surplus")


async def test_a_peer_that_never_reads_costs_bounded_time_over_tls(
    server_tls: ServerTls, client_tls: ssl.SSLContext, fast_lines: None
) -> None:
    script = (
        *greeting("STARTTLS"),
        Expect("STARTTLS"),
        Reply("220 go"),
        Upgrade(),
        *ehlo("PIPELINING"),
        *MID_DATA[3:],
        Hang(),
    )
    async with scripted(script, tls=server_tls()) as peer:
        connection = await connect(peer, Limits(reply=0.15, end=0.15), tls=client_tls)
        began = time.monotonic()
        with pytest.raises(TransportError) as caught:
            await connection.send(mail(content=BIG))
        assert time.monotonic() - began < 4.5
        await connection.close()
    assert (caught.value.phase, caught.value.reason) == (Phase.CONTENT, "timeout")


@pytest.mark.parametrize("keywords", [("PIPELINING",), ("PIPELINING", "CHUNKING")])
async def test_large_content_arrives_whole(
    keywords: tuple[str, ...], server_tls: ServerTls, client_tls: ssl.SSLContext
) -> None:
    talk = chunk() if "CHUNKING" in keywords else transaction()
    content = BIG[: 1024 * 1024] + b"\r\n"
    script = (
        *greeting("STARTTLS"),
        Expect("STARTTLS"),
        Reply("220 go"),
        Upgrade(),
        *ehlo(*keywords),
        *talk,
    )
    async with scripted(script, tls=server_tls()) as peer:
        connection = await connect(peer, tls=client_tls)
        assert connection._wire.tls_version == "TLSv1.3"
        [disposition] = await connection.send(mail(content=content))
        await connection.close()
    assert disposition.verdict is Verdict.ACCEPTED
    assert peer.contents == [content]


async def test_content_that_no_buffer_holds_waits_for_its_reader() -> None:
    signal = asyncio.Event()
    *talk, content, end = transaction()
    script = (*greeting("PIPELINING"), *talk, Deaf(), Listen(signal), content, end)
    async with scripted(script) as peer:
        connection = await connect(peer)
        sending = asyncio.create_task(connection.send(mail(content=BIG)))
        await eventually(lambda: connection._wire.is_writing)
        assert not sending.done()
        signal.set()
        [disposition] = await sending
        await connection.close()
    assert disposition.verdict is Verdict.ACCEPTED
    assert peer.contents == [BIG]


async def test_what_breaks_after_the_end_has_left_does_not_take_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # TLS may have to write by itself then, and cannot.
    async with scripted(until("chunked", Phase.END, Hang())) as peer:
        connection = await connect(peer)
        wire = connection._wire

        def cut(_until: float) -> None:
            wire._fault = BrokenPipeError()
            raise ConnectionResetError

        monkeypatch.setattr(wire, "wait", cut)
        [disposition] = await connection.send(mail())
    assert (disposition.verdict, disposition.phase) == (Verdict.UNKNOWN, Phase.END)


# --- the clock ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["250-" + "x" * 500, "250-a\r\n" * 100])
async def test_a_reply_that_dribbles_in_has_one_time_out(text: str) -> None:
    async with scripted((*greeting(), Expect("MAIL"), Dribble(text), Hang())) as peer:
        connection = await connect(peer, HASTY)
        began = time.monotonic()
        with pytest.raises(TransportError) as caught:
            await connection.send(mail())
        await connection.close()
    assert (caught.value.phase, caught.value.reason) == (Phase.MAIL, "timeout")
    assert time.monotonic() - began < 4.0


async def test_each_reply_of_a_group_has_its_own_time_out() -> None:
    recipients = tuple(f"r{number}@b.test" for number in range(8))
    expects = [Expect("MAIL"), *(Expect("RCPT") for _ in recipients), Expect("DATA")]
    script = (
        *greeting("PIPELINING"),
        *expects,
        Reply("250 ok"),
        Dribble("250 ok\r\n" * len(recipients)),  # 0.65 seconds in all
        Reply("354 go on"),
        Content(),
        Reply("250 ok"),
    )
    async with scripted(script) as peer:
        connection = await connect(peer, Limits(reply=0.4, end=5.0))
        dispositions = await connection.send(mail(*recipients))
        await connection.close()
    assert {each.verdict for each in dispositions} == {Verdict.ACCEPTED}


@pytest.mark.parametrize("shape", ["grouped", "chunked"])
async def test_the_answer_to_the_content_may_take_longer_than_others(shape: str) -> None:
    answer = "250 2.0.0 Ok: queued as 4F2A4F2A4F2A4F2A\r\n"  # 0.4 seconds
    async with scripted(until(shape, Phase.END, Dribble(answer))) as peer:
        connection = await connect(peer, Limits(reply=0.2, end=5.0))
        [disposition] = await connection.send(mail())
        await connection.close()
    assert disposition.verdict is Verdict.ACCEPTED


async def test_the_wait_after_the_content_grows_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_module, "MIN_BYTES_PER_SECOND", 20_000)  # ten seconds
    content = BIG[:200_000]
    answer = "250 2.0.0 queued\r\n"  # 0.2 seconds
    async with scripted(until("grouped", Phase.END, Dribble(answer))) as peer:
        connection = await connect(peer, Limits(reply=5.0, end=0.05))
        [disposition] = await connection.send(mail(content=content))
        await connection.close()
    assert disposition.verdict is Verdict.ACCEPTED


async def test_the_deadline_ends_every_wait() -> None:
    deadline = asyncio.get_running_loop().time() + 0.15
    async with scripted(until("lockstep", Phase.MAIL, Hang())) as peer:
        connection = await connect(peer, Limits(reply=60.0, end=600.0, deadline=deadline))
        with pytest.raises(TransportError) as caught:
            await connection.send(mail())
        await connection.close()
    assert caught.value.reason == "deadline"


# --- more than one recipient, more than one mail --------------------------------------------


async def test_refused_recipient_does_not_stop_the_others() -> None:
    answers = ("250 ok", "550 5.1.1 no", "450 4.2.0 later")
    async with scripted((*greeting("PIPELINING"), *transaction(rcpt=answers))) as peer:
        connection = await connect(peer)
        told = await connection.send(mail("a@b.test", "b@b.test", "c@b.test"))
        await connection.close()
    assert [each.verdict for each in told] == [
        Verdict.ACCEPTED,
        Verdict.REJECTED,
        Verdict.DEFERRED,
    ]


@pytest.mark.parametrize("shape", ["lockstep", "grouped", "chunked", "slow chunks"])
async def test_a_recipient_refused_before_the_connection_was_lost_stays_refused(
    shape: str,
) -> None:
    keywords = SHAPES[shape]
    refused: Script = (
        Expect("MAIL"),
        Reply("250 ok"),
        Expect("RCPT"),
        Reply("550 5.1.1 no"),
        Expect("RCPT"),
        Reply("250 ok"),
    )
    end: Script = (Expect("BDAT"), Octets()) if "CHUNKING" in keywords else transaction()[4:7]
    async with scripted((*greeting(*keywords), *refused, *end)) as peer:
        connection = await connect(peer)
        told = await connection.send(mail("a@b.test", "b@b.test"))
        await connection.close()
    assert [each.verdict for each in told] == [Verdict.REJECTED, Verdict.UNKNOWN]
    assert told[0].reason == ""
    assert told[1].reason in ("closed", "ECONNRESET")


async def test_a_refused_mail_is_swept_away_before_the_next() -> None:
    script = (
        *greeting("PIPELINING"),
        *transaction(rcpt=("550 5.1.1 no",), data="554 no valid recipients"),
        *RESET,
        *transaction(),
        *transaction(),
        *GOODBYE,
    )
    async with scripted(script) as peer:
        connection = await connect(peer)
        verdicts = [(await connection.send(mail()))[0].verdict for _ in range(3)]
        assert connection.is_reusable
        await connection.close()
    assert verdicts == [Verdict.REJECTED, Verdict.ACCEPTED, Verdict.ACCEPTED]


async def test_all_refused_and_content_wanted_gets_a_lone_dot() -> None:
    script = (
        *greeting("PIPELINING"),
        Expect("MAIL"),
        Reply("250 ok"),
        Expect("RCPT"),
        Reply("550 no"),
        Expect("DATA"),
        Reply("354 go on"),
        Expect("."),
        Reply("250 queued nothing"),
    )
    async with scripted(script) as peer:
        connection = await connect(peer)
        [disposition] = await connection.send(mail())
        await connection.close()
    assert (disposition.verdict, disposition.phase) == (Verdict.REJECTED, Phase.RCPT)


async def test_content_is_not_given_for_a_sender_that_was_refused() -> None:
    script = (
        *greeting("PIPELINING"),
        *(Expect("MAIL"), Reply("550 no"), Expect("RCPT"), Reply("503 no")),
        *(Expect("DATA"), Reply("354 go on"), Hang()),
    )
    async with scripted(script) as peer:
        connection = await connect(peer)
        [disposition] = await connection.send(mail())
        assert not connection.is_reusable
        await connection.close()
    assert (disposition.verdict, disposition.phase) == (Verdict.REJECTED, Phase.MAIL)
    assert peer.heard[-1] == "DATA"


@pytest.mark.parametrize("last", [Close(), Reset(), Hang()])
async def test_recipients_that_were_refused_stay_so_when_the_connection_dies(last: Step) -> None:
    script = (
        *greeting(),
        *(Expect("MAIL"), Reply("250 ok"), Expect("RCPT"), Reply("550 5.1.1 no")),
        *(Expect("RCPT"), Reply("250 ok"), Expect("DATA"), last),
    )
    async with scripted(script) as peer:
        connection = await connect(peer, HASTY)
        refused, lost = await connection.send(mail("a@b.test", "c@b.test"))
        await connection.close()
    assert (refused.verdict, refused.phase) == (Verdict.REJECTED, Phase.RCPT)
    assert (lost.verdict, lost.phase) == (Verdict.DEFERRED, Phase.DATA)
    assert lost.failure is not None
    assert lost.failure.may_fail_over


@pytest.mark.parametrize("unasked", ["421 idle for too long", "250 queued", "what?"])
async def test_words_between_two_mails_spoil_the_session(unasked: str) -> None:
    script = (*greeting(), *transaction(), Dribble(unasked + "\r\n"), Hang())
    async with scripted(script) as peer:
        connection = await connect(peer)
        [disposition] = await connection.send(mail())
        await eventually(lambda: not connection.is_reusable)
        await connection.close()
    assert disposition.verdict is Verdict.ACCEPTED
    assert "QUIT" not in peer.verbs


async def test_more_after_the_answer_than_the_answer_spoils_the_session_only() -> None:
    script = until("grouped", Phase.END, Raw(b"250 queued\r\n250 queued\r\n"), Hang())
    async with scripted(script) as peer:
        connection = await connect(peer)
        [disposition] = await connection.send(mail())
        assert not connection.is_reusable
        await connection.close()
    assert disposition.verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("end", [b"250 queued", b"554 5.7.1 spam"])
async def test_nonsense_behind_the_answer_does_not_take_it_away(end: bytes) -> None:
    script = until("grouped", Phase.END, Raw(end + b"\r\n<html>\r\n"), Hang())
    async with scripted(script) as peer:
        connection = await connect(peer)
        [disposition] = await connection.send(mail())
        await connection.close()
    assert disposition.verdict is not Verdict.UNKNOWN


# --- what is wrong on our side ----------------------------------------------------------------


async def test_an_address_that_is_an_injection_never_reaches_the_wire() -> None:
    async with scripted((*greeting(), *transaction())) as peer:
        connection = await connect(peer)
        with pytest.raises(AddressError):
            await connection.send(mail("r@b.test>\r\nDATA\r\n<x@y.test"))
        assert connection.is_reusable
        [disposition] = await connection.send(mail())
        await connection.close()
    assert disposition.verdict is Verdict.ACCEPTED
    assert peer.verbs == ["EHLO", "MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize("shape", SHAPES)
async def test_content_with_a_nul_is_refused_before_anything_is_sent(shape: str) -> None:
    async with scripted((*greeting(*SHAPES[shape]), *GOODBYE)) as peer:
        connection = await connect(peer)
        with pytest.raises(MessageError, match="NUL"):
            await connection.send(mail(content=b"Subject: x\r\n\r\n\0\r\n"))
        assert connection.is_reusable
        await connection.close()
    assert peer.verbs == ["EHLO", "QUIT"]


async def test_an_observer_that_fails_ends_the_session_before_the_end_of_the_content() -> None:
    def fail(event: Event) -> None:
        if isinstance(event, PastReturn):
            raise OSError("the journal's disk is full")

    async with scripted(until("grouped", Phase.END, Hang())) as peer:
        connection = await connect(peer, observer=fail)
        with pytest.raises(OSError, match="journal"):
            await connection.send(mail())
        assert not connection.is_reusable
        async with asyncio.timeout(5):
            await peer.left.wait()
        await connection.close()
    assert peer.contents == []


# --- the end of a session ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "phase"),
    [("lockstep", Phase.MAIL), ("grouped", Phase.END), ("chunked", Phase.END)],
)
async def test_being_interrupted_closes_the_connection(shape: str, phase: Phase) -> None:
    signal = Interruption({"lockstep": "MAIL", "grouped": "DATA", "chunked": "BDAT"}[shape])
    async with scripted(until(shape, phase, Hang())) as peer:
        connection = await connect(peer, observer=signal.observe, blocking=signal.blocking)
        with pytest.raises(KeyboardInterrupt):
            await connection.send(mail())
        assert not connection.is_reusable
        async with asyncio.timeout(5):
            await peer.left.wait()
        await connection.close()


async def test_a_session_that_timed_out_is_not_used_again() -> None:
    async with scripted(until("chunked", Phase.END, Hang())) as peer:
        connection = await connect(peer, HASTY)
        await connection.send(mail())
        assert not connection.is_reusable
        await connection.close()


@pytest.mark.parametrize("tls", [False, True])
async def test_quit_leaves_and_its_answer_is_not_waited_for(
    tls: bool, server_tls: ServerTls, client_tls: ssl.SSLContext
) -> None:
    upgrade = (Expect("STARTTLS"), Reply("220 go"), Upgrade(), *ehlo())
    script: Script = (*greeting("STARTTLS"), *(upgrade if tls else ()), Expect("QUIT"), Hang())
    async with scripted(script, tls=server_tls()) as peer:
        connection = await connect(peer, tls=client_tls if tls else None)
        await asyncio.wait_for(connection.close(), 1)
        await until_heard(peer, "QUIT")


async def test_quit_to_a_peer_that_is_gone_costs_nothing() -> None:
    async with scripted(greeting()) as peer:
        connection = await connect(peer)
        await eventually(lambda: not connection.is_reusable)
        await connection.close()
        await connection.close()
    assert peer.verbs == ["EHLO"]


async def test_a_connection_lost_at_the_hand_over_can_still_be_closed() -> None:
    async with scripted((*greeting(), Hang())) as peer:
        wire, session = await asyncio.to_thread(Meeting(terms(peer.port), PROMPT).open)
        wire.close()
        connection = Connection(wire, session, "main", PROMPT)
        assert not connection.is_reusable
        connection.close()


# --- what is told ---------------------------------------------------------------------------


def lines(events: list[Event]) -> list[str]:
    return [
        f"{event.speaker}: {event.text}" if isinstance(event, Said) else type(event).__name__
        for event in events
    ]


async def test_the_transcript_has_every_command_and_reply_and_no_content() -> None:
    events: list[Event] = []
    async with scripted((*greeting("PIPELINING", "SIZE"), *transaction(), *GOODBYE)) as peer:
        connection = await connect(peer, observer=events.append)
        await connection.send(mail())
        await connection.close()
    assert lines(events) == [
        "C: MAIL FROM:<s@a.test>",
        "C: RCPT TO:<r1@b.test>",
        "C: DATA",
        "S: 250 ok",
        "S: 250 ok",
        "S: 354 go on",
        "PastReturn",
        f"C: ({len(CONTENT) + 1} octets of content)",  # with its dot doubled
        "C: .",
        "S: 250 2.0.0 Ok: queued as 4F2A",
        "C: QUIT",
    ]


async def test_the_transcript_of_a_chunk_names_its_size() -> None:
    events: list[Event] = []
    async with scripted((*greeting("PIPELINING", "CHUNKING"), *chunk())) as peer:
        connection = await connect(peer, observer=events.append)
        await connection.send(mail())
        await connection.close()
    assert lines(events)[:5] == [
        "PastReturn",
        "C: MAIL FROM:<s@a.test>",
        "C: RCPT TO:<r1@b.test>",
        f"C: BDAT {len(CONTENT)} LAST",
        f"C: ({len(CONTENT)} octets of content)",
    ]


async def test_the_point_of_no_return_is_told_once_before_the_end_goes_out() -> None:
    events: list[Event] = []
    content = BIG[:200_000]
    async with scripted((*greeting("PIPELINING"), *transaction())) as peer:
        connection = await connect(peer, observer=events.append)
        await connection.send(mail(content=content))
        await connection.close()
    assert events_of(PastReturn, events) == [PastReturn("main")]


async def test_nobody_is_told_of_a_point_of_no_return_that_was_not_reached() -> None:
    events: list[Event] = []
    script = until("grouped", Phase.DATA, Reply("451 4.3.0 no room"))
    async with scripted(script) as peer:
        connection = await connect(peer, observer=events.append)
        [disposition] = await connection.send(mail())
        await connection.close()
    assert isinstance(disposition, Disposition)
    assert disposition.phase is Phase.DATA
    assert events_of(PastReturn, events) == []


# --- what the event loop may do, and seldom does ------------------------------------------------


async def test_a_session_that_is_gone_takes_no_mail() -> None:
    async with scripted(greeting()) as peer:
        connection = await connect(peer)
        await eventually(lambda: not connection.is_reusable)
        with pytest.raises(TransportError):
            await connection.send(mail())
        await connection.close()


async def test_nothing_is_believed_after_nonsense() -> None:
    nonsense = Raw(b"what?\r\n250 ok\r\n250 ok\r\n354 go on\r\n")
    async with scripted((*greeting("PIPELINING"), Expect("MAIL"), nonsense, Hang())) as peer:
        connection = await connect(peer)
        with pytest.raises(ProtocolError) as caught:
            await connection.send(mail())
        await connection.close()
    assert caught.value.reason == "not-smtp"
    assert peer.contents == []
