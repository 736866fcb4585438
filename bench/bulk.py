"""Bulk runs into smtp-sink: nexomailer next to nodemailer's pool, and a million rows.

    python3 bench/bulk.py                 # 10,000 rows, a few rounds; about a minute
    python3 bench/bulk.py --million       # and a million rows: memory, and both halves' speed

Puts its part into bench/RESULTS.md, behind what `oneshot.py` writes there.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import report
import servers

HERE = Path(__file__).parent
WORK = HERE / ".work"
ROWS, CONNECTIONS = 10_000, 10

PARAGRAPH = (
    "We are glad to have you with us, and this paragraph is as long as such paragraphs are,"
    " which is not very long but longer than it would have to be. "
)
TEXT = (
    "Hello {{ name }},\n\nyour order {{ order }} is on its way to {{ city }}.\n\n"
    + (PARAGRAPH.strip() + "\n") * 4
)
HTML = (
    "<html><body><h1>Hello {{ name }}</h1><p>Your order <b>{{ order }}</b> is on its way to"
    " {{ city }}.</p>\n" + f"<p>{PARAGRAPH}</p>\n" * 5 + "</body></html>\n"
)

RESULTS = """{heading}

Made by `python3 bench/bulk.py`: {rows:,} rows of a CSV, text and HTML of about 2 kB, personal in
four places, {connections} connections to Postfix's `smtp-sink` on the same two cores. nexomailer
examines all rows first, keeps its journal, and writes its report; nodemailer's pool keeps
nothing and fills the same templates with one `replace`.

{surroundings}
- {rounds} rounds, every other one backwards; medians

{figures}

nexomailer is {ratio:.1f} times as fast as nodemailer's pool, within a round.
{million}"""

MILLION = """
## A million rows

| rows | whole run s | first half: messages/s | CPU µs a message \
| second half: messages/s | CPU µs a message | peak memory MiB |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| {rows:,} | {wall:.0f} | {first} | {second} | {memory:.0f} |
"""


@dataclass(frozen=True)
class Once:
    """One process: seconds on the clock and of the CPU, and the most memory in MiB."""

    wall: float
    cpu: float
    memory: float


def main() -> None:
    """Measure, and write it down."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many a million are")
    parser.add_argument("--no-setup", action="store_true")
    wanted = parser.parse_args()
    if not wanted.no_setup:
        subprocess.run([HERE / "setup.sh"], check=True)
    python = WORK / "venv" / "bin" / "python"
    if not python.exists():
        python = HERE.parent / ".venv" / "bin" / "python"
    write_input(ROWS)
    with servers.sink_alone() as port:
        runs = rounds(python, port, wanted.rounds)
        million = a_million(python, port, wanted.rows) if wanted.million else ""
    page = results(runs, wanted.rounds, python, million)
    report.keep_behind(HERE / "RESULTS.md", page)


def write_input(count: int) -> None:
    """Write rows and templates."""
    WORK.mkdir(exist_ok=True)
    with (WORK / "people.csv").open("w") as file:
        file.write("email,name,order,city\n")
        for n in range(count):
            file.write(f"recipient{n}@example.org,Name Surname {n},A-{n:07},City {n % 500}\n")
    (WORK / "text.txt").write_text(TEXT)
    (WORK / "body.html").write_text(HTML)


def commands(python: Path, port: int) -> dict[str, list[str]]:
    """Return what is compared."""
    return {
        "nexomailer": [
            *(str(python), "-m", "nexomailer_cli", "bulk", "people.csv", "--yes", "--quiet"),
            *("--from", "sender@example.org", "--subject", "Your order {{ order }}, {{ name }}"),
            *("--text", "@text.txt", "--html", "@body.html", "--report", "report.csv"),
            *("--connections", str(CONNECTIONS)),
            *("--list-unsubscribe", "https://example.org/u/{{ order }}"),
        ],
        "nodemailer": [
            *(servers.program("node"), "node/pool.mjs", str(port), str(CONNECTIONS)),
            *("people.csv", "text.txt", "body.html"),
        ],
    }


def environment(port: int) -> dict[str, str]:
    """Return all that a process gets."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(WORK),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(HERE.parent),
        "NEXOMAILER_URL": f"smtp://127.0.0.1:{port}",
    }


def once(command: list[str], port: int) -> Once:
    """Run a process to its end."""
    for suffix in ("", "-wal", "-shm"):
        (WORK / f"people.csv.journal{suffix}").unlink(missing_ok=True)
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=WORK, env=environment(port)) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    wall = time.perf_counter() - started
    return Once(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def rounds(python: Path, port: int, count: int) -> dict[str, list[Once]]:
    """Run all of them, in turn; the first round is forgotten."""
    (WORK / "node" / "pool.mjs").write_bytes((HERE / "pool.mjs").read_bytes())
    wanted = commands(python, port)
    runs: dict[str, list[Once]] = {name: [] for name in wanted}
    for number in range(count + 1):
        for name in wanted if number % 2 else reversed(wanted):
            run = once(wanted[name], port)
            if number:
                runs[name].append(run)
    return runs


def a_million(python: Path, port: int, count: int) -> str:
    """Run very many rows; the speed of each half is taken from the lines it tells."""
    write_input(count)
    command = [each for each in commands(python, port)["nexomailer"] if each != "--quiet"]
    for suffix in ("", "-wal", "-shm"):
        (WORK / f"people.csv.journal{suffix}").unlink(missing_ok=True)
    started = time.perf_counter()
    seen: list[Seen] = []
    with subprocess.Popen(
        command, cwd=WORK, env=environment(port), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            found = re.match(r"([0-9]+) of [0-9]+ rows", line)
            if "messages to send" in line:
                seen = [look(process.pid, started, 0)]
            elif found:
                seen.append(look(process.pid, started, int(found[1])))
            elif line.startswith(f"{count} rows: "):
                seen.append(look(process.pid, started, count))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    middle = min(seen, key=lambda each: abs(each.rows - count / 2))
    return MILLION.format(
        rows=count,
        wall=time.perf_counter() - started,
        first=speeds(seen[0], middle),
        second=speeds(middle, seen[-1]),
        memory=usage.ru_maxrss / 1024,
    )


@dataclass(frozen=True)
class Seen:
    """How far a run was: seconds on the clock and of the CPU, and rows."""

    wall: float
    cpu: float
    rows: int


def look(process: int, started: float, rows: int) -> Seen:
    """Take note of where a process is."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return Seen(time.perf_counter() - started, cpu, rows)


def speeds(first: Seen, last: Seen) -> str:
    """Return messages a second and CPU microseconds a message, as cells."""
    rows = last.rows - first.rows
    wall, cpu = last.wall - first.wall, last.cpu - first.cpu
    return f"{rows / wall:,.0f} | {1e6 * cpu / rows:.0f}"


def results(runs: dict[str, list[Once]], count: int, python: Path, million: str) -> str:
    """Return the page."""
    head = ("", "median s", "messages/s", "CPU µs a message", "peak memory MiB", "× nodemailer")
    rows = [
        (
            name,
            f"{median(run.wall for run in each):.2f}",
            f"{ROWS / median(run.wall for run in each):,.0f}",
            f"{1e6 * median(run.cpu for run in each) / ROWS:.0f}",
            f"{median(run.memory for run in each):.0f}",
            f"{ratio(runs, name):.1f}",
        )
        for name, each in runs.items()
    ]
    return RESULTS.format(
        heading=report.BULK,
        rows=ROWS,
        connections=CONNECTIONS,
        surroundings=report.machine(python),
        rounds=count,
        figures=report.table(head, rows),
        ratio=ratio(runs, "nexomailer"),
        million=million,
    )


def ratio(runs: dict[str, list[Once]], name: str) -> float:
    """Return how many times as fast as nodemailer something was, within a round."""
    return median(b.wall / a.wall for a, b in zip(runs[name], runs["nodemailer"], strict=True))


if __name__ == "__main__":
    main()
