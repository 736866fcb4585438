"""The three shapes, every refusal in each of them, and servers that are out of step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.errors import AddressError, ProtocolError
from nexomailer_cli.smtp.envelope import Envelope, Mail
from nexomailer_cli.smtp.extensions import Extensions
from nexomailer_cli.smtp.outcome import Disposition, Phase, Verdict
from nexomailer_cli.smtp.pipeline import Pipeline
from nexomailer_cli.smtp.transaction import Transaction
from nexomailer_cli.smtp.write import MAX_EAGER_BYTES, PIECE_BYTES

LOCKSTEP = Extensions()
GROUPED = Extensions(pipelining=True)
CHUNKED = Extensions(pipelining=True, chunking=True)
SLOW_CHUNKS = Extensions(chunking=True)
SHAPES = {"lockstep": LOCKSTEP, "grouped": GROUPED, "chunked": CHUNKED, "slow": SLOW_CHUNKS}

CONTENT = b"Subject: x\r\n\r\n.body\r\n"
TWO = Mail(Envelope("s@a.test", ("r1@b.test", "r2@b.test")), CONTENT)
ONE = Mail(Envelope("s@a.test", ("r1@b.test",)), CONTENT)


def written(pipeline: Pipeline) -> bytes:
    pieces = []
    while (write := pipeline.next_write()) is not None:
        pieces.append(bytes(write.data))
    return b"".join(pieces)


def answer(pipeline: Pipeline, *replies: str) -> bytes:
    """Give replies one by one; return all that was written in between."""
    wire = written(pipeline)
    for reply in replies:
        pipeline.receive(reply.encode() + b"\r\n")
        wire += written(pipeline)
    return wire


def verdicts(transaction: Transaction) -> list[Verdict]:
    return [each.verdict for each in transaction.dispositions()]


ENVELOPE = b"MAIL FROM:<s@a.test>\r\nRCPT TO:<r1@b.test>\r\nRCPT TO:<r2@b.test>\r\n"
DOTTED = b"Subject: x\r\n\r\n..body\r\n.\r\n"
CHUNK = b"BDAT %d LAST\r\n" % len(CONTENT) + CONTENT


@pytest.mark.parametrize(
    ("shape", "first_write", "whole", "replies"),
    [
        ("lockstep", b"MAIL FROM:<s@a.test>\r\n", ENVELOPE + b"DATA\r\n" + DOTTED, 5),
        ("grouped", ENVELOPE + b"DATA\r\n", ENVELOPE + b"DATA\r\n" + DOTTED, 5),
        ("chunked", ENVELOPE + CHUNK, ENVELOPE + CHUNK, 4),
        ("slow", b"MAIL FROM:<s@a.test>\r\n", ENVELOPE + CHUNK, 4),
    ],
)
def test_each_server_gets_the_shape_that_it_takes(
    shape: str, first_write: bytes, whole: bytes, replies: int
) -> None:
    pipeline = Pipeline(SHAPES[shape])
    transaction = pipeline.submit(TWO)
    first = written(pipeline)
    assert first == first_write
    answers = ["250 a", "250 b", "250 c", "354 go", "250 done"]
    if replies == 4:
        answers.remove("354 go")
    assert first + answer(pipeline, *answers) == whole
    assert transaction.is_done
    assert verdicts(transaction) == [Verdict.ACCEPTED] * 2
    assert pipeline.is_reusable
    assert pipeline.awaiting is None


def test_nothing_is_asked_before_the_answer_where_groups_are_not_announced() -> None:
    pipeline = Pipeline(LOCKSTEP)
    pipeline.submit(TWO)
    assert pipeline.next_write() is not None
    assert pipeline.next_write() is None
    assert pipeline.awaiting is Phase.MAIL


@pytest.mark.parametrize("shape", SHAPES)
def test_one_refused_recipient_does_not_stop_the_others(shape: str) -> None:
    pipeline = Pipeline(SHAPES[shape])
    transaction = pipeline.submit(TWO)
    data = [] if SHAPES[shape].chunking else ["354 go"]
    answer(pipeline, "250 a", "550 5.1.1 no", "250 c", *data, "250 done")
    first, second = transaction.dispositions()
    assert (first.verdict, first.phase) == (Verdict.REJECTED, Phase.RCPT)
    assert first.reply is not None
    assert first.reply.enhanced == "5.1.1"
    assert (second.verdict, second.phase) == (Verdict.ACCEPTED, Phase.END)


@pytest.mark.parametrize("shape", ["lockstep", "slow"])
def test_a_refused_sender_ends_a_lockstep_conversation_at_once(shape: str) -> None:
    pipeline = Pipeline(SHAPES[shape])
    transaction = pipeline.submit(TWO)
    assert answer(pipeline, "550 5.7.1 not you") == b"MAIL FROM:<s@a.test>\r\n"
    assert transaction.is_done
    assert [(d.verdict, d.phase) for d in transaction.dispositions()] == [
        (Verdict.REJECTED, Phase.MAIL)
    ] * 2


@pytest.mark.parametrize(
    ("shape", "rest"),
    [("grouped", ["503 a", "503 b", "503 c"]), ("chunked", ["503 a", "503 b", "503 c"])],
)
def test_after_a_refused_sender_the_rest_of_the_group_is_heard_out(
    shape: str, rest: list[str]
) -> None:
    pipeline = Pipeline(SHAPES[shape])
    transaction = pipeline.submit(TWO)
    answer(pipeline, "451 4.3.0 not now", *rest[:-1])
    assert not transaction.is_done
    answer(pipeline, rest[-1])
    assert transaction.is_done
    assert [(d.verdict, d.phase) for d in transaction.dispositions()] == [
        (Verdict.DEFERRED, Phase.MAIL)
    ] * 2


@pytest.mark.parametrize(
    ("shape", "replies"),
    [
        ("lockstep", ["250 a", "550 b", "450 c"]),
        ("slow", ["250 a", "550 b", "450 c"]),
        ("grouped", ["250 a", "550 b", "450 c", "554 no valid recipients"]),
        ("chunked", ["250 a", "550 b", "450 c", "554 no valid recipients"]),
    ],
)
def test_when_all_recipients_are_refused_no_content_is_wanted(
    shape: str, replies: list[str]
) -> None:
    pipeline = Pipeline(SHAPES[shape])
    transaction = pipeline.submit(TWO)
    wire = answer(pipeline, *replies)
    assert transaction.is_done
    assert verdicts(transaction) == [Verdict.REJECTED, Verdict.DEFERRED]
    if shape != "chunked":
        assert CONTENT not in wire


def test_a_server_that_wants_content_for_nobody_gets_a_lone_dot() -> None:
    pipeline = Pipeline(GROUPED)
    transaction = pipeline.submit(ONE)
    wire = answer(pipeline, "250 a", "550 b", "354 go")
    assert wire.endswith(b"DATA\r\n.\r\n")
    assert not transaction.is_done
    answer(pipeline, "250 taken, whatever it was")
    assert transaction.is_done
    assert verdicts(transaction) == [Verdict.REJECTED]


def test_a_server_that_wants_content_from_a_refused_sender_gets_nothing() -> None:
    pipeline = Pipeline(GROUPED)
    transaction = pipeline.submit(ONE)
    wire = answer(pipeline, "451 a", "250 b", "354 go")
    assert wire.endswith(b"DATA\r\n")
    assert transaction.is_done
    assert not pipeline.is_reusable
    [disposition] = transaction.dispositions()
    assert (disposition.verdict, disposition.phase) == (Verdict.DEFERRED, Phase.MAIL)


@pytest.mark.parametrize("shape", ["lockstep", "grouped"])
@pytest.mark.parametrize(
    ("reply", "verdict"), [("451 4.3.0", Verdict.DEFERRED), ("554 5.5.0", Verdict.REJECTED)]
)
def test_a_refused_data_command_is_about_the_message(
    shape: str, reply: str, verdict: Verdict
) -> None:
    pipeline = Pipeline(SHAPES[shape])
    transaction = pipeline.submit(ONE)
    answer(pipeline, "250 a", "250 b", reply)
    assert transaction.is_done
    [disposition] = transaction.dispositions()
    assert (disposition.verdict, disposition.phase) == (verdict, Phase.DATA)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_refused_content_is_about_the_message(shape: str) -> None:
    pipeline = Pipeline(SHAPES[shape])
    transaction = pipeline.submit(ONE)
    data = [] if SHAPES[shape].chunking else ["354 go"]
    answer(pipeline, "250 a", "250 b", *data, "554 5.7.1 spam")
    [disposition] = transaction.dispositions()
    assert (disposition.verdict, disposition.phase) == (Verdict.REJECTED, Phase.END)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("before", range(4))
def test_421_ends_the_session_wherever_it_comes(shape: str, before: int) -> None:
    pipeline = Pipeline(SHAPES[shape])
    transaction = pipeline.submit(ONE)
    answers = ["250 a", "250 b", "354 go"]
    if SHAPES[shape].chunking:
        answers.pop()
    answer(pipeline, *answers[:before], "421 4.3.2 shutting down")
    assert transaction.is_done
    assert not pipeline.is_reusable
    [disposition] = transaction.dispositions()
    assert disposition.verdict is Verdict.DEFERRED
    assert disposition.reply is not None
    assert disposition.reply.code == 421


def test_after_a_refusal_the_next_mail_begins_with_rset() -> None:
    pipeline = Pipeline(GROUPED)
    pipeline.submit(ONE)
    answer(pipeline, "250 a", "550 b", "503 c")
    transaction = pipeline.submit(ONE)
    assert written(pipeline).startswith(b"RSET\r\nMAIL FROM:<s@a.test>\r\n")
    answer(pipeline, "500 what?", "250 a", "250 b", "354 go", "250 done")
    assert verdicts(transaction) == [Verdict.ACCEPTED]
    pipeline.submit(ONE)
    assert written(pipeline).startswith(b"MAIL")


def test_an_envelope_that_must_not_go_out_writes_nothing() -> None:
    pipeline = Pipeline(GROUPED)
    with pytest.raises(AddressError):
        pipeline.submit(Mail(Envelope("s@a.test", ("x@y>\r\nDATA",)), CONTENT))
    assert written(pipeline) == b""


@pytest.mark.parametrize("shape", ["grouped", "lockstep"])
def test_the_end_of_the_content_can_be_held_back(shape: str) -> None:
    pipeline = Pipeline(SHAPES[shape])
    transaction = pipeline.submit(ONE, hold=True)
    wire = answer(pipeline, "250 a", "250 b", "354 go")
    assert not wire.endswith(b".\r\n")
    assert not transaction.is_past_return
    pipeline.release()
    assert written(pipeline).endswith(b"\r\n.\r\n")
    assert transaction.is_past_return


def test_a_chunk_can_be_held_back() -> None:
    pipeline = Pipeline(CHUNKED)
    transaction = pipeline.submit(ONE, hold=True)
    assert b"BDAT" not in answer(pipeline, "250 a", "250 b")
    pipeline.release()
    assert written(pipeline) == CHUNK
    assert transaction.is_past_return


@pytest.mark.parametrize("shape", SHAPES)
def test_large_content_goes_in_pieces_and_only_the_last_one_ends_it(shape: str) -> None:
    content = b"Subject: x\r\n\r\n" + b"0123456789abcd\r\n" * (MAX_EAGER_BYTES // 8)
    pipeline = Pipeline(SHAPES[shape])
    transaction = pipeline.submit(Mail(ONE.envelope, content))
    answers = [b"250 a\r\n", b"250 b\r\n", b"354 go\r\n"]
    for reply in answers[: 2 if SHAPES[shape].chunking else 3]:
        written(pipeline)
        pipeline.receive(reply)
    pieces = []
    while (write := pipeline.next_write()) is not None:
        pieces.append(bytes(write.data))
        assert len(pieces[-1]) <= PIECE_BYTES
        assert transaction.is_past_return is write.ends
    assert len(pieces) > 2
    expected = b"BDAT %d LAST\r\n" % len(content) + content
    assert b"".join(pieces) == (expected if SHAPES[shape].chunking else content + b".\r\n")
    pipeline.receive(b"250 done\r\n")
    assert verdicts(transaction) == [Verdict.ACCEPTED]


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [(b"552 5.3.4 too big\r\n", Verdict.REJECTED), (b"421 bye\r\n", Verdict.DEFERRED)],
)
def test_a_refusal_in_the_middle_of_the_content_is_believed(reply: bytes, verdict: Verdict) -> None:
    pipeline = Pipeline(GROUPED)
    transaction = pipeline.submit(Mail(ONE.envelope, b"x\r\n" * MAX_EAGER_BYTES))
    answer(pipeline, "250 a", "250 b")
    pipeline.receive(b"354 go\r\n")
    assert pipeline.next_write() is not None
    pipeline.receive(reply)
    assert transaction.is_done
    assert not transaction.is_past_return
    assert not pipeline.is_reusable
    assert pipeline.next_write() is None
    [disposition] = transaction.dispositions()
    assert (disposition.verdict, disposition.phase) == (verdict, Phase.CONTENT)


@pytest.mark.parametrize("shape", SHAPES)
def test_answers_that_come_before_their_questions_are_not_believed(shape: str) -> None:
    # smtplib and aiosmtplib take these for the answers and report the mail as sent.
    pipeline = Pipeline(SHAPES[shape])
    transaction = pipeline.submit(ONE)
    if SHAPES[shape] is CHUNKED:
        written(pipeline)
        pipeline.receive(b"250 a\r\n250 b\r\n550 no\r\n250 c\r\n")
        assert verdicts(transaction) == [Verdict.REJECTED]
        assert not pipeline.is_reusable
        return
    written(pipeline)
    with pytest.raises(ProtocolError, match="without being asked") as caught:
        pipeline.receive(b"250 a\r\n250 b\r\n354 c\r\n250 d\r\n250 e\r\n")
    assert caught.value.reason == "surplus"
    assert not transaction.is_past_return


def test_bytes_after_the_last_answer_spoil_the_session_and_not_the_mail() -> None:
    for surplus in (b"250 more\r\n", b"25"):
        pipeline = Pipeline(GROUPED)
        transaction = pipeline.submit(ONE)
        answer(pipeline, "250 a", "250 b", "354 go")
        pipeline.receive(b"250 done\r\n" + surplus)
        assert verdicts(transaction) == [Verdict.ACCEPTED]
        assert not pipeline.is_reusable


def test_bytes_before_the_first_mail_spoil_the_session() -> None:
    pipeline = Pipeline(GROUPED)
    pipeline.receive(b"250 hello?\r\n")
    assert not pipeline.is_reusable


@pytest.mark.parametrize(
    ("answers", "nonsense"),
    [
        ([], "354"),
        (["250 a"], "354"),
        (["250 a", "250 b"], "250"),
        (["250 a", "250 b", "354 go"], "354"),
    ],
)
def test_an_answer_of_the_wrong_kind_ends_the_conversation(
    answers: list[str], nonsense: str
) -> None:
    pipeline = Pipeline(LOCKSTEP)
    pipeline.submit(ONE)
    answer(pipeline, *answers)
    with pytest.raises(ProtocolError, match=f"answered {nonsense} to"):
        answer(pipeline, nonsense)


def test_a_recipient_without_an_answer_after_the_end_is_unknown() -> None:
    pipeline = Pipeline(CHUNKED)
    transaction = pipeline.submit(TWO)
    written(pipeline)
    pipeline.receive(b"250 a\r\n550 no\r\n")
    assert verdicts(transaction) == [Verdict.REJECTED, Verdict.UNKNOWN]


# --- joined: the end of one mail and the envelope of the next in one write -------------------

OTHER = Mail(Envelope("s@a.test", ("r3@b.test",)), b"Subject: y\r\n\r\nother\r\n")
JOINT = b".\r\nRSET\r\nMAIL FROM:<s@a.test>\r\nRCPT TO:<r3@b.test>\r\nDATA\r\n"


def joined() -> tuple[Pipeline, Transaction, Transaction]:
    """Return a pipeline in which the end of ONE has gone out together with OTHER's envelope."""
    pipeline = Pipeline(GROUPED)
    first = pipeline.submit(ONE, hold=True)
    answer(pipeline, "250 a", "250 b", "354 go")
    assert pipeline.is_held_back
    pipeline.release()
    assert pipeline.is_joinable
    second = pipeline.join(OTHER)
    assert not pipeline.is_joinable
    assert written(pipeline).endswith(b"..body\r\n" + JOINT)
    assert (first.is_past_return, second.is_past_return) == (True, False)
    return pipeline, first, second


def test_the_next_envelope_travels_with_the_end_of_the_content() -> None:
    pipeline, first, second = joined()
    answer(pipeline, "250 done", "250 reset")
    assert (first.is_done, second.is_done) == (True, False)
    assert verdicts(first) == [Verdict.ACCEPTED]
    assert answer(pipeline, "250 a", "250 b", "354 go") == b""
    assert pipeline.is_held_back
    pipeline.release()
    assert written(pipeline) == OTHER.content + b".\r\n"
    answer(pipeline, "250 done")
    assert verdicts(second) == [Verdict.ACCEPTED]
    assert pipeline.is_reusable
    assert pipeline.may_join


def test_a_refused_content_leaves_the_joined_mail_alone() -> None:
    pipeline, first, second = joined()
    pipeline.receive(b"554 5.7.1 spam\r\n250 reset\r\n250 a\r\n250 b\r\n354 go\r\n")
    assert verdicts(first) == [Verdict.REJECTED]
    pipeline.release()
    answer(pipeline, "250 done")
    assert verdicts(second) == [Verdict.ACCEPTED]


@pytest.mark.parametrize("before", range(5))
def test_421_answers_what_is_joined_as_well(before: int) -> None:
    pipeline, first, second = joined()
    answers = ["250 done", "250 reset", "250 a", "250 b", "354 go"]
    answer(pipeline, *answers[:before], "421 4.3.2 bye")
    assert first.is_done
    assert second.is_done
    assert verdicts(first) == [Verdict.ACCEPTED if before else Verdict.DEFERRED]
    assert verdicts(second) == [Verdict.DEFERRED]
    assert not second.is_past_return
    assert not pipeline.is_reusable


def test_a_server_that_does_not_take_what_is_joined_says_so_to_each_of_it() -> None:
    pipeline, first, second = joined()
    answer(pipeline, "250 done", "503 a", "503 b", "503 c", "503 d")
    assert verdicts(first) == [Verdict.ACCEPTED]
    assert not pipeline.may_join
    [disposition] = second.dispositions()
    assert (disposition.verdict, disposition.phase) == (Verdict.REJECTED, Phase.MAIL)
    assert written(pipeline) == b""


def test_a_lone_reset_behind_the_dot_is_a_question_of_its_own() -> None:
    pipeline = Pipeline(GROUPED)
    transaction = pipeline.submit(ONE)
    answer(pipeline, "250 a", "250 b")
    pipeline.receive(b"354 go\r\n")
    pipeline.join_reset()
    assert written(pipeline).endswith(b".\r\nRSET\r\n")
    answer(pipeline, "250 done")
    assert transaction.is_done
    assert pipeline.awaiting is Phase.RSET
    answer(pipeline, "250 reset")
    assert pipeline.awaiting is None
    assert pipeline.may_join


def test_content_in_pieces_is_joined_by_its_end() -> None:
    content = b"x\r\n" * MAX_EAGER_BYTES
    pipeline = Pipeline(GROUPED)
    pipeline.submit(Mail(ONE.envelope, content), hold=True)
    wire = answer(pipeline, "250 a", "250 b", "354 go")
    assert wire.endswith(b"\r\n" + b"x\r\n" * 9)
    assert pipeline.is_held_back
    pipeline.release()
    pipeline.join(OTHER)
    assert written(pipeline) == JOINT


def test_a_refusal_in_the_middle_of_the_content_is_not_followed_by_what_is_joined() -> None:
    pipeline = Pipeline(GROUPED)
    first = pipeline.submit(ONE, hold=True)
    answer(pipeline, "250 a", "250 b", "354 go")
    pipeline.release()
    second = pipeline.join(OTHER)
    pipeline.receive(b"552 5.3.4 too big\r\n")
    assert written(pipeline) == b""
    assert verdicts(first) == [Verdict.REJECTED]
    assert not second.is_done
    assert not pipeline.is_reusable


@pytest.mark.parametrize("shape", ["lockstep", "chunked", "slow"])
def test_nothing_is_joinable_in_the_other_shapes(shape: str) -> None:
    pipeline = Pipeline(SHAPES[shape])
    pipeline.submit(ONE, hold=True)
    answer(pipeline, "250 a", "250 b", *(() if SHAPES[shape].chunking else ("354 go",)))
    assert pipeline.is_held_back
    pipeline.release()
    assert not pipeline.is_joinable


def test_a_lone_dot_is_not_joinable_nor_is_an_envelope() -> None:
    pipeline = Pipeline(GROUPED)
    assert not pipeline.is_joinable
    pipeline.submit(ONE)
    assert not pipeline.is_joinable
    written(pipeline)
    pipeline.receive(b"250 a\r\n550 b\r\n354 go\r\n")
    assert not pipeline.is_joinable


def test_a_joined_envelope_that_must_not_go_out_changes_nothing() -> None:
    pipeline = Pipeline(GROUPED)
    pipeline.submit(ONE, hold=True)
    answer(pipeline, "250 a", "250 b", "354 go")
    pipeline.release()
    with pytest.raises(AddressError):
        pipeline.join(Mail(Envelope("s@a.test", ("x@y>\r\nDATA",)), CONTENT))
    assert pipeline.is_joinable
    assert written(pipeline) == DOTTED


CODES = st.sampled_from(["250 ok", "354 go", "421 bye", "450 later", "503 what", "550 no"])


@given(st.sampled_from(sorted(SHAPES)), st.lists(CODES, max_size=8), st.booleans())
def test_every_recipient_gets_one_verdict_and_acceptance_is_never_invented(
    shape: str, replies: list[str], at_once: bool
) -> None:
    pipeline = Pipeline(SHAPES[shape])
    transaction = pipeline.submit(TWO)
    try:
        if at_once:
            written(pipeline)
            pipeline.receive("".join(f"{reply}\r\n" for reply in replies).encode())
        else:
            answer(pipeline, *replies)
    except ProtocolError:
        assert not transaction.is_done or not pipeline.is_reusable
    dispositions = transaction.dispositions()
    assert [each.recipient for each in dispositions] == list(TWO.envelope.recipients)
    if any(each.verdict is Verdict.ACCEPTED for each in dispositions):
        assert transaction.is_past_return
        assert replies[0] == "250 ok"


@given(
    st.lists(CODES, min_size=1, max_size=9),
    st.lists(st.integers(1, 10), min_size=9, max_size=9),
)
def test_joined_mails_are_told_apart_however_the_bytes_arrive(
    replies: list[str], cuts: list[int]
) -> None:
    def play(chunks: list[bytes]) -> list[tuple[bool, bool, tuple[Disposition, ...]]]:
        pipeline, first, second = joined()
        try:
            for chunk in chunks:
                pipeline.receive(chunk)
                if pipeline.is_held_back:
                    pipeline.release()
                wire = written(pipeline)
                # No content goes out before its own 354.
                assert not wire or second.has_recipient or wire == b".\r\n"
        except ProtocolError:
            pass
        return [(t.is_done, t.is_past_return, t.dispositions()) for t in (first, second)]

    whole = [f"{reply}\r\n".encode() for reply in replies]
    pieces = [
        piece for line, cut in zip(whole, cuts, strict=False) for piece in (line[:cut], line[cut:])
    ]
    (first, second) = play(whole)
    assert play(pieces) == [first, second]
    (one,), (_, is_past_return, (other,)) = first[2], second
    assert one.verdict is not Verdict.ACCEPTED or replies[0] == "250 ok"
    assert other.verdict is not Verdict.ACCEPTED or is_past_return
