"""Bulk runs into smtp-sink, in clear and over TLS, next to those who do the same.

    python3 bench/bulk.py [--rounds N] [--rows N] [--no-setup]

Keeps its part of bench/RESULTS.md. What is measured, and how, is in bench/README.md.
"""

from __future__ import annotations

import sys
from statistics import median

import crowd
import pages
import report
import servers
from setting import options, set_up
from stopwatch import Run

ROWS, MERGED_ROWS, CONNECTIONS = 10_000, 300, 10
NEXOMAILER, NODEMAILER, SOURCE = "nexomailer bulk", "nodemailer, its pool", "smtp-source (C)"
ENGINE = "nexomailer, its engine alone"
AIOSMTPLIB, MAILMERGE = "aiosmtplib, uvloop", "mailmerge"

PAGE = """# Bulk runs

Made by `python3 bench/bulk.py`: {rows:,} rows of a CSV, text and HTML of about 2 kB, personal in
five places, {connections} connections to Postfix's `smtp-sink` on the same two cores. nexomailer
examines all rows first, keeps a journal that survives `kill -9`, and writes a report; nobody else
does. nodemailer fills its templates with handlebars, aiosmtplib with jinja2; smtp-source sends
the same octets over and over, and so does our engine alone; mailmerge opens a connection per
message ({merged} of them).

{surroundings}
- {rounds} rounds, every other one backwards; medians

{aims}

## In clear

{plain}

## Over TLS, stunnel before the sink

{tls}
"""


def main() -> None:
    """Measure, and write it down."""
    wanted = options(__doc__, rounds=5, rows=ROWS)
    set_up(wanted)
    crowd.write_input(wanted.rows)
    with servers.running(crowd.WORK, crowd.PYTHON) as ports:
        plain = crowd.rounds(contenders(wanted.rows, ports.plain, "plain"), wanted.rounds)
        tls = crowd.rounds(contenders(wanted.rows, ports.tls, "tls"), wanted.rounds)
    page = PAGE.format(
        rows=wanted.rows,
        connections=CONNECTIONS,
        merged=MERGED_ROWS,
        surroundings=report.machine(crowd.PYTHON),
        rounds=wanted.rounds,
        aims=report.aims(aims(plain, wanted.rows)),
        plain=table(plain, wanted.rows),
        tls=table(tls, wanted.rows),
    )
    pages.keep(page)
    pages.keep_figures(
        "bulk", {"plain": speeds(plain, wanted.rows), "tls": speeds(tls, wanted.rows)}
    )
    sys.stdout.write(page)


def contenders(rows: int, port: int, security: str) -> crowd.Mailings:
    """Return who runs against whom; two of them know no TLS."""
    run = crowd.Mailing(rows, CONNECTIONS, port, security)
    everybody: crowd.Mailings = {
        NEXOMAILER: (crowd.nexomailer, run),
        ENGINE: (crowd.engine, run),
        SOURCE: (crowd.smtp_source, run),
        NODEMAILER: (crowd.nodemailer, run),
        AIOSMTPLIB: (crowd.aiosmtplib, run),
        MAILMERGE: (crowd.mailmerge, crowd.Mailing(MERGED_ROWS, 1, port)),
    }
    without = {SOURCE, MAILMERGE} if security == "tls" else set()
    return {name: each for name, each in everybody.items() if name not in without}


def sent(name: str, rows: int) -> int:
    """Return how many messages somebody sent."""
    return MERGED_ROWS if name == MAILMERGE else rows


def speeds(runs: dict[str, list[Run]], rows: int) -> dict[str, float]:
    """Return messages a second."""
    return {
        name: sent(name, rows) / median(run.wall for run in each) for name, each in runs.items()
    }


def times(runs: dict[str, list[Run]], name: str, base: str, rows: int) -> float:
    """Return how many times as fast as `base` something was, within a round."""
    share = sent(name, rows) / sent(base, rows)
    pairs = zip(runs[name], runs[base], strict=True)
    return median(share * other.wall / one.wall for one, other in pairs)


def table(runs: dict[str, list[Run]], rows: int) -> str:
    """Return the figures of one kind of connection."""
    bases = {"× nodemailer": NODEMAILER, "× smtp-source": SOURCE}
    bases = {title: base for title, base in bases.items() if base in runs}
    head = ("", "messages/s", "CPU µs a message", "peak memory MiB", *bases)
    speed = speeds(runs, rows)
    return report.table(
        head,
        (
            (
                name,
                f"{speed[name]:,.0f}",
                f"{1e6 * median(run.cpu for run in each) / sent(name, rows):.0f}",
                f"{median(run.memory for run in each):.0f}",
                *(f"{times(runs, name, base, rows):.2f}" for base in bases.values()),
            )
            for name, each in runs.items()
        ),
    )


def aims(runs: dict[str, list[Run]], rows: int) -> list[report.Row]:
    """Return what was aimed at, and what came of it."""
    return [
        report.at_least(f"× {base}", times(runs, name, base, rows), least, of=name)
        for name, base, least in (
            (NEXOMAILER, NODEMAILER, 8.0),
            (NEXOMAILER, SOURCE, 0.8),
            (ENGINE, SOURCE, 1.3),
        )
    ]


if __name__ == "__main__":
    main()
