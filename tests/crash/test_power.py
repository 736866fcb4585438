"""The plug is pulled: whatever of a run has reached the disk, nobody gets a second copy.

The promise of leases. Every copy of the journal that a disk may hold at a moment when it is
waited for is opened on what looks like the next boot of the machine, and nobody to whom a
message may have gone out by then may be open, ever.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from nexomailer_cli.bulk import journal as journal_module
from nexomailer_cli.bulk.journal import Journal
from nexomailer_cli.errors import InputError
from tests.crash import disk
from tests.crash.calls import traced
from tests.crash.conftest import IS_LONG
from tests.crash.rehearsal import DELIVERED, LEASE
from tests.crash.scene import ROOT, Scene, states_in, untrue

SEEDS = 40 if IS_LONG else 6
COPIES = 6 if IS_LONG else 2  # of each moment, with a part of what was not waited for


@pytest.fixture(autouse=True)
def next_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "boot_id", lambda: "the next boot")


def wrong(trace: Path, name: str, folder: Path, seed: int, delivered: str = "") -> list[str]:
    """Return what is not as promised, at any moment of a trace."""
    random, faults = Random(seed), []
    for index, moment in enumerate(disk.moments(trace, name, delivered)):
        copies = [moment.least(), *(moment.some(random) for _ in range(COPIES))]
        for number, files in enumerate(copies):
            place = folder / f"{seed}.{index}.{number}"
            found = _after_power_cut(place, files, name, moment.delivered)
            faults += [f"{place.name}: {each}" for each in found]
    return faults


def _after_power_cut(
    place: Path, files: Mapping[str, bytes], name: str, delivered: Mapping[str, int]
) -> list[str]:
    place.mkdir()
    for each, content in files.items():
        (place / each).write_bytes(content)
    if not (place / name).exists():
        return [f"{who} was accepted, and there is no journal" for who in delivered]
    try:
        journal = Journal(str(place / name))
        journal.recover()
        journal.close()
    except InputError as error:  # a torn file: nobody is mailed a second time by that
        return [] if "damaged" in str(error) and number_of(delivered) == 0 else [str(error)]
    return list(untrue(dict(states_in(place / name).values()), delivered))


def number_of(delivered: Mapping[str, int]) -> int:
    return sum(delivered.values())


@pytest.mark.parametrize("seed", range(SEEDS))
def test_in_a_run_with_retries_and_lost_sessions(tmp_path: Path, seed: int) -> None:
    trace = tmp_path / "trace"
    subprocess.run(
        [
            *traced(trace, disk.NAMES),
            *disk.OPTIONS,
            *(sys.executable, "-m", "tests.crash.rehearsal", str(tmp_path), str(seed)),
        ],
        cwd=ROOT,
        check=True,
    )
    moments = list(disk.moments(trace, "run.journal", DELIVERED))
    assert len(moments) > 60 / LEASE
    assert number_of(moments[-1].delivered) > 30
    assert wrong(trace, "run.journal", tmp_path, seed, DELIVERED) == []


def test_in_a_real_run(scene: Scene, tmp_path: Path) -> None:
    scene.connections = 4
    scene.begin(1100)
    trace = tmp_path / "trace"
    ended = scene.run(under=[*traced(trace, disk.NAMES), *disk.OPTIONS])
    assert ended.status == 0, ended.told
    moments = list(disk.moments(trace, scene.journal.name))
    assert len(moments) >= 3
    assert wrong(trace, scene.journal.name, tmp_path, 1) == []
