"""Ctrl-C: what is known of the mail is told, and nothing else.

Each test waits for a line of the transcript, so it presses the key at an exact point.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexomailer_cli.cli import signals, sources
from nexomailer_cli.cli.output import Output
from tests.support.beside import peer
from tests.support.providers import configure, provider
from tests.support.run import Result, ended, run, running, wait_for
from tests.support.script import (
    GOODBYE,
    Content,
    Expect,
    Hang,
    Reply,
    Script,
    greeting,
    transaction,
)

BODY = ("--to", "b@b.test", "--text", "x")
ENVELOPE: Script = (
    *(Expect("MAIL"), Reply("250 ok"), Expect("RCPT"), Reply("250 ok")),
    *(Expect("DATA"), Reply("354 go on"), Content()),
)


def interrupted(
    folder: Path, script: Script, *options: str, at: str, by: signal.Signals = signal.SIGINT
) -> Result:
    """Press Ctrl-C, or send another signal, when the command has said `at`."""
    with peer(script) as server:
        configure(folder, provider("main", server))
        with running("send", *BODY, "-v", *options, cwd=folder) as process:
            wait_for(process, at)
            process.send_signal(by)
            return ended(process)


def test_a_job_that_is_cancelled_reports_like_one_that_is_interrupted(tmp_path: Path) -> None:
    script = (*greeting(), *ENVELOPE, Hang())
    report = interrupted(tmp_path, script, "--json", at="C: .", by=signal.SIGTERM).json
    assert (report["exit_code"], report["status"]) == (130, "unknown")


def test_before_the_content_the_mail_was_not_sent(tmp_path: Path) -> None:
    script = (*greeting(), Expect("MAIL"), Hang())
    result = interrupted(tmp_path, script, at="C: MAIL")
    assert (result.exit_status, result.stdout) == (130, b"")
    assert result.stderr == "error: interrupted: the mail was not sent\n"


def test_before_the_greeting_the_mail_was_not_sent(tmp_path: Path) -> None:
    result = interrupted(tmp_path, (Reply("220 hi"), Hang()), "--json", at="C: EHLO")
    report = result.json
    assert (report["exit_code"], report["status"]) == (130, "failed")
    assert [each["verdict"] for each in report["recipients"]] == ["deferred"]
    assert report["provider"] is None


def test_after_the_content_the_mail_may_be_delivered(tmp_path: Path) -> None:
    result = interrupted(tmp_path, (*greeting(), *ENVELOPE, Hang()), at="C: .")
    assert (result.exit_status, result.stdout) == (130, b"")
    assert result.stderr.startswith("error: interrupted after the content had gone out")
    assert result.stderr.splitlines()[1:] == ["b@b.test: unknown"]


def test_after_the_content_json_says_unknown(tmp_path: Path) -> None:
    report = interrupted(tmp_path, (*greeting(), *ENVELOPE, Hang()), "--json", at="C: .").json
    assert (report["exit_code"], report["status"]) == (130, "unknown")
    assert [each["verdict"] for each in report["recipients"]] == ["unknown"]


def test_an_accepted_mail_is_accepted_whoever_interrupts_the_goodbye(tmp_path: Path) -> None:
    script = (*greeting(), *transaction(), Expect("QUIT"), Hang())
    report = interrupted(tmp_path, script, "--json", at="C: QUIT").json
    assert (report["exit_code"], report["status"]) == (0, "accepted")


def test_while_others_wait_for_another_try_who_was_served_is_told(tmp_path: Path) -> None:
    script = (*greeting(), *transaction(rcpt=("250 ok", "450 4.2.0 greylisted")), *GOODBYE)
    options = ("--to", "c@c.test", "--retry-for", "1h", "--json")
    report = interrupted(tmp_path, script, *options, at="trying again in 3").json
    assert (report["exit_code"], report["status"]) == (130, "partial")
    assert [each["verdict"] for each in report["recipients"]] == ["accepted", "deferred"]


@contextlib.contextmanager
def terminal() -> Iterator[int]:
    master, slave = pty.openpty()
    try:
        yield slave
    finally:
        os.close(master)
        os.close(slave)


def test_while_a_text_is_typed_nothing_has_happened(tmp_path: Path) -> None:
    arguments = ("send", "--dry-run", "--from", "a@a.test", "--to", "b@b.test", "--text", "-")
    with terminal() as tty, running(*arguments, "--json", cwd=tmp_path, stdin=tty) as process:
        assert wait_for(process, "Ctrl-D") == "--text: type the text; end with Ctrl-D.\n"
        process.send_signal(signal.SIGINT)
        result = ended(process)
    assert result.json["error"]["id"] == "interrupted"
    assert (result.exit_status, result.stderr) == (130, "")


# The rest is in this process: the key is pressed while a line is being told.


def press_at(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Press Ctrl-C as soon as the transcript or a note has `words`."""
    say = Output._say

    def pressed(self: Output, text: str) -> None:
        say(self, text)
        if words in text:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Output, "_say", pressed)


@pytest.mark.parametrize(
    ("words", "status", "verdict"),
    [("C: MAIL", "failed", "deferred"), ("C: .", "unknown", "unknown")],
)
def test_the_point_of_no_return_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, status: str, verdict: str
) -> None:
    press_at(monkeypatch, words)
    with peer((*greeting(), *ENVELOPE[: 0 if status == "failed" else None], Hang())) as server:
        configure(tmp_path, provider("main", server))
        result = run("send", "-v", "--json", *BODY, cwd=tmp_path)
    assert (result.json["exit_code"], result.json["status"]) == (130, status)
    assert result.json["recipients"][0]["verdict"] == verdict
    assert "error: interrupted" in result.stderr


def test_what_was_accepted_stays_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    press_at(monkeypatch, "C: QUIT")
    with peer((*greeting(), *transaction(), Expect("QUIT"), Hang())) as server:
        configure(tmp_path, provider("main", server))
        result = run("send", "-v", *BODY, cwd=tmp_path)
    assert result.exit_status == 0
    assert result.stderr.endswith("accepted by main, queued as 4F2A\n")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_while_composing_there_is_little_to_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sources, "read_file", lambda _: signal.raise_signal(signal.SIGINT))
    result = run("send", "--dry-run", *BODY, "--text", "@file", *options, cwd=tmp_path)
    assert (result.exit_status, result.stderr) == (130, "")
    assert result.json["error"]["id"] == "interrupted" if options else result.stdout == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_waiting_for_another_run_whose_turn_it_is_ends_with_the_first_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    is_over: list[bool] = []

    def lock(*_: object) -> None:
        signal.raise_signal(number)
        is_over.append(True)  # the system goes on waiting, unless an exception ends it

    monkeypatch.setattr("fcntl.flock", lock)
    configure(tmp_path, provider("main", 1), failover={"strategy": "round-robin"})
    result = run("send", "--json", *BODY, cwd=tmp_path)
    assert (result.json["exit_code"], result.json["error"]["id"]) == (130, "interrupted")
    assert not is_over


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_question_ends_with_the_first_signal(number: signal.Signals) -> None:
    async def asking() -> None:
        with signals.interruptible():
            signal.raise_signal(number)

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(asking())
    assert signal.getsignal(number) is before


def test_a_signal_that_nohup_switched_off_stays_off() -> None:
    before = {number: signal.getsignal(number) for number in signals.ENDING}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        signals.heed()
        with signals.interruptible():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_password_command_ends_with_the_job(tmp_path: Path) -> None:
    secret = {"command": ["sleep", "20"]}
    configure(tmp_path, provider("main", 1, auth={"user": "u", "pass": secret}))
    with running("send", *BODY, "--json", cwd=tmp_path) as process:
        wait_until_child(process.pid)
        process.send_signal(signal.SIGTERM)
        report = ended(process).json
    assert (report["exit_code"], report["error"]["id"]) == (130, "interrupted")


def wait_until_child(pid: int) -> None:
    """Return when the process has started one of its own."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    deadline = time.monotonic() + 10
    while not children.read_text():
        assert time.monotonic() < deadline
