"""A long run, whose messages a second process makes: whatever becomes of that one."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexomailer_cli.cli.bulk_course import ROWS_FOR_TWO
from tests.cli.test_bulk_providers import people
from tests.support.beside import beside
from tests.support.moody import OK, Moody, moody
from tests.support.providers import configure, provider
from tests.support.run import ended, run, run_process, running

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")

ROWS = ROWS_FOR_TWO + 500
HALF = ROWS // 2
SECONDS = 20.0  # for a process to end on a busy machine
LETTER = ("--from", "a@a.test", "--subject", "Hi {{ name }}", "--text", "Dear {{ name }}!\n")
WHOLE = ("bulk", "people.csv", *LETTER, "--yes", "--connections", "10")
ALL_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


class Stage:
    """A server that does something once, in the middle of a run, to the second process."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.deed: Callable[[int], None] = lambda _pid: None
        self.seen: list[int] = []

    def mood(self, taken: int) -> str:
        if taken >= HALF and not self.seen and self.process is not None:
            self.seen = children(self.process.pid)
            for pid in self.seen:
                self.deed(pid)
        return OK


def children(parent: int) -> list[int]:
    """Return the processes that are `parent`'s and live."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            letter, of = stated(file)
            if int(of) == parent and letter != "Z":
                found.append(int(file.parent.name))
    return found


def stated(file: Path) -> tuple[str, str]:
    """Return what a process does, a letter of the system's, and whose child it is."""
    letter, parent, *_ = file.read_text().rpartition(")")[2].split()
    return letter, parent


def state(pid: int) -> str:
    """Return the letter that the system has for what a process does, `Z` if there is none."""
    with contextlib.suppress(OSError):
        return stated(Path(f"/proc/{pid}/stat"))[0]
    return "Z"


def lives(pid: int) -> bool:
    return state(pid) != "Z"


def assert_ends(pid: int) -> None:
    """Wait until a process has ended that is no child of ours."""
    with contextlib.suppress(ProcessLookupError):
        end = os.pidfd_open(pid)
        assert select.select([end], [], [], SECONDS)[0]
        os.close(end)


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def server(stage: Stage, tmp_path: Path) -> Iterator[Moody]:
    people(tmp_path, ROWS)
    with beside(moody(stage.mood)) as served:
        configure(tmp_path, provider("main", served.port))
        yield served


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def leave(pid: int) -> None:
    """Do nothing to it."""


@pytest.mark.skipif(ALL_CORES < 2, reason="there is one processor")
@pytest.mark.parametrize("deed", [leave, stop, kill])
def test_everybody_gets_their_message_once(
    deed: Callable[[int], None], stage: Stage, server: Moody, tmp_path: Path
) -> None:
    stage.deed = deed
    with running(*WHOLE, cwd=tmp_path) as process:
        stage.process = process
        result = ended(process)
    assert result.exit_status == 0, result.stderr
    assert len(stage.seen) == 1
    assert not lives(stage.seen[0])
    assert set(server.accepted.values()) == {1}
    assert len(server.accepted) == ROWS
    for number in range(ROWS):
        content = server.contents[f"r{number}@b.test"]
        assert f"\r\nSubject: Hi N{number}\r\n".encode() in content
        assert content.endswith(b"\r\n\r\nDear N%d!\r\n.\r\n" % number)
    ids = re.findall(rb"\r\nMessage-ID: (<.*>)\r\n", b"".join(server.contents.values()))
    assert len(set(ids)) == ROWS


@pytest.mark.skipif(ALL_CORES < 2, reason="there is one processor")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_it_does_not_outlive_the_run(
    number: signal.Signals, stage: Stage, server: Moody, tmp_path: Path
) -> None:
    stage.deed = lambda _pid: process.send_signal(number)
    with running(*WHOLE, cwd=tmp_path) as process:
        stage.process = process
        result = ended(process)
    assert result.exit_status == (-number if number == signal.SIGKILL else 130)
    assert_ends(*stage.seen)
    assert set(server.accepted.values()) == {1}
    again = run_process(*WHOLE, "--resend-unknown", cwd=tmp_path)
    assert again.exit_status == 0
    assert len(server.accepted) == ROWS


@pytest.mark.skipif(ALL_CORES < 2, reason="there is one processor")
@pytest.mark.skipif(os.getsid(1) == os.getsid(0), reason="nothing is orphaned in this container")
def test_one_that_stands_still_does_not_outlive_the_run_either(
    stage: Stage, server: Moody, tmp_path: Path
) -> None:
    def stop_then_kill(pid: int) -> None:
        stop(pid)
        while lives(pid) and state(pid) != "T":
            os.sched_yield()
        process.kill()

    stage.deed = stop_then_kill
    with running(*WHOLE, cwd=tmp_path) as process:
        stage.process = process
        ended(process)
    assert_ends(*stage.seen)


def test_a_short_run_has_no_second_process(
    stage: Stage, server: Moody, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexomailer_cli.bulk.worker.start_worker", pytest.fail)
    assert run(*WHOLE, "--limit", "10", cwd=tmp_path).exit_status == 0
    assert server.accepted.total() == 10


def test_a_run_with_files_has_no_second_process(
    stage: Stage, server: Moody, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexomailer_cli.bulk.worker.start_worker", pytest.fail)
    monkeypatch.setattr("nexomailer_cli.cli.bulk_course.ROWS_FOR_TWO", 5)
    (tmp_path / "a.txt").write_text("attached")
    result = run(*WHOLE, "--attach", "a.txt", "--limit", "10", cwd=tmp_path)
    assert result.exit_status == 0, result.stderr
    assert server.accepted.total() == 10
