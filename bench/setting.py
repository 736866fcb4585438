"""What comes before measuring: the command line, what is installed, a way to end."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path

import contenders
from stopwatch import Stopwatch

HERE = Path(__file__).resolve().parent
ROUNDS = 25
FEWEST_ROUNDS = 15


def prepared(doc: str | None) -> tuple[contenders.Place, Stopwatch, int]:
    """Read the command line and set up; return where, with what and in how many rounds to measure.

    `doc` is the bench's own docstring, whose first line is its help.
    """
    # So that the servers end with the bench, however it ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    wanted = _arguments(doc)
    if not wanted.no_setup:
        subprocess.run([HERE / "setup.sh"], check=True)
    place = contenders.Place(HERE / ".work")
    if not place.python.exists():
        raise SystemExit("there is nothing to measure yet; run bench/setup.sh")
    place.prepare()
    return place, Stopwatch(place.environment, place.work / "complaints.txt"), wanted.rounds


def _arguments(doc: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=doc and doc.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--no-setup", action="store_true", help="measure what is installed")
    wanted = parser.parse_args()
    if wanted.rounds < FEWEST_ROUNDS:
        parser.error(f"fewer than {FEWEST_ROUNDS} rounds say nothing")
    return wanted
