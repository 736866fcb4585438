"""No room on the disk, or a disk that fails: nothing is sent that is not on record."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.calls import Call, failing_at
from tests.crash.conftest import EITHER
from tests.crash.scene import Scene


@pytest.fixture
def small(scene: Scene) -> Iterator[Scene]:
    """The scene on a file system of its own with hardly any room. Needs root."""
    place = scene.folder / "small"
    place.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=220k", "nexomailer", str(place)], check=True
    )
    try:
        yield Scene(place, scene.log, scene.port, connections=4)
    finally:
        subprocess.run(["umount", str(place)], check=True)


@EITHER
def test_a_full_disk_stops_it_and_with_room_it_goes_on(small: Scene) -> None:
    small.begin(1500)
    ended = small.run()
    assert ended.status == 73, ended.told
    assert "database or disk is full" in ended.told
    assert "Make room" in ended.told
    assert small.after(ended, frozenset()) == []
    again = small.run()  # there is no more room than before
    assert again.status == 73, again.told
    assert small.after(again, frozenset()) == []
    subprocess.run(["mount", "-o", "remount,size=20m", str(small.folder)], check=True)
    before = small.unknown()
    last = small.run()
    assert last.status in (0, 4), last.told
    assert small.after(last, before) == []
    assert list(small.faults(is_complete=True)) == []


@EITHER
def test_a_full_disk_in_the_middle_of_a_run(small: Scene) -> None:
    small.begin(1500)
    assert small.run("--check").status == 0
    with small.started() as process:
        while not small.log.stat().st_size:
            assert process.poll() is None
        _fill(small.folder / "filler")
        _, told = process.communicate(timeout=60)
    assert process.returncode == 73, told.decode()
    assert list(small.faults(is_complete=False)) == []
    (small.folder / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=20m", str(small.folder)], check=True)
    before = small.unknown()
    last = small.run()
    assert last.status in (0, 4), last.told
    assert small.after(last, before) == []
    assert list(small.faults(is_complete=True)) == []


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return


@EITHER
@pytest.mark.parametrize("number", [1, 3, 4, 5])
def test_a_disk_that_does_not_sync_stops_it(scene: Scene, number: int) -> None:
    scene.connections = 4
    scene.begin(1200)
    ended = scene.run(under=failing_at(Call("fdatasync", number), "EIO", for_good=True))
    assert ended.status == 73, ended.told
    assert "disk I/O error" in ended.told
    assert scene.after(ended, frozenset()) == []
    before = scene.unknown()
    again = scene.run()
    assert again.status in (0, 4), again.told
    assert scene.after(again, before) == []
    assert list(scene.faults(is_complete=True)) == []


@EITHER
def test_a_journal_that_may_not_be_written_is_told(scene: Scene) -> None:
    scene.begin(3)
    scene.run("--limit", "1")
    journal = scene.journal.read_bytes()
    shutil.rmtree(scene.folder / "elsewhere", ignore_errors=True)
    for torn in (b"", journal[:100], journal[:5000], bytes(len(journal))):
        scene.journal.write_bytes(torn)
        ended = scene.run()
        assert ended.status in (0, 66, 73), ended.told
        assert "Traceback" not in ended.told
        if torn:
            assert "damaged" in ended.told
