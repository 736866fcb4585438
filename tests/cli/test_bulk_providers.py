"""Providers that die, come back, throttle and run out of quota while a run goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.test_bulk import LETTER
from tests.support.beside import beside
from tests.support.moody import DEAD, OK, moody
from tests.support.providers import configure, provider
from tests.support.run import COMMAND, environment, run

SLOWER = "454 4.7.0 Throttling failure: Maximum sending rate exceeded."
QUOTA = "454 4.7.0 Throttling failure: Daily message quota exceeded."


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a breaker and a slower pace be matters of moments."""
    monkeypatch.setattr("nexomailer_cli.bulk.breaker.FIRST_SECONDS", 0.1)
    monkeypatch.setattr("nexomailer_cli.bulk.breaker.LONGEST_SECONDS", 0.2)
    monkeypatch.setattr("nexomailer_cli.bulk.pace.CALM_SECONDS", 0.1)
    monkeypatch.setattr("nexomailer_cli.bulk.pace.DEAF_SECONDS", 0.05)
    monkeypatch.setattr("nexomailer_cli.bulk.desk.AGAIN_SECONDS", 0.05)


def people(folder: Path, count: int) -> None:
    rows = "".join(f"r{n}@b.test,N{n}\n" for n in range(count))
    (folder / "people.csv").write_text(f"email,name\n{rows}")


def test_whatever_the_first_provider_does_every_row_ends_once(tmp_path: Path) -> None:
    people(tmp_path, 1500)
    died: list[float] = []

    def mood(taken: int) -> str:
        if taken < 200:
            return OK
        if not died:
            died.append(time.monotonic())
        elapsed = time.monotonic() - died[0]
        if elapsed < 0.4:
            return DEAD
        if elapsed < 0.7:
            return SLOWER
        return QUOTA if taken >= 230 else OK

    with beside(moody(mood)) as main, beside(moody()) as backup:
        configure(tmp_path, provider("main", main.port), provider("backup", backup.port))
        result = run("bulk", "people.csv", *LETTER, "--yes", "--json", cwd=tmp_path)
    assert result.exit_status == 0, result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["accepted"] == 1500
    everybody = main.accepted + backup.accepted
    assert set(everybody.values()) == {1}
    assert len(everybody) == 1500
    assert report["providers"] == {
        "main": {"accepted": main.accepted.total()},
        "backup": {"accepted": backup.accepted.total()},
    }
    assert main.accepted.total() >= 230
    assert main.asked[DEAD] <= 40
    assert main.asked[QUOTA] <= 20


def test_a_provider_that_is_back_before_the_patience_ends_finishes_the_run(tmp_path: Path) -> None:
    people(tmp_path, 100)
    died: list[float] = []

    def mood(taken: int) -> str:
        if taken < 30:
            return OK
        if not died:
            died.append(time.monotonic())
        return DEAD if time.monotonic() - died[0] < 0.3 else OK

    with beside(moody(mood)) as main:
        configure(tmp_path, provider("main", main.port))
        result = run("bulk", "people.csv", *LETTER, "--yes", "--retry-for", "30s", cwd=tmp_path)
    assert result.exit_status == 0, result.stderr
    assert main.accepted == Counter({f"r{n}@b.test": 1 for n in range(100)})


def test_a_run_stops_when_too_many_rows_fail(tmp_path: Path) -> None:
    people(tmp_path, 300)
    with beside(moody(lambda taken: OK if taken < 50 else "550 5.1.0 we do not like you")) as main:
        configure(tmp_path, provider("main", main.port))
        result = run(
            *("bulk", "people.csv", *LETTER, "--yes", "--json", "--max-errors", "10"), cwd=tmp_path
        )
    report = json.loads(result.stdout.splitlines()[-1])
    assert result.exit_status == 3, result.stderr
    assert report["waiting"] > 200
    assert "--max-errors" in result.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a limit on file sizes")
def test_a_full_disk_ends_the_run_and_the_same_command_continues(tmp_path: Path) -> None:
    people(tmp_path, 3000)
    limits = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))"
    start = f"{limits}; import runpy; runpy.run_module('nexomailer_cli', run_name='__main__')"
    arguments = ("bulk", "people.csv", *LETTER, "--yes")
    with beside(moody()) as main:
        configure(tmp_path, provider("main", main.port))
        full = subprocess.run(
            [sys.executable, "-c", start, *arguments],
            cwd=tmp_path,
            env=environment(None, tmp_path),
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert full.returncode == 73, full.stderr
        assert "cannot write the journal" in full.stderr
        assert "it continues" in full.stderr
        some = main.accepted.total()
        assert some < 3000
        again = subprocess.run(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env=environment(None, tmp_path),
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert again.returncode in (0, 4), again.stderr
    assert set(main.accepted.values()) == {1}
    assert again.stderr.count(": unknown: ") <= 2 * 5
