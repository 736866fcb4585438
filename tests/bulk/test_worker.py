"""The first process's end: it gives work away, and never waits for anything."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexomailer_cli.bulk import worker as worker_module
from nexomailer_cli.bulk.composer import Made, Order, framed
from nexomailer_cli.bulk.worker import MAX_ORDER, MAX_OWED, PROGRAM, Worker, start_worker
from tests.bulk.test_composer import order, setup

WAITED = 20.0  # seconds, for a process to start or to end on a busy machine


class Pair:
    """A worker, and what only a test looks at."""

    def __init__(self) -> None:
        self.channel, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen([sys.executable, *PROGRAM], stdin=theirs.fileno())
        self.worker = Worker(self.process, self.channel, framed(setup()))

    def made(self) -> list[Made]:
        """Wait until something has come in, and collect it."""
        select.select([self.channel], [], [], WAITED)
        return list(self.worker.collect())

    def begin(self) -> None:
        """Wait until it may be asked."""
        assert not self.worker.may_be_asked
        assert self.made() == []
        assert self.worker.may_be_asked
        assert not self.worker.is_owing


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.worker.close()
    assert pair.process.returncode is not None


def numbers(made: list[Made]) -> list[int]:
    return [each.number for each in made if each.mail is not None]


def large(number: int, octets: int = MAX_ORDER - 1024) -> Order:
    return order(number, unused="x" * octets)


def test_it_makes_what_it_is_asked_for(pair: Pair) -> None:
    pair.begin()
    pair.worker.ask([order(1), order(2)])
    assert pair.worker.is_owing
    found: list[Made] = []
    while pair.worker.is_owing:
        found += pair.made()
    assert numbers(found) == [1, 2]


def test_it_is_asked_for_so_much_and_no_more(pair: Pair) -> None:
    pair.begin()
    os.kill(pair.process.pid, signal.SIGSTOP)
    for number in range(MAX_OWED):
        assert pair.worker.may_be_asked
        pair.worker.ask([order(number)])
    assert not pair.worker.may_be_asked


def test_one_that_stands_still_is_not_waited_for(pair: Pair) -> None:
    """Not even with more to say than a socket holds; it gets all of it once it goes on."""
    pair.begin()
    os.kill(pair.process.pid, signal.SIGSTOP)
    pair.worker.ask([large(1)])
    pair.worker.ask([large(2)])
    assert list(pair.worker.collect()) == []
    os.kill(pair.process.pid, signal.SIGCONT)
    found: list[Made] = []
    while pair.worker.is_owing:
        found += pair.worker.collect()
    assert numbers(found) == [1, 2]


def test_one_that_was_killed_owes_nothing_and_is_not_asked(pair: Pair) -> None:
    pair.begin()
    os.kill(pair.process.pid, signal.SIGSTOP)
    pair.worker.ask([order(1)])
    pair.process.kill()
    pair.process.wait(WAITED)
    assert list(pair.worker.collect()) == []
    assert not pair.worker.is_owing
    assert not pair.worker.may_be_asked


def test_what_is_sent_to_one_that_was_killed_is_no_error(pair: Pair) -> None:
    pair.begin()
    pair.process.kill()
    pair.process.wait(WAITED)
    pair.worker.ask([order(1)])
    assert not pair.worker.is_owing
    assert list(pair.worker.collect()) == []


def test_where_rows_are_large_it_is_asked_for_nothing_any_more(pair: Pair) -> None:
    pair.begin()
    pair.worker.ask([large(1, MAX_ORDER)])
    assert not pair.worker.is_owing
    assert not pair.worker.may_be_asked
    assert pair.process.wait(WAITED) == 0


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", [2**64, "\ud800", nested(5000)], ids=["number", "text", "list"])
def test_what_cannot_be_put_into_words_is_not_asked_for(pair: Pair, value: Any) -> None:
    pair.begin()
    pair.worker.ask([order(1, n=value)])
    assert not pair.worker.is_owing


def test_it_ends_when_there_is_nobody_to_ask(pair: Pair) -> None:
    pair.begin()
    pair.channel.close()
    assert pair.process.wait(WAITED) == 0


def test_a_signal_from_the_keyboard_is_not_for_it() -> None:
    worker = start_worker(setup())
    assert worker is not None
    try:
        assert os.getpgid(worker.pid) == worker.pid != os.getpgid(0)
    finally:
        worker.close()


def test_modules_of_the_folder_it_is_run_in_are_not_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nexomailer_cli", "msgspec", "socket"):
        (tmp_path / f"{name}.py").write_text("open('was-here', 'w')")
    monkeypatch.chdir(tmp_path)
    pair = Pair()
    pair.begin()
    pair.worker.close()
    assert not (tmp_path / "was-here").exists()


@pytest.mark.parametrize("switch", ["-I", "-E", "-s"])
def test_it_is_kept_from_whatever_the_first_one_is_kept_from(switch: str) -> None:
    """Not only from the modules of a folder: `-E`, for one, is about PYTHONPATH."""
    flags = "[int(getattr(sys.flags, each)) for each in worker._SWITCHES]"
    second = f"import sys; from nexomailer_cli.bulk import worker; print({flags})"
    first = (
        "import subprocess, sys; from nexomailer_cli.bulk import worker; "
        f"print({flags}, flush=True); "
        f"subprocess.run([sys.executable, *worker._switches(), '-c', {second!r}], check=True)"
    )
    done = subprocess.run([sys.executable, switch, "-c", first], capture_output=True, check=True)
    ours, its = done.stdout.splitlines()
    assert ours == its != b"[0, 0, 0]"


def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_cores", lambda: 1)


def no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")


def missing_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")


def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)


def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def socketpair() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket, "socketpair", socketpair)


@pytest.mark.parametrize("reason", [one_core, no_program, missing_program, frozen, no_sockets])
def test_where_it_cannot_be_started_there_is_none(
    reason: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason(monkeypatch)
    assert start_worker(setup()) is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="not to be chosen here")
def test_a_processor_that_is_not_ours_does_not_count() -> None:
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(ours)})
    try:
        assert start_worker(setup()) is None
    finally:
        os.sched_setaffinity(0, ours)
