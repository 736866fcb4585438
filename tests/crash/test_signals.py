"""Told to stop, once or twice, wherever a conversation stands: the journal is right."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexomailer_cli.bulk.state import State
from tests.crash.conftest import IS_LONG
from tests.crash.scene import Ended, Scene
from tests.crash.witness import CONTENT, END, GREETING, Habits, Pause, opened, witnessing
from tests.support.beside import beside
from tests.support.run import wait_for

# Where the server stands still, and after how many messages: the first, or in the middle.
POINTS = [
    *((GREETING, 0), ("EHLO", 0), ("MAIL", 0), ("MAIL", 2), ("RCPT", 2), ("DATA", 2)),
    *((CONTENT, 0), (END, 0), (END, 2), ("RSET", 1)),
]
SOME = POINTS if IS_LONG else [("MAIL", 2), (CONTENT, 0), (END, 2)]
ROWS = 5
SECONDS = 20  # until a command must have ended that was told to

Held = Callable[[str, int], Scene]


class Stage:
    """A scene whose server stands still somewhere."""

    def __init__(self, scene: Scene, pause: Pause) -> None:
        self.scene = scene
        self.pause = pause

    def is_there(self) -> None:
        """Wait until the server stands still."""
        assert self.pause.is_reached.wait(SECONDS)


@pytest.fixture
def stage(tmp_path: Path, at: tuple[str, int]) -> Iterator[Stage]:
    log = tmp_path / "accepted.log"
    pause = Pause(*at)
    with beside(witnessing(Habits(opened(str(log)), pause=pause))) as port:
        scene = Scene(tmp_path, log, port)
        if at[0] == CONTENT:
            # More than the kernel keeps for a server that does not read.
            (tmp_path / "large.bin").write_bytes(bytes(6_000_000))
            scene.arguments = (*scene.arguments, "--attach", "large.bin")
        scene.begin(ROWS)
        yield Stage(scene, pause)


def ended(process: subprocess.Popen[bytes], told: str = "") -> Ended:
    stdout, stderr = process.communicate(timeout=SECONDS)
    return Ended(process.returncode, told + stderr.decode(), stdout.decode())


def completed(scene: Scene) -> list[str]:
    """Run the same command again, to the end; return what is not as promised."""
    before = scene.unknown()
    again = scene.run()
    assert again.status == (4 if before else 0), again.told
    return [*scene.after(again, before), *scene.faults(is_complete=True)]


def told_once(stage: Stage, number: signal.Signals) -> None:
    """See that a signal lets what is under way be finished."""
    scene = stage.scene
    with scene.started() as process:
        stage.is_there()
        process.send_signal(number)
        told = wait_for(process, "stopping: interrupted")
        stage.pause.go_on()
        result = ended(process, told)
    assert result.status == 130, result.told
    assert scene.after(result, frozenset()) == []
    assert not scene.unknown()
    assert scene.counts()[State.ACCEPTED] < ROWS
    assert completed(scene) == []


@pytest.mark.parametrize("at", POINTS, ids=str)
def test_once_what_is_under_way_is_finished(stage: Stage) -> None:
    told_once(stage, signal.SIGINT)


@pytest.mark.parametrize("at", SOME, ids=str)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_job_that_is_cancelled_and_a_terminal_that_is_gone_are_like_it(
    stage: Stage, number: signal.Signals
) -> None:
    told_once(stage, number)


@pytest.mark.parametrize("at", POINTS, ids=str)
def test_twice_it_ends_at_once(stage: Stage) -> None:
    scene = stage.scene
    with scene.started() as process:
        stage.is_there()
        process.send_signal(signal.SIGINT)
        told = wait_for(process, "stopping: interrupted")
        process.send_signal(signal.SIGINT)
        result = ended(process, told)
    assert result.status == 130, result.told
    stage.pause.go_on()
    assert scene.after(result, frozenset()) == []
    # Only what had its end out may be unknown.
    assert len(scene.unknown()) == (stage.pause.at == END)
    assert completed(scene) == []


@pytest.mark.parametrize("at", SOME, ids=str)
def test_who_reads_along_may_leave(stage: Stage) -> None:
    """`bulk --json | head -1`: the mail goes on, since it was asked for."""
    scene = stage.scene
    with scene.started("--json") as process:
        stage.is_there()
        assert process.stdout is not None
        process.stdout.close()
        stage.pause.go_on()
        assert process.wait(SECONDS) == 0
        assert process.stderr is not None
        result = Ended(0, process.stderr.read().decode())
    assert scene.after(result, frozenset()) == []
    assert list(scene.faults(is_complete=True)) == []


@pytest.mark.parametrize("at", [("MAIL", 2), (END, 2)], ids=str)
def test_so_may_who_is_told(stage: Stage) -> None:
    scene = stage.scene
    with scene.started("--verbose") as process:
        stage.is_there()
        assert process.stderr is not None
        process.stderr.close()
        stage.pause.go_on()
        assert process.wait(SECONDS) == 0
    assert list(scene.faults(is_complete=True)) == []
