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
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.scene import KILLED, Ended, Scene, witness


@dataclass
class Storm:
    """What is to be done, and what was seen."""

    scene: Scene
    kills: int
    rows: int
    chance: random.Random
    faults: list[str] = field(default_factory=list)


def rage(storm: Storm) -> int:
    """Let the storm rage; return how many kills there were."""
    kills = wave = 0
    while kills < storm.kills:
        storm.scene.domain = f"wave{wave}.test"
        os.truncate(storm.scene.log, 0)
        storm.scene.begin(storm.rows)
        wave += 1
        while attempt(storm, may_kill=kills < storm.kills):
            kills += 1
        storm.faults += storm.scene.faults(is_complete=True)
    return kills


def attempt(storm: Storm, *, may_kill: bool) -> bool:
    """Run the command once; return whether it was killed."""
    scene = storm.scene
    before = scene.unknown()
    accepted = scene.log.stat().st_size
    told = (scene.folder / "told.txt").open("w+")
    with (
        told,
        subprocess.Popen(
            scene.command(), cwd=scene.folder, env=scene.environment(), stderr=told
        ) as process,
    ):
        if may_kill and wait_for_first(storm, accepted, process):
            time.sleep(storm.chance.uniform(0, 0.6))
            process.send_signal(signal.SIGKILL)
        status = process.wait()
        told.seek(0)
        ended = Ended(status, told.read())
    if status not in (0, 4, KILLED):
        storm.faults.append(f"the command ended with {status}: {ended.told[-2000:]}")
    storm.faults += scene.after(ended, before)
    return status == KILLED


def wait_for_first(storm: Storm, before: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until it has begun to send, so that kills do not all hit its start.

    Every fifth time it is hit wherever it is.
    """
    if storm.chance.random() < 0.2:
        time.sleep(storm.chance.uniform(0, 0.5))
        return True
    while process.poll() is None and storm.scene.log.stat().st_size == before:
        time.sleep(0.002)
    return True


def main() -> int:
    """Run it; return 1 if anything was not as promised."""
    parser = argparse.ArgumentParser(description="Kill a bulk run at random instants.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", type=int, default=2600)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--chunking", action="store_true")
    parser.add_argument("--seed", type=int, default=None)
    wanted = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if wanted.seed is None else wanted.seed
    with (
        tempfile.TemporaryDirectory() as name,
        witness(Path(name, "accepted.log"), *["--chunking"] * wanted.chunking) as port,
    ):
        scene = Scene(Path(name), Path(name, "accepted.log"), port, wanted.connections)
        storm = Storm(scene, wanted.kills, wanted.rows, random.Random(seed))
        kills = rage(storm)
    unknown = sum(scene.unknown_after)
    shape = "BDAT" if wanted.chunking else "DATA"
    print(
        f"{shape}, {wanted.connections} connections, seed {seed}: {kills} kills,"
        f" {unknown} unknown rows, at most {max(scene.unknown_after, default=0)} after one kill"
    )
    for fault in storm.faults[:20]:
        print("FAULT:", fault)
    return 1 if storm.faults else 0


if __name__ == "__main__":
    sys.exit(main())
