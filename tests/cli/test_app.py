"""The command line itself: commands, global options, and what an error becomes."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path

import pytest

from nexomailer_cli import __version__
from nexomailer_cli.cli import request
from nexomailer_cli.cli import run as room
from nexomailer_cli.cli.app import COMMANDS
from tests.cli.conftest import Post
from tests.support.beside import peer
from tests.support.providers import configure, provider
from tests.support.run import CLOSED, run, run_process
from tests.support.script import GOODBYE, greeting, transaction

DRY = ("--dry-run", "--from", "a@a.test", "--to", "b@b.test", "--text", "x")
LETTER = ("--to", "b@b.test", "--text", "x")


@pytest.mark.parametrize("arguments", [("--version",), ("-q", "--version")])
def test_the_version_is_a_result(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = run_process(*arguments, cwd=tmp_path)
    assert result.stdout.decode() == f"nexomailer {__version__}\n"
    assert (result.exit_status, result.stderr) == (0, "")


def test_help_names_every_command(tmp_path: Path) -> None:
    result = run("--help", cwd=tmp_path)
    assert result.exit_status == 0
    shown = [line.split()[0] for line in result.stdout.decode().splitlines() if line.strip()]
    assert [command for command in COMMANDS if command not in shown] == []


def test_no_command_at_all_is_a_request_for_help(tmp_path: Path) -> None:
    result = run(cwd=tmp_path)
    assert result.exit_status == 2
    assert "Usage: nexomailer" in result.stdout.decode() + result.stderr


@pytest.mark.parametrize("arguments", [("nonsense",), ("send", "--nonsense"), ("send", "--to")])
def test_what_makes_no_sense_is_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, cwd=tmp_path)
    assert (result.exit_status, result.stdout) == (2, b"")
    assert "Error: " in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--config", "{}", "-v", "send", *LETTER),
        ("send", "--config", "{}", "-v", *LETTER),
        ("--config", "no.toml", "-v", "send", "--config", "{}", *LETTER),
    ],
)
def test_global_options_stand_before_the_command_or_after_it(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with peer([*greeting(), *transaction(), *GOODBYE]) as server:
        path = str(configure(elsewhere, provider("main", server)))
        result = run(*(each.replace("{}", path) for each in arguments), cwd=tmp_path)
    assert result.exit_status == 0
    assert "C: MAIL FROM:<aenne@a.test>" in result.stderr
    assert result.stderr.endswith("accepted by main, queued as 4F2A\n")


@pytest.mark.parametrize("arguments", [("-q", "send", *DRY), ("send", *DRY, "--quiet")])
def test_quiet_leaves_only_errors(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, cwd=tmp_path)
    assert (result.exit_status, result.stderr) == (0, "")


def test_quiet_errors_are_told_with_their_cure(tmp_path: Path) -> None:
    result = run("send", "-q", "--from", "a@a.test", "--dry-run", "--text", "x", cwd=tmp_path)
    assert result.exit_status == 2
    assert result.stderr == ("error: there is no recipient\nName one with --to, --cc or --bcc.\n")


def broken(*_: object) -> None:
    raise RuntimeError("something\x1b[31m unforeseen")


def test_a_bug_is_named_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "draft_of", broken)
    result = run("send", *DRY, cwd=tmp_path)
    assert (result.exit_status, result.stdout) == (70, b"")
    assert result.stderr.startswith("error: RuntimeError: something\\x1b[31m unforeseen\n")
    assert "bug in nexomailer" in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback_of_a_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "draft_of", broken)
    with pytest.raises(RuntimeError, match="unforeseen"):
        run("send", *DRY, "--debug", cwd=tmp_path)


def test_an_error_of_the_system_is_a_bug_unless_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EPERM, "not permitted")

    monkeypatch.setattr(request, "draft_of", fails)
    assert run("send", *DRY, cwd=tmp_path).exit_status == 70


def test_an_interrupt_has_its_own_status_wherever_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "_dispatch", interrupted)
    assert run("send", cwd=tmp_path).exit_status == 130


def test_in_process_the_version_is_a_result(tmp_path: Path) -> None:
    assert run("-q", "--version", cwd=tmp_path).stdout.startswith(b"nexomailer ")


def test_a_mail_that_was_sent_is_said_so_when_its_report_is_lost(tmp_path: Path) -> None:
    with (
        peer([*greeting(), *transaction(), *GOODBYE]) as server,
        Path(os.devnull).open() as unwritable,
    ):
        configure(tmp_path, provider("main", server))
        result = run_process("send", *LETTER, "--json", stdout=unwritable, cwd=tmp_path)
    assert (result.exit_status, len(server.contents)) == (73, 1)
    assert result.stderr == (
        "error: cannot write to standard output: Bad file descriptor; the mail itself: accepted\n"
    )


def test_too_few_descriptors_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python opens a file for every module that it loads."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(room, "_dispatch", refused)
    result = run("--help")
    assert result.exit_status == 66
    assert "ulimit -n" in result.stderr


FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")


@needs_full
@pytest.mark.parametrize(
    "arguments", [("send", *DRY), ("send", *DRY, "--json"), ("send", "--help"), ("-q", "--version")]
)
def test_a_full_disk_under_the_results_is_an_error(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    with FULL.open("wb") as full:
        result = run_process(*arguments, stdout=full, cwd=tmp_path)
    assert result.exit_status == 73
    assert result.stderr == "error: cannot write to standard output: No space left on device\n"


@needs_full
@pytest.mark.parametrize("arguments", [("send", *DRY), ("send", "--help")])
def test_in_process_a_full_disk_is_an_error(
    arguments: tuple[str, ...],
) -> None:
    with FULL.open("w") as full, contextlib.redirect_stdout(full):
        status = room.run(arguments)
    assert status == 73


@needs_full
def test_in_process_a_lost_report_says_what_became_of_the_mail(post: Post) -> None:
    before = len(post.sandbox.captured)
    with FULL.open("w") as full:
        result = run(
            *("send", "--json", "--from", "a@a.test", *LETTER),
            env=post.env,
            cwd=post.folder,
            stdout=full,
        )
    assert result.exit_status == 73
    assert result.stderr.endswith("; the mail itself: accepted\n")
    assert len(post.sandbox.captured) == before + 1


@needs_full
def test_a_full_disk_under_the_notes_keeps_no_result_back(tmp_path: Path) -> None:
    with FULL.open("wb") as full:
        result = run_process("send", *DRY, stderr=full, cwd=tmp_path)
    assert result.exit_status == 0
    assert result.stdout.startswith(b"Date: ")


def shell(command: str, folder: Path) -> tuple[int, str]:
    """Run the command through a shell, which can close what is inherited."""
    import subprocess

    from tests.support.run import environment

    line = f"{sys.executable} -m nexomailer_cli {command}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        capture_output=True,
        text=True,
        env=environment(None, folder),
        cwd=folder,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stderr


SHELL_DRY = "send --dry-run --from a@a.test --to b@b.test"


def test_a_closed_standard_output_is_an_error(tmp_path: Path) -> None:
    told = shell(f"{SHELL_DRY} --text x >&-", tmp_path)
    assert told == (73, "error: cannot write to standard output: it is closed\n")


def test_a_closed_standard_error_changes_nothing(tmp_path: Path) -> None:
    assert shell(f"{SHELL_DRY} --text x 2>&-", tmp_path) == (0, "")
    assert shell(f"{SHELL_DRY} --to nobody --text x 2>&-", tmp_path) == (2, "")


def test_a_closed_standard_input_is_no_body(tmp_path: Path) -> None:
    status, told = shell(f"{SHELL_DRY} <&-", tmp_path)
    assert (status, told.splitlines()[0]) == (2, "error: there is no body")


def test_a_reader_who_has_had_enough_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "long").write_text("a line\n" * 200_000)
    status, told = shell(f"{SHELL_DRY} -q --text @long | head -c1", tmp_path)
    assert (status, told) == (0, "")


def test_a_listener_who_has_had_enough_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = run_process("send", *DRY, stderr=writer, cwd=tmp_path)
    os.close(writer)
    assert result.exit_status == 0


def test_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    result = run_process("send", *DRY, "--subject", b"caf\xe9", cwd=tmp_path)
    assert result.exit_status == 65
    assert "caf\\udce9" in result.stderr
    result = run_process("send", *DRY, "--cc", b"\xe9@a.test", cwd=tmp_path)
    assert result.exit_status == 2


def test_a_terminal_that_knows_only_ascii_is_told_everything(tmp_path: Path) -> None:
    env = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    result = run_process("send", *DRY, "--dsn", "größer", env=env, cwd=tmp_path)
    assert result.exit_status == 2
    assert result.stderr.isascii()
    assert "gr\\xf6\\xdfer" in result.stderr


def test_in_process_a_closed_input_is_noticed(tmp_path: Path) -> None:
    result = run("send", *DRY[:-2], "--text", "-", stdin=CLOSED, cwd=tmp_path)
    assert (result.exit_status, result.stdout) == (66, b"")
