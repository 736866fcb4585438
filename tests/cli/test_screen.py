"""Which screen somebody gets, and what it says while an examination runs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from typing import Any

import msgspec
import pytest

from nexomailer_cli.cli import screen_live
from nexomailer_cli.cli.output import Output
from nexomailer_cli.cli.screen import Form, Screen, screen_for
from nexomailer_cli.cli.screen_live import LiveScreen, RunningList
from nexomailer_cli.cli.screen_page import Page, page_of
from nexomailer_cli.cli.screen_plain import PlainScreen
from nexomailer_cli.cli.screen_quiet import QuietScreen
from nexomailer_cli.probe.report import Examinations, Report
from tests.cli import screen_examples as examples

ESCAPE = "\x1b"


class Stream(io.TextIOWrapper):
    """A stream that remembers, and is a terminal if it is told so."""

    def __init__(self, *, is_terminal: bool, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding, write_through=True)
        self._is_terminal = is_terminal
        self.expected = ""
        self.has_shown = threading.Event()

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> int:
        if self.expected and self.expected in text:
            self.has_shown.set()
        return super().write(text)

    @property
    def text(self) -> str:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


class Place:
    """Two streams in place of those of the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", "80")
        for name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)
        self.be()

    def be(self, *, is_terminal: bool = False, encoding: str = "utf-8") -> None:
        self.stdout = Stream(is_terminal=is_terminal, encoding=encoding)
        self.stderr = Stream(is_terminal=is_terminal, encoding=encoding)

    def screen(
        self, output: Output | None = None, form: Form = "words", *, several: bool = False
    ) -> Screen:
        # Not earlier: pytest puts its own streams there between the fixture and the test.
        self._monkeypatch.setattr(sys, "stdout", self.stdout)
        self._monkeypatch.setattr(sys, "stderr", self.stderr)
        return screen_for(
            output or Output(),
            stdout=self.stdout,
            stderr=self.stderr,
            form=form,
            several=several,
        )


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(monkeypatch)


def play(screen: Screen, report: Report) -> None:
    screen.begin(report.target)
    for stage in report.stages:
        screen.stage(stage)
    screen.report(report)


def test_a_terminal_gets_the_live_screen_and_a_pipe_the_plain_one(place: Place) -> None:
    assert isinstance(place.screen(), PlainScreen)
    place.be(is_terminal=True)
    assert isinstance(place.screen(), LiveScreen)
    assert isinstance(place.screen(Output(quiet=True)), QuietScreen)


@pytest.mark.parametrize("why", ["NO_COLOR", "TERM", "option", "pipe"])
@pytest.mark.parametrize("make", examples.FIVE)
def test_there_is_no_escape_sequence_where_nobody_wants_one(
    place: Place, make: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.be(is_terminal=why != "pipe")
    monkeypatch.setenv("NO_COLOR", "1" if why == "NO_COLOR" else "")
    monkeypatch.setenv("TERM", "dumb" if why == "TERM" else "xterm")
    play(place.screen(Output(color=why != "option")), make())
    assert ESCAPE not in place.stdout.text + place.stderr.text
    assert place.stdout.text.isascii() is (why == "TERM")
    assert max(map(len, place.stdout.text.splitlines())) <= 80


def test_a_plain_stage_is_shown_when_it_ends(place: Place) -> None:
    report = examples.wrong_tls_mode()
    screen = place.screen()
    screen.begin(report.target)
    assert place.stdout.text.startswith("test-connection mail.example.org:587  implicit TLS\n")
    assert "Resolve" not in place.stdout.text
    screen.stage(report.stages[2])
    assert "✓ Resolve     1 address: 203.0.113.25" in place.stdout.text


def test_what_was_told_while_it_ran_is_not_told_again(place: Place) -> None:
    play(place.screen(), examples.filtered_port())
    played = place.stdout.text
    place.be()
    place.screen().report(examples.filtered_port())
    assert place.stdout.text == played
    assert played.count("Resolve") == 1


def test_the_plain_screen_needs_no_library() -> None:
    code = (
        "import sys\n"
        "from nexomailer_cli.cli.output import Output\n"
        "from nexomailer_cli.cli.screen import screen_for\n"
        "from tests.cli.screen_examples import filtered_port as make\n"
        "screen = screen_for(Output(), stdout=sys.stdout, stderr=sys.stderr)\n"
        "screen.report(make())\n"
        "heavy = ('rich', 'asyncio', 'ssl', 'json', 'threading', 'tomllib')\n"
        "print([each for each in heavy if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.splitlines()[-1] == b"[]"


@pytest.mark.parametrize("make", [*examples.FIVE, examples.interrupted])
def test_quiet_says_in_one_line_what_is_wrong(place: Place, make: Any) -> None:
    report = make()
    play(place.screen(Output(quiet=True)), report)
    words = " ".join(place.stdout.text.split())
    if report.exit_code:
        assert words.endswith(f"exit {report.exit_code}")
        assert words.startswith(("✗ ", "? "))
    else:
        assert words == ""


def test_quiet_names_every_target_that_is_not_well(place: Place) -> None:
    finding = examples.found("dns.null_mx", "dns", "No mail here", "", "", 68)
    several = msgspec.structs.replace(examples.several(), findings=(finding,))
    place.screen(Output(quiet=True), several=True).examinations(several)
    starts = [line[:20] for line in place.stdout.text.splitlines() if line[0] != " "]
    assert starts == ["✗ No mail here (dns.", "✗ mx.example.org:25:", "✗ mail.example.org:5"]


def test_verbose_appends_the_conversation_to_stderr(place: Place) -> None:
    play(place.screen(Output(verbose=True)), examples.interrupted())
    assert place.stderr.text.splitlines() == [
        "conversation with mail.example.org:587",
        "    12.3 ms  C: EHLO a.test",
        "  1234.5 ms ~S: 250 [b]hi[/b]\\x1b[2J",
    ]


def test_verbose_does_not_hide_what_went_well(place: Place) -> None:
    place.be(is_terminal=True)
    place.screen(Output(verbose=True)).report(examples.app_password())
    assert "EHLO (TLS)  + AUTH PLAIN" in place.stdout.text
    assert "stages fine" not in place.stdout.text


def test_further_findings_are_told_below_the_first(place: Place) -> None:
    first = examples.wrong_name()
    second = examples.found("cert.expired", "certificate", "It has expired", "", "Renew it")
    earlier = examples.found("ehlo.x", "ehlo", "EHLO is odd", "", "Ask", 69)
    report = msgspec.structs.replace(first, findings=(second, *first.findings, earlier))
    place.screen().report(report)
    text = place.stdout.text
    assert text.index("EHLO IS ODD") < text.index("✗ It has expired. Renew it")


def test_a_failure_without_a_finding_is_not_called_a_success(place: Place) -> None:
    place.screen().report(msgspec.structs.replace(examples.wrong_name(), findings=()))
    assert "COULD NOT BE TESTED TO THE END" in place.stdout.text
    assert "READY" not in place.stdout.text


def test_several_targets_are_shown_at_the_end_only(place: Place) -> None:
    several = examples.several()
    screen = place.screen(several=True)
    for each in several.examinations:
        screen.begin(each.target)
        screen.stage(each.stages[2])
    assert place.stdout.text == ""
    screen.examinations(several)
    assert place.stdout.text.splitlines()[0].split() == ["Server", "Port", "TLS", "Time", "Verdict"]


def test_no_target_at_all_leaves_what_was_found(place: Place) -> None:
    finding = examples.found("dns.null_mx", "dns", "No mail here", "m", "f", 68)
    several = Examinations(verdict="fail", exit_code=68, findings=(finding,), examinations=())
    place.screen(several=True).examinations(several)
    assert place.stdout.text.startswith("NO MAIL HERE\nWhy     m\nFix     f\n")


def test_the_live_list_fills_in_on_stderr_and_is_taken_away(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen_live, "PATIENCE", 0.0)
    place.be(is_terminal=True)
    report = examples.wrong_name()
    screen = place.screen()
    place.stderr.expected = "Greeting"
    screen.begin(report.target)
    for stage in report.stages[:4]:
        screen.stage(stage)
    assert place.stderr.has_shown.wait(10)
    assert place.stdout.text == ""
    screen.close()
    assert "203.0.113.25" in place.stderr.text
    assert place.stderr.text.count("\x1b[?25l") == place.stderr.text.count("\x1b[?25h") == 1
    screen.report(report)
    assert "THE CERTIFICATE IS FOR ANOTHER NAME" in place.stdout.text


def test_a_short_examination_draws_no_list(place: Place) -> None:
    place.be(is_terminal=True)
    play(place.screen(), examples.wrong_name())
    assert place.stderr.text == ""


def test_a_terminal_shows_several_targets_as_a_table(place: Place) -> None:
    place.be(is_terminal=True)
    screen = place.screen(several=True)
    for each in examples.several().examinations:
        screen.begin(each.target)
    screen.examinations(examples.several())
    assert "1 of 3 ready to send · exit 69" in place.stdout.text
    assert place.stderr.text == ""


def test_the_list_names_the_stage_that_runs() -> None:
    running = RunningList(Page())
    report = examples.wrong_tls_mode()
    running.begin(report.target)
    assert "Resolve" in running.lines()[-1]
    running.add(report.stages[2])
    assert "Connect" in running.lines()[-1]
    running.add(report.stages[3])
    assert "TLS" in running.lines()[-1]
    running.work_on("banner")
    assert "Greeting" in running.lines()[-1]
    running.add(report.stages[4])
    assert "Cross-check" in running.lines()[-1]
    running.add(report.stages[5])
    assert "Cross-check" in running.lines()[-1]
    assert len(running.lines()) == 7


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty
    import termios

    monkeypatch.delenv("COLUMNS", raising=False)
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 66))
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal, os.fdopen(ours, "rb"):
        assert page_of(terminal, color=True, verbose=False).width == 66


def test_a_reader_who_has_gone_is_no_error() -> None:
    code = (
        "import sys, os\n"
        "from nexomailer_cli.cli.output import Output\n"
        "from nexomailer_cli.cli.screen import screen_for\n"
        "from tests.cli.screen_examples import several\n"
        "screen = screen_for(Output(), stdout=sys.stdout, stderr=sys.stderr, several=True)\n"
        "sys.stdin.readline()\n"
        "screen.examinations(several())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout and process.stdin and process.stderr
        process.stdout.close()
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
