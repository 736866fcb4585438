"""Times whole processes: `--version`, `--help`, `send`, `test-connection`, next to other programs.

    python3 bench/oneshot.py [--rounds N] [--no-setup]

Keeps its part of bench/RESULTS.md. What is measured, and how, is in bench/README.md.
"""

from __future__ import annotations

import sys
from statistics import median
from typing import TYPE_CHECKING

import contenders
import pages
import probe
import report
import servers
from relay import Relay
from setting import prepared

if TYPE_CHECKING:
    from stopwatch import Stopwatch

RELAY_ROUNDS = 5
ONE_WAY_SECONDS = 0.05

INTRODUCTION = """\
# One-shot commands

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
    place, stopwatch, rounds = prepared(__doc__)
    results = _measured(place, stopwatch, rounds)
    pages.keep(results)
    sys.stdout.write(results)


def _measured(place: contenders.Place, stopwatch: Stopwatch, rounds: int) -> str:
    surroundings = report.surroundings(place.python)
    with servers.running(place.work, place.python) as ports:
        starts = stopwatch.rounds(contenders.starts(place), rounds)
        sends = {each: _sends(stopwatch, place, each, ports, rounds) for each in ports.names}
        probes = probe.measured(stopwatch, place, rounds)
        turns = _turns(stopwatch, place, ports)
    pages.keep_figures("send", {each: _milliseconds(runs) for each, runs in sends.items()})
    introduction = INTRODUCTION.format(
        surroundings=surroundings,
        rounds=rounds,
        aims=report.aims((*report.send_aims(starts, sends), *report.probe_aims(probes))),
        starts=report.figures(starts, "node -e 0"),
    )
    sections = (
        SENDING.format(title=report.TITLES[each], figures=report.figures(runs, report.NODEMAILER))
        for each, runs in sends.items()
    )
    return "".join((introduction, *sections, probe.sections(probes), turns))


def _milliseconds(runs: report.Runs) -> dict[str, float]:
    return {name: 1000 * median(run.wall for run in each) for name, each in runs.items()}


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
