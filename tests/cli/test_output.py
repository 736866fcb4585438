"""The one door for words."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

import pytest

from nexomailer_cli.cli import output as door
from nexomailer_cli.cli.output import Output
from nexomailer_cli.errors import OutputError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal that can show colours."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_colour_marks_the_kind_and_never_carries_the_meaning(terminal: Terminal) -> None:
    with contextlib.redirect_stderr(terminal):
        Output().error("no [red]markup[/red]")
        Output().warn("w")
        Output(verbose=True).detail("d")
        Output().note("n")
    assert terminal.getvalue() == (
        "\x1b[31;1merror:\x1b[0m no [red]markup[/red]\n"
        "\x1b[33mwarning:\x1b[0m w\n\x1b[2md\x1b[0m\nn\n"
    )


@pytest.mark.parametrize("why", ["NO_COLOR", "TERM", "option", "pipe"])
def test_colour_is_left_out_on_demand(
    terminal: Terminal, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
    if why == "TERM":
        monkeypatch.setenv("TERM", "dumb")
    if why == "pipe":
        monkeypatch.setattr(terminal, "isatty", lambda: False)
    with contextlib.redirect_stderr(terminal):
        Output(color=why != "option").error("no")
    assert terminal.getvalue() == "error: no\n"


def test_an_empty_no_color_forbids_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert door.may_color(terminal)


def test_quiet_keeps_warnings_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = Output(quiet=True)
    quiet.note("note")
    quiet.detail("detail")
    quiet.warn("warn")
    quiet.error("error")
    assert capsys.readouterr().err == "warning: warn\nerror: error\n"


def test_details_are_for_those_who_ask(capsys: pytest.CaptureFixture[str]) -> None:
    Output().detail("detail")
    Output(verbose=True).detail("more")
    assert capsys.readouterr().err == "more\n"


def test_a_result_is_one_line_of_utf8(capfd: pytest.CaptureFixture[str]) -> None:
    Output().result("grüße\udcff")
    assert capfd.readouterr().out == "grüße\\udcff\n"


def test_bytes_are_left_as_they_are(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    Output().result_bytes(b"a\r\n\xff\0")
    assert capfdbinary.readouterr().out == b"a\r\n\xff\0"


def test_nobody_to_tell_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    Output(verbose=True).error("unheard")
    assert not door.may_color(sys.stderr)


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_reader_who_has_gone_is_no_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as gone:
        monkeypatch.setattr(sys, name, gone)
        Output().result("nobody")
        Output().note("nobody")


def test_results_that_cannot_be_written_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open() as unwritable:
        monkeypatch.setattr(sys, "stdout", unwritable)
        with pytest.raises(OutputError, match="standard output: "):
            Output().result("lost")
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputError, match="it is closed"):
        Output().result("lost")


def test_a_paragraph_on_a_terminal_is_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "Fix: " + "word " * 40
    assert Output().indented(words.strip()) == f"  {words.strip()}"
    monkeypatch.setattr("sys.stderr", TerminalStream())
    monkeypatch.setenv("COLUMNS", "60")
    lines = Output().indented(words).splitlines()
    assert len(lines) > 3
    assert all(len(line) <= 60 for line in lines)
    assert [line[:7] for line in lines[1:]] == ["       "] * (len(lines) - 1)


class TerminalStream(io.StringIO):
    def isatty(self) -> bool:
        return True
