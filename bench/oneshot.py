"""Times whole processes: `--version`, `--help`, `send`, next to other mail senders.

    python3 bench/oneshot.py [--rounds N] [--no-setup]

Writes bench/RESULTS.md. What is measured, and how, is in bench/README.md.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path
from statistics import median

import contenders
import report
import servers
from relay import Relay
from stopwatch import Stopwatch

HERE = Path(__file__).resolve().parent
ROUNDS = 25
FEWEST_ROUNDS = 15
RELAY_ROUNDS = 5
ONE_WAY_SECONDS = 0.05

INTRODUCTION = """\
# One-shot commands: results

Made by `python3 bench/oneshot.py`; `bench/README.md` says what is measured and how.

{surroundings}
- {rounds} rounds; every program once per round

## Aims

{aims}

## Until a program is there

{starts}
"""
SENDING = """
## One message, {title}

{figures}
"""
ROUND_TRIPS = """
## Round trips

Turns are how often a program spoke after the server had, so how often it had waited. The last
one is QUIT, which nodemailer does not say, and whose answer msmtp does not wait for. The
milliseconds are the whole process over a wire of {link:.0f} ms there and back; connecting itself
is not delayed.

{turns}
"""


def main() -> None:
    """Set up, measure, write."""
    # So that the servers end with the bench, however it ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    wanted = _arguments()
    if not wanted.no_setup:
        subprocess.run([HERE / "setup.sh"], check=True)
    place = contenders.Place(HERE / ".work")
    if not place.python.exists():
        raise SystemExit("there is nothing to measure yet; run bench/setup.sh")
    place.prepare()
    results = _measured(place, wanted.rounds)
    report.keep_before(HERE / "RESULTS.md", results)
    sys.stdout.write(results)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__ and __doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--no-setup", action="store_true", help="measure what is installed")
    wanted = parser.parse_args()
    if wanted.rounds < FEWEST_ROUNDS:
        parser.error(f"fewer than {FEWEST_ROUNDS} rounds say nothing")
    return wanted


def _measured(place: contenders.Place, rounds: int) -> str:
    stopwatch = Stopwatch(place.environment, place.work / "complaints.txt")
    surroundings = report.surroundings(place.python)
    with servers.running(place.work, place.python) as ports:
        starts = stopwatch.rounds(contenders.starts(place), rounds)
        sends = {each: _sends(stopwatch, place, each, ports, rounds) for each in ports.names}
        turns = _turns(stopwatch, place, ports)
    introduction = INTRODUCTION.format(
        surroundings=surroundings,
        rounds=rounds,
        aims=report.aims(starts, sends),
        starts=report.figures(starts, "node -e 0"),
    )
    sections = (
        SENDING.format(title=report.TITLES[each], figures=report.figures(runs, report.NODEMAILER))
        for each, runs in sends.items()
    )
    return "".join((introduction, *sections, turns))


def _sends(
    stopwatch: Stopwatch,
    place: contenders.Place,
    security: str,
    ports: servers.Ports,
    rounds: int,
) -> report.Runs:
    programs = contenders.senders(place, security, ports.of(security))
    return stopwatch.rounds((contenders.bare(place), *programs), rounds)


def _turns(stopwatch: Stopwatch, place: contenders.Place, ports: servers.Ports) -> str:
    rows: dict[str, list[str]] = {}
    with Relay(ONE_WAY_SECONDS).running() as relay:
        for security in ports.names:
            for each in contenders.senders(place, security, relay.port):
                turns, wall = _over_relay(stopwatch, each, relay, ports.of(security))
                rows.setdefault(each.name, [each.name]).extend((turns, wall))
    titles = (report.TITLES[each] for each in ports.names)
    head = ["", *(cell for title in titles for cell in (f"{title}: turns", "ms"))]
    table = report.table(head, rows.values())
    return ROUND_TRIPS.format(link=2000 * ONE_WAY_SECONDS, turns=table)


def _over_relay(
    stopwatch: Stopwatch, contender: contenders.Contender, relay: Relay, target: int
) -> tuple[str, str]:
    turns, walls = [], []
    for _ in range(RELAY_ROUNDS):
        relay.reset(target)
        walls.append(stopwatch.run(contender).wall)
        turns.append(relay.settled())
    return f"{median(turns):.0f}", f"{1000 * median(walls):.0f}"


if __name__ == "__main__":
    main()
