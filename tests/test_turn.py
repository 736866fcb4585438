"""A counter that never keeps a mail from going out."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nexomailer_cli.turn import next_turn

TAKE = """
import sys
from nexomailer_cli.turn import next_turn
for _ in range(25):
    print(next_turn({"XDG_STATE_HOME": sys.argv[1]}))
"""


def counter(state: Path) -> Path:
    return state / "nexomailer" / "round-robin"


def turns(state: Path, count: int) -> list[int]:
    return [next_turn({"XDG_STATE_HOME": str(state)}) for _ in range(count)]


def planted(state: Path, content: bytes) -> Path:
    path = counter(state)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_each_run_takes_the_next_turn(tmp_path: Path) -> None:
    assert turns(tmp_path, 4) == [0, 1, 2, 3]
    assert counter(tmp_path).read_text() == "4\n"


def test_the_counter_is_nobody_else_s_business(tmp_path: Path) -> None:
    turns(tmp_path / "new", 1)
    assert stat.S_IMODE(counter(tmp_path / "new").stat().st_mode) == 0o600
    assert stat.S_IMODE(counter(tmp_path / "new").parent.stat().st_mode) == 0o700


def test_without_a_state_directory_the_usual_one_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [next_turn({}), next_turn({"XDG_STATE_HOME": ""})] == [0, 1]
    assert counter(tmp_path / ".local" / "state").exists()


def test_runs_at_the_same_time_take_different_turns(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TAKE, str(tmp_path)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    taken = [[int(line) for line in run.communicate()[0].split()] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert sorted(taken[0] + taken[1]) == list(range(50))
    assert all(each == sorted(each) for each in taken)


@pytest.mark.parametrize("content", [b"garbage", b"\xff\xfe", b"1.5", b"\0" * 8])
def test_a_counter_that_is_none_is_begun_anew(content: bytes, tmp_path: Path) -> None:
    planted(tmp_path, content)
    assert turns(tmp_path, 1)[0] >= 0
    assert turns(tmp_path, 2) == [0, 1]


@pytest.mark.parametrize("content", [b"", b"7\n", b"-3\n", b"0" * 300])
def test_an_odd_counter_still_gives_a_number(content: bytes, tmp_path: Path) -> None:
    planted(tmp_path, content)
    first, second = turns(tmp_path, 2)
    assert second == first + 1


def test_a_directory_that_cannot_be_written_leaves_it_to_chance(tmp_path: Path) -> None:
    # A file where the directory should be stops root as well.
    (tmp_path / "nexomailer").write_text("in the way")
    assert len(set(turns(tmp_path, 8))) > 1
    assert (tmp_path / "nexomailer").read_text() == "in the way"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("5\n")
    path = counter(tmp_path)
    path.parent.mkdir()
    path.symlink_to(precious)
    turns(tmp_path, 1)
    assert precious.read_text() == "5\n"
    assert turns(tmp_path, 2) == [0, 1]


def test_a_counter_in_a_read_only_directory_is_no_mistake(tmp_path: Path) -> None:
    path = planted(tmp_path, b"garbage")
    path.parent.chmod(0o500)
    try:
        assert turns(tmp_path, 1)[0] >= 0
    finally:
        path.parent.chmod(0o700)


def test_nobody_s_home_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    # A container with a user of whom its password file knows nothing.
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    assert next_turn({}) >= 0
