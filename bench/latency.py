"""Bulk runs over a wire of 50 ms there and back, to servers with PIPELINING and with CHUNKING.

    python3 bench/latency.py [--rounds N] [--no-setup]

Keeps its part of bench/RESULTS.md. What is measured, and how, is in bench/README.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import crowd
import pages
import report
import servers
from contenders import Contender
from relay import Relay
from setting import options, set_up

if TYPE_CHECKING:
    import argparse

ONE_WAY_SECONDS = 0.025
# As many as take a few seconds; a greeting's share of the round trips is small then.
ROWS = {1: 100, 10: 1000}
CONTENDERS: dict[str, crowd.Command] = {
    "nexomailer": crowd.nexomailer,
    "nodemailer": crowd.nodemailer,
}
SERVERS = {"PIPELINING": (), "PIPELINING and CHUNKING": ("--chunking",)}

PAGE = """# A long wire

Made by `python3 bench/latency.py`: bulk runs over a wire of {wire:.0f} ms there and back, {rows} to
`bench/sink.py`. Round trips are counted on the wire, those of greeting and EHLO among them;
connecting itself is not delayed. Whole processes.

{surroundings}
- {rounds} rounds; medians

{aims}

{table}
"""


@dataclass(frozen=True)
class Trip:
    """One run over the wire: seconds, and the round trips of a message."""

    wall: float
    turns: float


def main() -> None:
    """Measure, and write it down."""
    wanted = options(__doc__, rounds=3)
    set_up(wanted)
    results = {
        (offer, connections): measured(wanted, arguments, connections)
        for offer, arguments in SERVERS.items()
        for connections in ROWS
    }
    page = PAGE.format(
        wire=2000 * ONE_WAY_SECONDS,
        rows=" and ".join(f"{rows} rows over {n}" for n, rows in ROWS.items()),
        surroundings=report.machine(crowd.PYTHON),
        rounds=wanted.rounds,
        aims=report.aims(aims(results["PIPELINING", 10])),
        table=table(results),
    )
    pages.keep(page)
    pages.keep_figures(
        "latency",
        {
            f"{offer}, {n} connection{'s' if n > 1 else ''}": {
                name: ROWS[n] / median(trip.wall for trip in trips) for name, trips in each.items()
            }
            for (offer, n), each in results.items()
        },
    )
    sys.stdout.write(page)


def measured(
    wanted: argparse.Namespace, arguments: tuple[str, ...], connections: int
) -> dict[str, list[Trip]]:
    """Run everybody in turn."""
    rows = ROWS[connections]
    crowd.write_input(rows)
    stopwatch = crowd.stopwatch()
    trips: dict[str, list[Trip]] = {name: [] for name in CONTENDERS}
    with (
        servers.own_sink(crowd.PYTHON, *arguments) as target,
        Relay(ONE_WAY_SECONDS).running() as relay,
    ):
        mailing = crowd.Mailing(rows, connections, relay.port)
        for _ in range(wanted.rounds):
            for name, command in CONTENDERS.items():
                relay.reset(target)
                once = stopwatch.run(Contender(name, command(mailing)))
                trips[name].append(Trip(once.wall, relay.settled() / rows))
    return trips


def table(results: dict[tuple[str, int], dict[str, list[Trip]]]) -> str:
    """Return the figures."""
    head = ("server offers", "connections", "", "messages/s", "round trips a message")
    return report.table(
        head,
        (
            (
                offer,
                str(connections),
                name,
                f"{ROWS[connections] / median(trip.wall for trip in trips):.0f}",
                f"{median(trip.turns for trip in trips):.2f}",
            )
            for (offer, connections), each in results.items()
            for name, trips in each.items()
        ),
    )


def aims(trips: dict[str, list[Trip]]) -> list[report.Row]:
    """Return what was aimed at with ten connections, and what came of it."""
    pairs = zip(trips["nexomailer"], trips["nodemailer"], strict=True)
    faster = median(other.wall / one.wall for one, other in pairs)
    turns = median(trip.turns for trip in trips["nexomailer"])
    return [
        report.at_least("× nodemailer", faster, 2.0, of="10 connections, PIPELINING"),
        report.at_most("round trips a message", turns, 1.05, of="10 connections, PIPELINING"),
    ]


if __name__ == "__main__":
    main()
