"""Too few descriptors, too many runs, a server that stands still, a clock that jumps."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nexomailer_cli.bulk.state import State
from tests.crash.conftest import EITHER, IS_LONG
from tests.crash.scene import KILLED, Ended, Scene, witness_process
from tests.support.run import wait_for

FAKED = {
    # What jumps is the wall clock; the other one does not.
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    "DONT_FAKE_MONOTONIC": "1",
    "FAKETIME_NO_CACHE": "1",
}


def descriptors(number: int) -> list[str]:
    return ["sh", "-c", f'ulimit -n {number}; exec "$@"', "sh"]


def test_with_twenty_descriptors_there_are_fewer_connections(scene: Scene) -> None:
    scene.connections = 32
    scene.begin(300)
    ended = scene.run(under=descriptors(20))
    assert ended.status == 0, ended.told
    assert scene.after(ended, frozenset()) == []
    assert list(scene.faults(is_complete=True)) == []


@EITHER
def test_with_hardly_any_it_says_what_is_missing(scene: Scene) -> None:
    scene.connections = 4
    for number in range(3, 20, 1 if IS_LONG else 2):
        scene.begin(5)
        scene.domain = f"of{number}.test"
        scene.begin(5)
        ended = scene.run("--retry-for", "0", under=descriptors(number))
        # With three of them Python itself does not start.
        if scene.journal.exists() or "Traceback" not in ended.told:
            assert scene.after(ended, frozenset()) == [], number
        before = scene.unknown()
        again = scene.run()
        assert scene.after(again, before) == [], number
        assert list(scene.faults(is_complete=True)) == [], number


def test_of_many_runs_on_one_journal_one_sends(scene: Scene) -> None:
    scene.begin(200)
    scene.connections = 4
    processes = [
        subprocess.Popen(
            scene.command(),
            cwd=scene.folder,
            env=scene.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(6)
    ]
    results = [(each.communicate(timeout=60)[1].decode(), each.returncode) for each in processes]
    for told, status in results:
        assert status == 0 or (status == 73 and "another run is using" in told), told
    assert any(status == 0 for _, status in results)
    assert list(scene.faults(is_complete=True)) == []


@pytest.mark.parametrize("shape", [(), ("--chunking",)], ids=["DATA", "BDAT"])
def test_a_server_that_stands_still_for_a_while(tmp_path: Path, shape: tuple[str, ...]) -> None:
    log = tmp_path / "accepted.log"
    with witness_process(log, *shape, "--delay", "0.01") as (server, port):
        scene = Scene(
            tmp_path, log, port, connections=4, query="?socket_timeout=1s&connection_timeout=1s"
        )
        scene.begin(400)
        with scene.started() as process:
            while not log.stat().st_size:
                assert process.poll() is None
            server.send_signal(signal.SIGSTOP)
            told = wait_for(process, "warning: ")
            server.send_signal(signal.SIGCONT)
            _, rest = process.communicate(timeout=60)
        ended = Ended(process.returncode, told + rest.decode())
        assert ended.status in (0, 4), ended.told
        assert scene.after(ended, frozenset()) == []
        assert list(scene.faults(is_complete=True)) == []


@contextmanager
def at(hours: int, library: Path, clock: Path) -> Iterator[dict[str, str]]:
    """Return what lets a command live at another time, until `clock` says another one."""
    clock.write_text(f"{hours:+d}h\n")
    yield {**FAKED, "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock)}


@pytest.fixture
def library() -> Path:
    [found] = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    return found


@EITHER
@pytest.mark.parametrize("jump", [-240, 240])
def test_the_clock_may_jump_while_it_runs(
    scene: Scene, library: Path, tmp_path: Path, jump: int
) -> None:
    scene.connections = 4
    scene.begin(400)
    clock = tmp_path / "clock"
    with at(0, library, clock) as env:
        command = scene.command("--rate", "200/s", "--rate", "5000/m")
        with subprocess.Popen(
            command,
            cwd=scene.folder,
            env=scene.environment(env),
            stderr=subprocess.PIPE,
        ) as process:
            while not scene.log.stat().st_size:
                assert process.poll() is None
            fresh = tmp_path / "fresh"
            fresh.write_text(f"{jump:+d}h\n")
            fresh.replace(clock)
            _, told = process.communicate(timeout=30)
    ended = Ended(process.returncode, told.decode())
    assert ended.status == 0, ended.told
    assert scene.after(ended, frozenset()) == []
    assert list(scene.faults(is_complete=True)) == []


@pytest.mark.parametrize("jump", [-240, 240])
def test_and_between_two_runs(tmp_path: Path, library: Path, jump: int) -> None:
    """What a fast clock has recorded holds nothing up for days."""
    log = tmp_path / "accepted.log"
    with witness_process(log, "--grey", "2") as (_, port):
        scene = Scene(tmp_path, log, port, connections=2)
        scene.begin(20)
        rates = ("--rate", "30/m")
        with at(jump, library, tmp_path / "clock") as env:
            first = scene.run("--retry-for", "0", *rates, env=env)
        assert first.status == 3, first.told
        assert scene.counts()[State.DEFERRED] == 10
        ended = scene.run("--retry-for", "10m", *rates, timeout=60)
    assert ended.status == 0, ended.told
    assert scene.after(ended, frozenset()) == []
    assert list(scene.faults(is_complete=True)) == []


@EITHER
def test_whoever_is_killed_at_another_time_goes_on_at_this_one(
    scene: Scene, library: Path, tmp_path: Path
) -> None:
    scene.connections = 4
    scene.begin(300)
    with at(240, library, tmp_path / "clock") as env:
        with subprocess.Popen(
            scene.command(), cwd=scene.folder, env=scene.environment(env), stderr=subprocess.DEVNULL
        ) as process:
            while not scene.log.stat().st_size:
                assert process.poll() is None
            process.kill()
        assert scene.after(Ended(KILLED, ""), frozenset()) == []
    again = scene.run(timeout=30)
    assert again.status in (0, 4), again.told
    assert scene.after(again, frozenset()) == []
    assert list(scene.faults(is_complete=True)) == []
