"""`bulk` before a person: the question, the display, Ctrl-C, and what else needs a process."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexomailer_cli.bulk.events import Settled, Stopping, Troubled
from nexomailer_cli.bulk.state import State
from nexomailer_cli.cli.bulk_display import Lines, Progress, Screen, event_json, tell
from nexomailer_cli.cli.output import Output
from nexomailer_cli.pool.desk import PoolState
from nexomailer_cli.smtp.outcome import Attempt, Phase, Status
from tests.bulk.office import Office
from tests.cli.test_bulk import LETTER
from tests.cli.test_bulk_providers import people
from tests.support.beside import beside
from tests.support.moody import Moody, moody
from tests.support.providers import configure, provider
from tests.support.run import COMMAND, ended, environment, run, run_process, running, wait_for

ATTEMPT = Attempt(
    provider="main",
    host="h",
    port=25,
    tls="",
    phase=Phase.CONNECT,
    status=Status.FAILED,
    elapsed=0.1,
    text="refused",
)
POOLS = {"main": PoolState(busy=1, idle=2, opening=0, sent=7, joined=None, is_off=False)}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Moody]:
    with beside(moody()) as served:
        configure(tmp_path, provider("main", served.port))
        yield served


def at_a_terminal(folder: Path, answer: bytes, *arguments: str) -> tuple[int, str]:
    """Run the command on a terminal of its own, and answer its question."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "bulk", "people.csv", *LETTER, *arguments],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        env={**environment(None, folder), "TERM": "xterm", "COLUMNS": "100"},
    ) as process:
        os.close(theirs)
        told = b""
        is_answered = False
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:
                break
            if not piece:
                break
            told += piece
            if not is_answered and b"[y/N]" in told:
                os.write(ours, answer + b"\n")
                is_answered = True
        status = process.wait()
    os.close(ours)
    return status, told.decode()


def test_a_person_sees_the_first_message_and_says_yes(tmp_path: Path, server: Moody) -> None:
    people(tmp_path, 150)
    status, told = at_a_terminal(tmp_path, b"y")
    assert status == 0, told
    assert "| Subject: Hi N0" in told
    assert "Send 150 messages? [y/N]" in told
    assert "of 150 rows" in told
    assert "connections" in told
    assert server.accepted.total() == 150


def test_a_person_who_says_no_sends_nothing(tmp_path: Path, server: Moody) -> None:
    people(tmp_path, 3)
    status, told = at_a_terminal(tmp_path, b"")
    assert status == 2
    assert "Nothing was sent" in told
    assert not server.accepted


def test_a_second_signal_cuts_and_the_journal_is_right(tmp_path: Path) -> None:
    people(tmp_path, 50)
    from tests.support.script import Content, Expect, Hang, Reply, greeting, scripted

    hanging = (
        *greeting("PIPELINING"),
        *(Expect("MAIL"), Reply("250 ok"), Expect("RCPT"), Reply("250 ok")),
        *(Expect("DATA"), Reply("354 go"), Content(), Hang()),
    )
    with beside(scripted(hanging)) as peer:
        configure(tmp_path, provider("main", peer.port, max_connections=1))
        with running("bulk", "people.csv", *LETTER, "--yes", cwd=tmp_path) as process:
            wait_for(process, "messages to send")
            while not peer.contents:
                pass
            process.send_signal(signal.SIGINT)
            wait_for(process, "stopping: interrupted")
            process.send_signal(signal.SIGINT)
            result = ended(process)
    assert result.exit_status == 130, result.stderr
    status = run("journal", "status", "people.csv.journal", cwd=tmp_path).stdout.decode()
    assert "1 unknown" in status
    assert "49 waiting" in status


def test_a_second_run_is_refused_while_the_first_lives(tmp_path: Path, server: Moody) -> None:
    people(tmp_path, 200)
    slow = ("bulk", "people.csv", *LETTER, "--yes", "--rate", "20/s")
    with running(*slow, cwd=tmp_path) as process:
        wait_for(process, "messages to send")
        second = run(*slow, cwd=tmp_path)
        assert second.exit_status == 73
        assert "another run is using the journal" in second.stderr
        process.send_signal(signal.SIGTERM)
        first = ended(process)
    assert first.exit_status == 130, first.stderr
    assert set(server.accepted.values()) <= {1}


def test_rows_may_come_through_a_pipe(tmp_path: Path, server: Moody) -> None:
    rows = b"email;name\nann@b.test;Ann\n"
    command = ("bulk", "-", *LETTER, "--yes", "--journal", "x.journal")
    result = run_process(*command, stdin=rows, cwd=tmp_path)
    assert result.exit_status == 0, result.stderr
    assert server.accepted == Counter({"ann@b.test": 1})
    written = run("journal", "rows", "x.journal", "-o", "out.csv", cwd=tmp_path)
    assert written.exit_status == 66
    assert "--input" in written.stderr


def test_a_template_file_with_attachments_by_row(tmp_path: Path, server: Moody) -> None:
    (tmp_path / "a.txt").write_text("for Ann")
    (tmp_path / "people.csv").write_text("email,First name,file\nann@b.test,Ann <3,a.txt\n")
    (tmp_path / "letter.md").write_text(
        "From: shop@a.test\nTo: {{ email }}\nSubject: Hi {{ first_name }}\n"
        "List-Unsubscribe: <https://a.test/u>\nAttachment: {{ file }}\n\n**{{ first_name }}**\n"
    )
    result = run(
        *("bulk", "people.csv", "--template", "letter.md", "--dry-run", "-o", "out"), cwd=tmp_path
    )
    assert result.exit_status == 0, result.stderr
    text = (tmp_path / "out" / "000001.eml").read_text()
    assert "Subject: Hi Ann <3" in text
    assert 'filename="a.txt"' in text or "filename=a.txt" in text
    (tmp_path / "a.txt").unlink()
    missing = run("bulk", "people.csv", "--template", "letter.md", "--yes", cwd=tmp_path)
    assert missing.exit_status == 65
    assert "people.csv:2" in missing.stderr
    assert not server.accepted


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--text", "{{ nobody }}"), 65, "nobody"),
        (("--text", "x", "--key", "id"), 2, "--key"),
        (("--text", "-"), 2, "standard input"),
        (("--template", "nothing.md"), 66, "nothing.md"),
        (("--text", "x", "--envelope-from", "odd"), 2, "--envelope-from"),
        (("--text", "x", "--provider", "other", "--yes"), 2, "other"),
        (("--text", "@missing.txt"), 66, "missing.txt"),
    ],
)
def test_what_cannot_work_is_told_before_anything_is_sent(
    arguments: tuple[str, ...], status: int, words: str, tmp_path: Path, server: Moody
) -> None:
    people(tmp_path, 2)
    result = run("bulk", "people.csv", "--from", "a@a.test", *arguments, cwd=tmp_path)
    assert result.exit_status == status, result.stderr
    assert words in result.stderr
    assert not server.accepted


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, server: Moody) -> None:
    people(tmp_path, 1)
    (tmp_path / "out").write_text("")
    result = run("bulk", "people.csv", *LETTER, "--dry-run", "-o", "out/x", cwd=tmp_path)
    assert result.exit_status == 73
    report = run(*("bulk", "people.csv", *LETTER, "--yes", "--report", "out/x.csv"), cwd=tmp_path)
    assert report.exit_status == 73
    assert not server.accepted


def test_verbose_shows_the_conversation(tmp_path: Path, server: Moody) -> None:
    people(tmp_path, 1)
    result = run("bulk", "people.csv", *LETTER, "--yes", "--verbose", cwd=tmp_path)
    assert "C: MAIL FROM:<a@a.test>" in result.stderr


def test_events_have_words_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(verbose=True, color=False)
    rejected = Settled(3, "r@b.test", State.REJECTED, 1, "main", 550, "5.1.1", "no")
    for event in (rejected, Troubled(ATTEMPT, is_off=True), Stopping("enough")):
        tell(event, output)
    told = capsys.readouterr().err
    assert "row 3, r@b.test: rejected: no" in told
    assert "main is not used again in this run" in told
    assert "stopping: enough" in told
    assert event_json(rejected)["verdict"] == "rejected"
    assert event_json(Troubled(ATTEMPT, is_off=False))["event"] == "provider"
    assert event_json(Stopping("x")) == {"event": "stopping", "reason": "x"}


def test_a_line_now_and_then_says_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexomailer_cli.cli.bulk_display.LINE_SECONDS", 0.0)
    office = Office(tmp_path, 4)
    office.run()
    lines = Lines(Output(color=False), 10)
    lines.tick(office.desk, POOLS)
    lines(Stopping("enough"))
    lines.close()
    told = capsys.readouterr().err
    assert told.startswith("4 of 10 rows; 4 accepted; ")
    assert Progress(4).speed(0) == ""


def test_the_screen_names_providers_and_their_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    office = Office(tmp_path, 4)
    office.run()
    screen = Screen(Output(color=False), 4)
    screen.tick(office.desk, POOLS)
    screen(Stopping("enough"))
    screen.close()
    told = capsys.readouterr().err
    assert "stopping: enough" in told


class Teletype(io.StringIO):
    """A terminal that remembers all that was written to it."""

    def isatty(self) -> bool:
        return True


def test_the_display_does_not_wipe_out_what_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(tmp_path, 4)
    office.run()
    monkeypatch.setenv("TERM", "xterm")
    terminal = Teletype()
    monkeypatch.setattr("sys.stderr", terminal)
    screen = Screen(Output(color=False), 4)
    screen.tick(office.desk, POOLS)
    screen(Stopping("enough"))
    screen.tick(office.desk, POOLS)
    screen.close()
    _, _, behind = terminal.getvalue().partition("in flight are finished")
    before_display, _, _ = behind.partition("4 of 4 rows")
    assert "\x1b[2K" not in before_display
    assert "\x1b[1A" not in before_display


def test_the_answer_stands_beside_the_question(tmp_path: Path, server: Moody) -> None:
    people(tmp_path, 1)
    _, told = at_a_terminal(tmp_path, b"n")
    assert "[y/N] n" in told
