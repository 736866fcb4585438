"""Everything the server says is read twice; what the stricter reader makes of it counts."""

from nexomailer_cli.pool.witness import Witness


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
    assert made.answers.has_answer
