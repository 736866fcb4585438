"""Everything the server says is read twice, and the stricter reader counts."""

import pytest

from nexomailer_cli.errors import ProtocolError
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.transport.witness import Witness


class Below:
    """Stands for aiosmtplib's protocol and writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> bool:
        self.told.append("eof")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


def witness(*segments: bytes) -> tuple[Witness, Below]:
    below = Below()
    made = Witness(below)  # type: ignore[arg-type]
    for segment in segments:
        made.data_received(segment)
    return made, below


def test_all_that_happens_is_passed_on() -> None:
    made, below = witness(b"250 ok\r\n")
    made.pause_writing()
    made.resume_writing()
    assert made.eof_received() is True
    gone = ConnectionResetError()
    made.connection_lost(gone)
    assert below.told == [b"250 ok\r\n", "pause", "resume", "eof", gone]


@pytest.mark.parametrize(
    "segments",
    [(b"250-a\r\n250 b\r\n",), (b"250-", b"a\r", b"\n25", b"0 b\r\n"), (b"250-a\n250 b\n",)],
)
def test_one_whole_reply_is_taken_once(segments: tuple[bytes, ...]) -> None:
    made, _ = witness(*segments)
    reply = made.take(Phase.EHLO)
    assert (reply.code, reply.lines) == (250, ("a", "b"))
    made.verify_silence(Phase.EHLO)
    with pytest.raises(ProtocolError):
        made.take(Phase.EHLO)


@pytest.mark.parametrize(
    "said", [b"", b"250 a\r\n250 b\r\n", b"250 a\r\n2", b"250-a\r\n", b"250 a\r\n250-b\r\n"]
)
def test_more_or_less_than_one_reply_is_not_believed(said: bytes) -> None:
    made, _ = witness(said)
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
    made, below = witness(said, b"250 ok\r\n")
    for _ in range(2):
        with pytest.raises(ProtocolError) as caught:
            made.take(Phase.STARTTLS)
        assert (caught.value.phase, caught.value.reason) == (Phase.STARTTLS, reason)
    assert below.told == [said, b"250 ok\r\n"]
    with pytest.raises(ProtocolError):
        made.verify_silence(Phase.STARTTLS)


@pytest.mark.parametrize("said", [b"250 ok\r\n", b"2", b"250-a\r\n", b"what?\r\n"])
def test_silence_is_silence(said: bytes) -> None:
    made, _ = witness(said)
    with pytest.raises(ProtocolError) as caught:
        made.verify_silence(Phase.AUTH)
    assert caught.value.reason == "surplus"
