"""LMTP (RFC 2033): after the content there is a reply for each recipient that was accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.errors import ProtocolError
from nexomailer_cli.smtp.envelope import Envelope, Mail
from nexomailer_cli.smtp.outcome import Phase, Verdict
from nexomailer_cli.smtp.pipeline import Pipeline
from nexomailer_cli.smtp.transaction import Transaction
from tests.smtp.test_pipeline import SHAPES, answer, written

THREE = Mail(
    Envelope("s@a.test", ("r1@b.test", "r2@b.test", "r3@b.test")), b"Subject: x\r\n\r\nbody\r\n"
)
VERDICTS = {"2": Verdict.ACCEPTED, "4": Verdict.DEFERRED, "5": Verdict.REJECTED}


def begun(shape: str, *envelope: str) -> tuple[Pipeline, Transaction]:
    """Return a conversation up to the replies after its content."""
    pipeline = Pipeline(SHAPES[shape], is_lmtp=True)
    transaction = pipeline.submit(THREE)
    data = () if SHAPES[shape].chunking else ("354 go",)
    answer(pipeline, *envelope, *data)
    return pipeline, transaction


def told(transaction: Transaction) -> list[tuple[Verdict, Phase]]:
    return [(each.verdict, each.phase) for each in transaction.dispositions()]


@pytest.mark.parametrize("shape", SHAPES)
def test_each_recipient_has_a_verdict_of_its_own(shape: str) -> None:
    pipeline, transaction = begun(shape, "250 s", "250 a", "250 b", "250 c")
    answer(pipeline, "250 2.0.0 stored", "452 4.2.2 full", "550 5.2.1 closed")
    assert told(transaction) == [
        (Verdict.ACCEPTED, Phase.END),
        (Verdict.DEFERRED, Phase.END),
        (Verdict.REJECTED, Phase.END),
    ]
    assert transaction.is_done
    assert pipeline.awaiting is None
    assert pipeline.is_reusable


@pytest.mark.parametrize("shape", SHAPES)
def test_who_was_refused_before_the_content_gets_no_reply_after_it(shape: str) -> None:
    pipeline, transaction = begun(shape, "250 s", "550 5.1.1 no", "250 b", "250 c")
    answer(pipeline, "250 stored")
    assert not transaction.is_done
    assert pipeline.awaiting is Phase.END
    answer(pipeline, "451 4.3.0 not now")
    assert told(transaction) == [
        (Verdict.REJECTED, Phase.RCPT),
        (Verdict.ACCEPTED, Phase.END),
        (Verdict.DEFERRED, Phase.END),
    ]
    assert transaction.is_done


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_of_whom_no_reply_came_nobody_knows(shape: str, count: int) -> None:
    pipeline, transaction = begun(shape, "250 s", "250 a", "250 b", "250 c")
    answer(pipeline, *["250 stored"] * count)
    assert transaction.is_past_return
    assert not transaction.is_done
    assert [verdict for verdict, _ in told(transaction)] == (
        [Verdict.ACCEPTED] * count + [Verdict.UNKNOWN] * (3 - count)
    )


def test_a_421_is_about_one_recipient_and_the_last_mail_of_the_session() -> None:
    pipeline, transaction = begun("grouped", "250 s", "250 a", "250 b", "250 c")
    answer(pipeline, "250 stored", "421 4.3.2 closing")
    assert [verdict for verdict, _ in told(transaction)] == [
        Verdict.ACCEPTED,
        Verdict.DEFERRED,
        Verdict.UNKNOWN,
    ]
    assert not transaction.is_done
    assert not pipeline.is_reusable
    answer(pipeline, "421 4.3.2 closing")
    assert transaction.is_done
    assert [verdict for verdict, _ in told(transaction)][-1] is Verdict.DEFERRED


def test_a_421_before_the_content_ends_the_session() -> None:
    pipeline, transaction = begun("grouped", "250 s", "421 4.3.2 closing")
    assert transaction.is_done
    assert not pipeline.is_reusable
    assert {verdict for verdict, _ in told(transaction)} == {Verdict.DEFERRED}


@pytest.mark.parametrize("shape", ["grouped", "chunked"])
def test_where_nobody_is_accepted_there_is_one_reply(shape: str) -> None:
    pipeline = Pipeline(SHAPES[shape], is_lmtp=True)
    transaction = pipeline.submit(THREE)
    answer(pipeline, "250 s", "550 a", "550 b", "550 c", "503 5.5.1 no valid recipients")
    assert transaction.is_done
    assert pipeline.is_reusable
    assert set(told(transaction)) == {(Verdict.REJECTED, Phase.RCPT)}


def test_content_for_nobody_is_not_begun_since_no_reply_would_follow_it() -> None:
    pipeline = Pipeline(SHAPES["grouped"], is_lmtp=True)
    transaction = pipeline.submit(THREE)
    answer(pipeline, "250 s", "550 a", "550 b", "550 c")
    assert answer(pipeline, "354 go on") == b""
    assert transaction.is_done
    assert not transaction.is_past_return
    assert not pipeline.is_reusable


@pytest.mark.parametrize(("last", "is_reset"), [("250 stored", False), ("451 no", True)])
def test_the_next_mail_begins_anew_where_one_was_not_taken(last: str, is_reset: bool) -> None:
    pipeline, _ = begun("grouped", "250 s", "250 a", "250 b", "250 c")
    answer(pipeline, "250 stored", "250 stored", last)
    pipeline.submit(THREE)
    assert written(pipeline).startswith(b"RSET\r\n" if is_reset else b"MAIL ")


def test_nothing_is_joined() -> None:
    pipeline = Pipeline(SHAPES["grouped"], is_lmtp=True)
    pipeline.submit(THREE, hold=True)
    answer(pipeline, "250 s", "250 a", "250 b", "250 c", "354 go")
    pipeline.release()
    assert not pipeline.is_joinable


def test_one_reply_too_many_spoils_the_session_and_no_verdict() -> None:
    pipeline, transaction = begun("grouped", "250 s", "250 a", "250 b", "250 c")
    answer(pipeline, "250 stored", "250 stored", "250 stored", "550 what else")
    assert [verdict for verdict, _ in told(transaction)] == [Verdict.ACCEPTED] * 3
    assert not pipeline.is_reusable


def test_a_reply_that_is_none_is_out_of_step() -> None:
    pipeline, transaction = begun("grouped", "250 s", "250 a", "250 b", "250 c")
    answer(pipeline, "250 stored")
    with pytest.raises(ProtocolError):
        answer(pipeline, "354 go on")
    assert told(transaction)[0] == (Verdict.ACCEPTED, Phase.END)
    assert told(transaction)[1][0] is Verdict.UNKNOWN


@given(st.sampled_from(sorted(SHAPES)), st.lists(st.sampled_from("245"), min_size=6, max_size=6))
def test_every_recipient_gets_the_reply_that_is_meant_for_it(shape: str, digits: str) -> None:
    envelope, content = digits[:3], iter(digits[3:])
    pipeline = Pipeline(SHAPES[shape], is_lmtp=True)
    transaction = pipeline.submit(THREE)
    answer(pipeline, "250 s", *(f"{digit}50 r" for digit in envelope))
    expected = []
    if "2" in envelope and not SHAPES[shape].chunking:
        answer(pipeline, "354 go")
    for digit in envelope:
        own = next(content) if digit == "2" else digit
        expected.append(VERDICTS[own])
        if digit == "2":
            answer(pipeline, f"{own}50 content")
    if pipeline.awaiting is not None:  # the answer to a DATA or a chunk for nobody
        answer(pipeline, "503 no valid recipients")
    assert [verdict for verdict, _ in told(transaction)] == expected
    assert transaction.is_done
