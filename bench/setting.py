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
    wanted = options(doc, rounds=ROUNDS)
    if wanted.rounds < FEWEST_ROUNDS:
        raise SystemExit(f"fewer than {FEWEST_ROUNDS} rounds say nothing")
    place = set_up(wanted)
    return place, Stopwatch(place.environment, place.work / "complaints.txt"), wanted.rounds


def options(doc: str | None, **numbers: int) -> argparse.Namespace:
    """Return what the command line says: `--no-setup`, and one number for each of `numbers`."""
    parser = argparse.ArgumentParser(description=doc and doc.splitlines()[0])
    parser.add_argument("--no-setup", action="store_true", help="measure what is installed")
    for name, value in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=value, help="%(default)s if not given")
    return parser.parse_args()


def set_up(wanted: argparse.Namespace) -> contenders.Place:
    """Install what is measured, unless told not to."""
    # So that the servers end with the bench, however it ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if not wanted.no_setup:
        subprocess.run([HERE / "setup.sh"], check=True)
    place = contenders.Place(HERE / ".work")
    if not place.python.exists():
        raise SystemExit("there is nothing to measure yet; run bench/setup.sh")
    place.prepare()
    return place
