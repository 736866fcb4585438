"""Figures become bench/RESULTS.md. Medians throughout; ratios are those within one round."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from servers import program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from stopwatch import Run

Runs = dict[str, list["Run"]]
Row = tuple[str, str, str]
BARE = "python -c pass"
NEXOMAILER = "nexomailer"
NODEMAILER = "nodemailer"
SWAKS = "swaks"
TITLES = {"plain": "in clear", "starttls": "STARTTLS", "tls": "implicit TLS"}

# From the project's list of what it wants to reach.
VERSION_MS = 90.0
TIMES_SWAKS = 2.0


def ratio(runs: Runs, name: str, base: str) -> float:
    """Return how much longer `name` takes than `base` did in the same round."""
    return median(a.wall / b.wall for a, b in zip(runs[name], runs[base], strict=True))


def extra_ms(runs: Runs, name: str) -> float:
    """Return how many milliseconds `name` takes beyond a bare interpreter in the same round."""
    pairs = zip(runs[name], runs[BARE], strict=True)
    return 1000 * median(a.wall - b.wall for a, b in pairs)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table whose first column is text and the rest numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def figures(runs: Runs, base: str) -> str:
    """Return the table of one group, with ratios to bare Python and to `base`."""
    head = ("", "median ms", "fastest ms", "over bare Python ms", "× bare Python")
    rows = []
    for name, each in runs.items():
        walls = [1000 * run.wall for run in each]
        rows.append(
            (
                f"`{name}`" if " " in name else name,
                f"{median(walls):.0f}",
                f"{min(walls):.0f}",
                f"{extra_ms(runs, name):.0f}",
                f"{ratio(runs, name, BARE):.1f}",
                f"{ratio(runs, name, base):.2f}",
                f"{median(1000 * run.cpu for run in each):.0f}",
            )
        )
    return table((*head, f"× {base.removesuffix(' -e 0')}", "CPU ms"), rows)


def aims(rows: Iterable[Row]) -> str:
    """Return what was aimed at, and what came of it."""
    return table(("aim", "measured", ""), rows)


def send_aims(starts: Runs, sends: Mapping[str, Runs]) -> Iterator[Row]:
    """Yield the aims of starting and sending."""
    version = extra_ms(starts, "nexomailer --version")
    yield (
        f"`--version` at most {VERSION_MS:.0f} ms more than bare Python",
        f"{version:.0f} ms more",
        _met(is_met=version <= VERSION_MS),
    )
    for security in ("starttls", "tls"):
        slower = ratio(sends[security], NEXOMAILER, NODEMAILER)
        yield at_most("time ÷ nodemailer's", slower, 0.8, of=f"`send`, {TITLES[security]}")


def probe_aims(probes: Mapping[str, Runs]) -> Iterator[Row]:
    """Yield the aims of `test-connection`."""
    for security, runs in probes.items():
        slower = ratio(runs, NEXOMAILER, SWAKS)
        of = f"`test-connection`, {TITLES[security]}"
        yield at_most("time ÷ swaks's", slower, TIMES_SWAKS, of=of)


def at_least(what: str, measured: float, least: float, *, of: str) -> Row:
    """Return the row of an aim that is met by `least` or more."""
    return f"{of}: {what} >= {least:g}", f"{measured:.2f}", _met(is_met=measured >= least)


def at_most(what: str, measured: float, most: float, *, of: str) -> Row:
    """Return the row of an aim that is met by `most` or less."""
    return f"{of}: {what} <= {most:g}", f"{measured:.2f}", _met(is_met=measured <= most)


def _met(*, is_met: bool) -> str:
    return "met" if is_met else "**missed**"


def surroundings(python: Path) -> str:
    """Return date, machine and versions, one per line."""
    lines = (
        " ".join(_first(program("msmtp"), "--version").split()[:3]),
        _first(program("swaks"), "--version"),
        " ".join(_first(program("curl"), "--version").split()[:2]),
    )
    return "\n".join((machine(python), *(f"- {line}" for line in lines)))


def machine(python: Path) -> str:
    """Return date, machine and the versions of the two that are always compared."""
    lines = (
        time.strftime("%Y-%m-%d %H:%M %Z"),
        f"{_cpu()}, {os.cpu_count()} cores, Linux {platform.release()}, {_system()}",
        f"load before the first round {os.getloadavg()[0]:.1f}",
        f"nexomailer {_first(python.with_name('nexomailer'), '--version').split()[-1]}, "
        f"commit {_commit()}",
        _first(python, "--version"),
        f"node {_first(program('node'), '--version')}, nodemailer {_nodemailer()}",
    )
    return "\n".join(f"- {line}" for line in lines)


def _first(command: str | Path, *arguments: str) -> str:
    ran = subprocess.run([command, *arguments], capture_output=True, text=True, check=True)
    return ran.stdout.strip().split("\n")[0]


def _nodemailer() -> str:
    folder = Path(__file__).parent / ".work" / "node"
    ask = "process.stdout.write(require('nodemailer/package.json').version)"
    ran = subprocess.run(
        [program("node"), "-e", ask], cwd=folder, capture_output=True, text=True, check=True
    )
    return ran.stdout


def _commit() -> str:
    here = Path(__file__).parent
    ran = subprocess.run(
        ["git", "describe", "--always", "--dirty=, with changes", "--exclude=*"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout.strip() or "unknown"


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
