"""Bulk runs of ten thousand, a hundred thousand and a million rows: memory, and cost per row.

    python3 bench/scale.py [--rows N] [--no-setup]

Keeps its part of bench/RESULTS.md. What is measured, and how, is in bench/README.md.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import crowd
import pages
import report
import servers
from setting import options, set_up

ROWS, CONNECTIONS = 1_000_000, 10
MOST_MEMORY_MIB = 150.0

PAGE = """# Many rows

Made by `python3 bench/scale.py`: the runs of `bench/bulk.py`, with more and more rows. The halves
are those of sending, by the process that sends; the whole run is examination and report as well,
and the second process that makes messages. Memory is that of both.

{surroundings}

{aims}

{table}
"""


@dataclass(frozen=True)
class Seen:
    """How far a run was: seconds on the clock and of the CPU, rows, and MiB."""

    wall: float
    cpu: float
    rows: int
    memory: float


@dataclass(frozen=True)
class Long:
    """A whole run: seconds, CPU seconds, MiB, and where it was when."""

    rows: int
    wall: float
    cpu: float
    memory: float
    seen: list[Seen]

    @property
    def halves(self) -> tuple[Seen, Seen]:
        """What each half of sending took."""
        middle = min(self.seen, key=lambda each: abs(each.rows - self.rows / 2))
        return _between(self.seen[0], middle), _between(middle, self.seen[-1])


def main() -> None:
    """Measure, and write it down."""
    wanted = options(__doc__, rows=ROWS)
    set_up(wanted)
    with servers.sink_alone() as port:
        runs = [run(port, rows) for rows in (wanted.rows // 100, wanted.rows // 10, wanted.rows)]
    page = PAGE.format(
        surroundings=report.machine(crowd.PYTHON),
        aims=report.aims(aims(runs[-1])),
        table=table(runs),
    )
    pages.keep(page)
    pages.keep_figures(
        "scale", {str(each.rows): [1e6 * each.cpu / each.rows, each.memory] for each in runs}
    )
    sys.stdout.write(page)


def run(port: int, rows: int) -> Long:
    """Run, and look at it whenever it says how far it is."""
    crowd.write_input(rows)
    crowd.forget_journal()
    command = crowd.nexomailer(crowd.Mailing(rows, CONNECTIONS, port))
    started = time.perf_counter()
    with subprocess.Popen(
        [each for each in command if each != "--quiet"],
        cwd=crowd.WORK,
        env=crowd.PLACE.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        seen = [
            look(process.pid, started, done)
            for line in process.stderr
            if (done := _how_far(line, rows)) is not None
        ]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{rows} rows: exit status {process.returncode}")
    wall = time.perf_counter() - started
    memory = max(usage.ru_maxrss / 1024, *(each.memory for each in seen))
    return Long(rows, wall, usage.ru_utime + usage.ru_stime, memory, seen)


def _how_far(line: str, rows: int) -> int | None:
    if "messages to send" in line:
        return 0
    if line.startswith(f"{rows} rows: "):
        return rows
    found = re.match(r"([0-9]+) of [0-9]+ rows", line)
    return int(found[1]) if found else None


def look(process: int, started: float, rows: int) -> Seen:
    """Take note of where a process is."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    memory = sum(map(_memory, (str(process), *children)))
    return Seen(time.perf_counter() - started, cpu, rows, memory)


def _memory(process: str) -> float:
    """Return how much memory a process has, in MiB; nothing once it has ended."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmRSS:\s+([0-9]+)", Path(f"/proc/{process}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0
    return 0.0


def _between(first: Seen, last: Seen) -> Seen:
    wall, cpu, rows = last.wall - first.wall, last.cpu - first.cpu, last.rows - first.rows
    return Seen(wall, cpu, rows, last.memory)


def table(runs: list[Long]) -> str:
    """Return the figures. A short run says too seldom how far it is, to be halved."""
    head = ("rows", "seconds", "messages/s", "CPU µs a row", "peak memory MiB")
    halves = ("first half: messages/s", "CPU µs", "second half: messages/s", "CPU µs")
    return report.table((*head, *halves), (_line(each) for each in runs))


def _line(each: Long) -> tuple[str, ...]:
    cells = (
        f"{each.rows:,}",
        f"{each.wall:.1f}",
        f"{each.rows / each.wall:,.0f}",
        f"{1e6 * each.cpu / each.rows:.0f}",
        f"{each.memory:.0f}",
    )
    if len(each.seen) < 4:
        return (*cells, "", "", "", "")
    return (*cells, *(cell for half in each.halves for cell in _speed(half)))


def _speed(half: Seen) -> tuple[str, str]:
    return f"{half.rows / half.wall:,.0f}", f"{1e6 * half.cpu / half.rows:.0f}"


def aims(million: Long) -> list[report.Row]:
    """Return what was aimed at with all rows, and what came of it."""
    first, second = million.halves
    of = f"{million.rows:,} rows"
    slower = (second.cpu / second.rows) / (first.cpu / first.rows)
    return [
        report.at_most("peak memory in MiB", million.memory, MOST_MEMORY_MIB, of=of),
        report.at_most("CPU of the second half ÷ the first", slower, 1.05, of=of),
    ]


if __name__ == "__main__":
    main()
