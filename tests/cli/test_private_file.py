"""Files for their owner only: whole or not there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nexomailer_cli.cli.private_file import write_private
from nexomailer_cli.errors import OutputError


@pytest.mark.parametrize("replaces", [False, True])
def test_a_file_is_for_its_owner_only_whatever_the_umask(tmp_path: Path, replaces: bool) -> None:
    before = os.umask(0)
    try:
        write_private(tmp_path / "a" / "b" / "file", "text ü\n", replaces=replaces)
    finally:
        os.umask(before)
    path = tmp_path / "a" / "b" / "file"
    assert path.read_text("utf-8") == "text ü\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_is_there_is_written_over_only_where_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("precious")
    path.chmod(0o644)
    with pytest.raises(OutputError, match="file exists already"):
        write_private(path, "other")
    assert path.read_text() == "precious"
    write_private(path, "other", replaces=True)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("other", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_link_is_replaced_and_what_it_leads_to_is_not(tmp_path: Path) -> None:
    (tmp_path / "far").write_text("precious")
    (tmp_path / "file").symlink_to("far")
    write_private(tmp_path / "file", "other", replaces=True)
    assert (tmp_path / "far").read_text() == "precious"
    assert not (tmp_path / "file").is_symlink()


def test_a_name_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_private(tmp_path / "a\0b", "text")


@pytest.mark.parametrize("replaces", [False, True])
def test_half_a_file_is_none(tmp_path: Path, replaces: bool) -> None:
    program = (
        "import pathlib, resource, signal, sys\n"
        "from nexomailer_cli.cli.private_file import write_private\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        f"write_private(pathlib.Path(sys.argv[1]), 'x' * 100000, replaces={replaces})\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, str(tmp_path / "file")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "OutputError: cannot write" in done.stderr
    assert list(tmp_path.iterdir()) == []
