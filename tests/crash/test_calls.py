"""A run of three rows, dead or failing at every system call: the same command makes it good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.crash.calls import CHANGES, WRITES, Call, calls_from, failing_at, killed_at, traced
from tests.crash.conftest import EITHER, IS_LONG
from tests.crash.scene import KILLED, Scene

ROWS = 3
# One writes while the other waits.
AT_ONCE = 3

Case = Callable[[str], Scene]


def calls_of_a_run(scene: Scene, names: tuple[str, ...] = ()) -> list[Call]:
    """Run once, undisturbed, and return its calls from the moment it knows of its journal."""
    scene.begin(ROWS)
    scene.run()  # so that no module has to be compiled
    scene.begin(ROWS)
    scene.domain = "undisturbed.test"
    scene.begin(ROWS)
    trace = scene.folder / "trace"
    ended = scene.run(under=traced(trace))
    assert ended.status == 0, ended.told
    return list(calls_from(trace, scene.journal.name, names))


def all_of(calls: list[Call], trial: Callable[[Call], Iterator[str]]) -> None:
    """Let each call be the one; tell all that went wrong."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda call: [f"{call}: {f}" for f in trial(call)], calls))
    assert not [fault for faults in found for fault in faults]


def recovered(scene: Scene) -> Iterator[str]:
    """Run the same command again, with nothing in its way."""
    before = scene.unknown()
    again = scene.run()
    if again.status not in (0, 4):
        yield f"the next run ended with {again.status}: {again.told}"
    yield from scene.after(again, before)
    yield from scene.faults(is_complete=True)


def test_it_may_be_killed_before_every_call(scene: Scene, case: Case) -> None:
    calls = calls_of_a_run(scene, () if IS_LONG else CHANGES)
    assert len(calls) > 50
    killed = []

    def trial(call: Call) -> Iterator[str]:
        run = case(f"{call.name}{call.number}".replace("_", "-"))
        run.begin(ROWS)
        ended = run.run(under=killed_at(call))
        killed.append(ended.status == KILLED)
        if ended.status not in (KILLED, 0):  # a turn more or less, and there is no such call
            yield f"it ended with {ended.status}: {ended.told}"
        yield from run.after(ended, frozenset())
        yield from recovered(run)

    all_of(calls, trial)
    assert killed.count(True) > 0.8 * len(calls)


@EITHER
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_every_write_to_the_journal_may_fail(scene: Scene, case: Case, error: str) -> None:
    names = WRITES if error == "EIO" else ("pwrite64",)
    calls = [each for each in calls_of_a_run(scene, names) if "journal" in each.words]
    assert len(calls) > 20

    def trial(call: Call) -> Iterator[str]:
        run = case(f"{error.lower()}{call.name}{call.number}")
        run.begin(ROWS)
        ended = run.run(under=failing_at(call, error, for_good=call.number % 2 == 0))
        # SQLite may do without what it does when a file is closed.
        if ended.status not in (0, 73):
            yield f"it ended with {ended.status}: {ended.told}"
        if ended.status == 73 and "journal" not in ended.told:
            yield f"it does not say what it is about: {ended.told}"
        yield from run.after(ended, frozenset())
        yield from recovered(run)

    all_of(calls, trial)


@EITHER
def test_what_cannot_be_made_is_told(scene: Scene, case: Case, tmp_path: Path) -> None:
    opened = [
        each for each in calls_of_a_run(scene, ("openat",)) if scene.journal.name in each.words
    ]
    assert opened

    def trial(call: Call) -> Iterator[str]:
        run = case(f"emfile{call.number}")
        run.begin(ROWS)
        ended = run.run(under=failing_at(call, "EMFILE"))
        if ended.status not in (0, 73):
            yield f"it ended with {ended.status}: {ended.told}"
        yield from run.after(ended, frozenset())
        yield from recovered(run)

    all_of(opened, trial)
