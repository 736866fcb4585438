"""The proof that a bulk run can be killed at any instant.

    python -m tests.crash.storm [--kills 20] [--rows 1500] [--connections 4] [--chunking]

Runs `nexomailer bulk` again and again against a server that writes down every message it
accepts, and kills it with SIGKILL at random instants, until it has been killed often enough
and a run comes to its end. Then: no message was accepted twice; every row that the journal
calls accepted was accepted, every row was accepted or is unknown; after each kill there are
no more unknown rows than connections, and each was named. Ends with 1 if anything is not so.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
ACCEPTED, UNKNOWN = 5, 7
_NAMED = re.compile(r"^row ([0-9]+), ", re.MULTILINE)


@dataclass
class Storm:
    """What is to be done, and what was seen."""

    folder: Path
    kills: int
    rows: int
    connections: int
    chunking: bool
    chance: random.Random
    unknown_after_kill: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / "accepted.log"

    @property
    def journal(self) -> Path:
        return self.folder / "people.csv.journal"


def run(storm: Storm) -> int:
    """Let the storm rage; return how many kills there were."""
    kills = wave = 0
    with witness(storm) as port:
        while kills < storm.kills:
            begin(storm, wave)
            wave += 1
            while True:
                was_killed = attempt(storm, port, may_kill=kills < storm.kills)
                if not was_killed:
                    break
                kills += 1
            check(storm)
    return kills


def begin(storm: Storm, wave: int) -> None:
    """Start a new list, with an empty record."""
    storm.journal.unlink(missing_ok=True)
    for suffix in ("-wal", "-shm"):
        storm.journal.with_name(storm.journal.name + suffix).unlink(missing_ok=True)
    os.truncate(storm.log, 0)
    people = "".join(f"r{n}@wave{wave}.test,Name {n}\n" for n in range(1, storm.rows + 1))
    (storm.folder / "people.csv").write_text(f"email,name\n{people}")


@contextlib.contextmanager
def witness(storm: Storm) -> Iterator[int]:
    """Run the server in a process of its own."""
    command = [sys.executable, "-m", "tests.crash.witness", str(storm.log)]
    with subprocess.Popen(
        command + ["--chunking"] * storm.chunking, stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


def attempt(storm: Storm, port: int, *, may_kill: bool) -> bool:
    """Run the command once; return whether it was killed."""
    before = unknown_rows(storm)
    command = [
        *(sys.executable, "-m", "nexomailer_cli", "bulk", "people.csv", "--yes"),
        *("--from", "a@a.test", "--subject", "Hi {{ name }}", "--text", "Hello {{ name }}"),
        *("--connections", str(storm.connections)),
    ]
    env = os.environ | {
        "NEXOMAILER_URL": f"smtp://127.0.0.1:{port}",
        "PYTHONPATH": str(ROOT),
    }
    accepted = storm.log.stat().st_size
    told = (storm.folder / "told.txt").open("w+")
    with told, subprocess.Popen(command, cwd=storm.folder, env=env, stderr=told) as process:
        if may_kill and wait_for_first(storm, accepted, process):
            time.sleep(storm.chance.uniform(0, 0.6))
            process.send_signal(signal.SIGKILL)
        status = process.wait()
        told.seek(0)
        words = told.read()
    look_at(storm, before, words, status)
    return status == -signal.SIGKILL


def wait_for_first(storm: Storm, before: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until it has begun to send, so that kills do not all hit its start.

    Every fifth time it is hit wherever it is.
    """
    if storm.chance.random() < 0.2:
        time.sleep(storm.chance.uniform(0, 0.5))
        return True
    while process.poll() is None and storm.log.stat().st_size == before:
        time.sleep(0.002)
    return True


def look_at(storm: Storm, before: frozenset[int], words: str, status: int) -> None:
    """Hold what a run said about rows that a kill has left unknown against the journal."""
    if status not in (0, 4, -signal.SIGKILL):
        storm.faults.append(f"the command ended with {status}: {words[-2000:]}")
    fresh = unknown_rows(storm) - before
    if not fresh:
        return
    storm.unknown_after_kill.append(len(fresh))
    if len(fresh) > storm.connections:
        storm.faults.append(f"{len(fresh)} unknown rows with {storm.connections} connections")
    named = frozenset(map(int, _NAMED.findall(words)))
    if status != -signal.SIGKILL and not fresh <= named:
        storm.faults.append(f"unknown rows that nobody was told of: {sorted(fresh - named)}")


def states(storm: Storm) -> dict[int, tuple[str, int]]:
    """Return key and state of every row, as the journal has them now."""
    if not storm.journal.exists():
        return {}
    with contextlib.closing(sqlite3.connect(storm.journal)) as connection:
        try:
            found = connection.execute("SELECT number, key, state FROM rows").fetchall()
        except sqlite3.OperationalError:
            return {}  # killed before there was a table
    return {number: (key, state) for number, key, state in found}


def unknown_rows(storm: Storm) -> frozenset[int]:
    return frozenset(n for n, (_, state) in states(storm).items() if state == UNKNOWN)


def check(storm: Storm) -> None:
    """Hold the journal of a finished run against what the server wrote down."""
    lines = storm.log.read_text().split("\n")[:-1]
    identities = Counter(line.split()[0] for line in lines)
    delivered = Counter(line.split()[1] for line in lines)
    rows = states(storm)
    told = storm.faults.append
    if len(rows) != storm.rows:
        told(f"the journal has {len(rows)} rows of {storm.rows}")
    for identity, count in (identities | delivered).items():
        if count > 1:
            told(f"{identity} was accepted {count} times")
    for key, state in rows.values():
        if state == ACCEPTED and not delivered[key]:
            told(f"{key} is called accepted and was not")
        if state not in (ACCEPTED, UNKNOWN):
            told(f"{key} was forgotten (state {state})")
    strangers = delivered.keys() - {key for key, _ in rows.values()}
    if strangers:
        told(f"accepted, and not in the journal: {sorted(strangers)[:5]}")


def main() -> int:
    """Run it; return 1 if anything was not as promised."""
    parser = argparse.ArgumentParser(description="Kill a bulk run at random instants.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--chunking", action="store_true")
    parser.add_argument("--seed", type=int, default=None)
    wanted = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if wanted.seed is None else wanted.seed
    with tempfile.TemporaryDirectory() as folder:
        storm = Storm(
            Path(folder),
            wanted.kills,
            wanted.rows,
            wanted.connections,
            wanted.chunking,
            random.Random(seed),
        )
        storm.log.touch()
        kills = run(storm)
    unknown = sum(storm.unknown_after_kill)
    print(
        f"seed {seed}: {kills} kills, {unknown} unknown rows, "
        f"at most {max(storm.unknown_after_kill, default=0)} after one kill"
    )
    for fault in storm.faults[:20]:
        print("FAULT:", fault)
    return 1 if storm.faults else 0


if __name__ == "__main__":
    sys.exit(main())
