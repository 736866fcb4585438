from __future__ import annotations

import json
import signal
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread, get_ident

import pytest

from nexomailer_cli.cli import sandbox as command
from nexomailer_cli.cli.exit_status import ExitStatus
from nexomailer_cli.cli.run import run
from nexomailer_cli.config.file import load_config
from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.sandbox.reception import Captured
from nexomailer_cli.sandbox.server import Sandbox
from nexomailer_cli.sandbox.tricks import TRICKS

Ready = dict[str, str | int]

MESSAGE = b"Subject: =?utf-8?q?caf=C3=A9=1B[2J?=\r\n\r\nHello\r\n"


def send(ready: Ready, *, recipients: tuple[str, ...] = ("b@example.org",)) -> None:
    with smtplib.SMTP(str(ready["host"]), int(ready["port"]), timeout=5) as client:
        client.starttls(context=ssl.create_default_context(cafile=str(ready["ca_file"])))
        client.login(str(ready["username"]), str(ready["password"]))
        client.sendmail("a@example.org", recipients, MESSAGE)


@contextmanager
def running(*options: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "nexomailer_cli", "sandbox", "--port=0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_quietly_and_nothing_is_left(end: signal.Signals) -> None:
    with running("--json", "--quiet") as process:
        ready = json.loads(next_line(process))
        send(ready)
        message = json.loads(next_line(process))
        assert Path(message["file"]).read_bytes() == MESSAGE
        process.send_signal(end)
        assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0
    assert not Path(ready["ca_file"]).parent.exists()


def test_it_ends_quietly_when_nobody_reads_on() -> None:
    with running("--json", "--quiet") as process:
        ready = json.loads(next_line(process))
        assert process.stdout
        process.stdout.close()
        send(ready)
        assert process.wait(timeout=10) == 0
        assert process.stderr
        assert process.stderr.read() == ""
    assert not Path(ready["ca_file"]).parent.exists()


def test_json_lines_tell_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_meantime(monkeypatch, send)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert run(["sandbox", "--port=0", "--json", f"--maildir={tmp_path}"]) == 0
    ready, message = map(json.loads, capsys.readouterr().out.splitlines())
    assert (ready["schema"], ready["event"]) == ("nexomailer.sandbox/1", "ready")
    assert (message["schema"], message["event"]) == ("nexomailer.sandbox/1", "message")
    assert message["sender"] == "a@example.org"
    assert message["recipients"] == ["b@example.org"]
    assert message["subject"] == "café\x1b[2J"
    assert (message["tls"], message["user"]) == (True, "sandbox")
    assert [Path(message["file"])] == list((tmp_path / "new").iterdir())
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def in_the_meantime(monkeypatch: pytest.MonkeyPatch, work: Callable[[Ready], None]) -> None:
    """Do some work as soon as the sandbox introduces itself, then press Ctrl-C."""
    main, introduction = get_ident(), command._introduction

    def introduced(server: Sandbox, *, kept: bool) -> str:
        Thread(target=then, args=(server,)).start()
        return introduction(server, kept=kept)

    def then(server: Sandbox) -> None:
        try:
            work(command._ready(server))
        finally:
            signal.pthread_kill(main, signal.SIGINT)

    monkeypatch.setattr(command, "_introduction", introduced)


def test_people_see_how_to_reach_it_and_a_line_per_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    many = tuple(f"{name}@example.org" for name in "bcdef")
    in_the_meantime(monkeypatch, lambda ready: send(ready, recipients=many))
    assert run(["sandbox", "--port=0"]) == 0
    shown = capsys.readouterr()
    recipients = "b@example.org, c@example.org, d@example.org and 2 more"
    assert f"  <a@example.org> -> {recipients}  “café\\x1b[2J”  47 bytes  /" in shown.out
    assert shown.out.count("\n") == 1
    assert "deleted at the end" in shown.err


def test_what_is_to_be_pasted_leads_to_the_sandbox(tmp_path: Path) -> None:
    with Sandbox() as server:
        (tmp_path / "nexomailer.toml").write_text(command._provider_block(server))
        pasted = load_config(str(tmp_path / "nexomailer.toml"), {})
        exported = load_config(None, {"NEXOMAILER_URL": command._url(server)})
        for config in (pasted.providers[0].config, exported.providers[0].config):
            assert (config.host, config.port) == (server.host, server.port)
            assert config.tls.ca_file == str(server.ca_file)
            assert config.tls_required
            assert config.auth
            assert config.auth.user == server.username
            assert config.auth.password == Secret("text", (server.password,))
    assert pasted.providers[0].name == "sandbox"


def test_a_maildir_of_one_s_own_is_not_called_temporary(tmp_path: Path) -> None:
    with Sandbox(maildir=tmp_path) as server:
        assert f"Messages: {tmp_path}\n" in command._introduction(server, kept=True)


def test_a_taken_port_is_an_error_with_advice(capsys: pytest.CaptureFixture[str]) -> None:
    with Sandbox() as server:
        assert run(["sandbox", f"--port={server.port}"]) == ExitStatus.USAGE
    shown = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{server.port}: Address already in use" in shown
    assert "--port" in shown


def test_a_line_is_harmless_and_of_bounded_length(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.write_bytes(b"Subject: " + b"x" * 500 + b"\r\n\r\n")
    captured = Captured(
        sender="a\x1b[31m@example.org\udcff",
        recipients=("\u202eb@example.org",),
        path=path,
        size=513,
        tls=False,
        user=None,
        id="1",
        received=datetime.now(UTC),
    )
    line = command._line(captured)
    assert line.isprintable()
    assert "a\\x1b[31m@example.org\\udcff" in line
    assert "“" + "x" * 79 + "…”" in line


def test_help_lists_every_trick(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sandbox", "--help"]) == 0
    text = capsys.readouterr().out
    lines = {line.split()[0]: line for line in text.splitlines() if "@sandbox.test" in line}
    assert list(lines) == [trick.address for trick in TRICKS]
    for trick in TRICKS:
        code, enhanced = (trick.reply or "no reply").split()[:2]
        assert lines[trick.address].endswith(f" {code} {enhanced}")


def test_a_second_interrupt_is_not_held_back() -> None:
    ends: list[str] = []
    with pytest.raises(KeyboardInterrupt), command._told_to_end(lambda: ends.append("end")):
        signal.raise_signal(signal.SIGINT)
        assert ends == ["end"]
        signal.raise_signal(signal.SIGINT)
    assert ends == ["end"]
