"""A handshake's questions have one whole reply each; nothing else is believed."""

import pytest

from nexomailer_cli.errors import ProtocolError
from nexomailer_cli.smtp.answer import AnswerReader
from nexomailer_cli.smtp.outcome import Phase


def answers(*segments: bytes) -> AnswerReader:
    made = AnswerReader()
    for segment in segments:
        made.receive(segment)
    return made


@pytest.mark.parametrize(
    ("said", "has_come"), [(b"", False), (b"250-a", False), (b"250 a\r\n", True), (b"?\r\n", True)]
)
def test_an_answer_is_there_once_it_is_whole_or_wrong(said: bytes, has_come: bool) -> None:
    assert answers(said).has_answer is has_come


@pytest.mark.parametrize(
    "segments",
    [(b"250-a\r\n250 b\r\n",), (b"250-", b"a\r", b"\n25", b"0 b\r\n"), (b"250-a\n250 b\n",)],
)
def test_one_whole_reply_is_taken_once(segments: tuple[bytes, ...]) -> None:
    made = answers(*segments)
    reply = made.take(Phase.EHLO)
    assert (reply.code, reply.lines) == (250, ("a", "b"))
    made.verify_silence(Phase.EHLO)
    with pytest.raises(ProtocolError):
        made.take(Phase.EHLO)


@pytest.mark.parametrize(
    "said", [b"", b"250 a\r\n250 b\r\n", b"250 a\r\n2", b"250-a\r\n", b"250 a\r\n250-b\r\n"]
)
def test_more_or_less_than_one_reply_is_not_believed(said: bytes) -> None:
    made = answers(said)
    with pytest.raises(ProtocolError) as caught:
        made.take(Phase.AUTH)
    assert (caught.value.phase, caught.value.reason) == (Phase.AUTH, "surplus")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"what?\r\n", "not-smtp"),
        (b"199 hm\r\n", "not-smtp"),
        (b"250-a\r\n251 b\r\n", "not-smtp"),
        (b"250 " + b"x" * 9000, "too-long"),
        (b"250-x\r\n" * 200, "too-long"),
    ],
)
def test_what_is_no_reply_is_named_with_the_phase_it_came_in(said: bytes, reason: str) -> None:
    made = answers(said, b"250 ok\r\n")
    for _ in range(2):
        with pytest.raises(ProtocolError) as caught:
            made.take(Phase.STARTTLS)
        assert (caught.value.phase, caught.value.reason) == (Phase.STARTTLS, reason)
    with pytest.raises(ProtocolError):
        made.verify_silence(Phase.STARTTLS)


@pytest.mark.parametrize("said", [b"250 ok\r\n", b"2", b"250-a\r\n", b"what?\r\n"])
def test_silence_is_silence(said: bytes) -> None:
    made = answers(said)
    with pytest.raises(ProtocolError) as caught:
        made.verify_silence(Phase.AUTH)
    assert caught.value.reason == "surplus"


@pytest.mark.parametrize("said", [b"250 a\r\n250 b\r\n", b"250 a\r\n2", b"what?\r\n"])
def test_what_is_out_of_order_is_the_better_explanation(said: bytes) -> None:
    with pytest.raises(ProtocolError):
        answers(said).verify_order(Phase.AUTH)


@pytest.mark.parametrize("said", [b"", b"250-a", b"250 a\r\n"])
def test_one_reply_at_most_is_in_order(said: bytes) -> None:
    answers(said).verify_order(Phase.AUTH)
