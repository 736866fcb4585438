"""Times how messages of a run are made: letter and row in, finished octets out, one core.

    bench/.work/venv/bin/python bench/compose.py [--messages N] [--rounds N] [--keep | --profile]

Prints a table, and keeps it in bench/RESULTS.md if asked to; `--profile` says instead where
the time of text and HTML goes. Rounds are interleaved, and the best one counts: it is the one
that had the core to itself.
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import os
import pstats
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import crowd
import pages
import report

from nexomailer_cli.bulk.recipients import Row, open_rows
from nexomailer_cli.message.letter import Letter, Table, compile_letter
from nexomailer_cli.message.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = """# Composing

Made by `bench/compose.py`: letter and row in, finished octets out, on one core; the last two lines
are parts of an examination.

{surroundings}
- {messages:,} messages, {rounds} interleaved rounds; the best one, by CPU time

{aims}

{table}
"""
BOTH, AIM = "text + HTML", 20_000.0

COLUMNS = ("email", "first_name", "last_name", "city", "number", "link")
TEXT = (
    "Dear {{ first_name }} {{ last_name }},\n\n"
    + "This is the line of a newsletter, as long as they are, and nobody reads it.\n" * 9
    + "\nYour number is {{ number }}, and {{ city }} is yours: {{ link }}\n"
)
HTML = (
    "<html><body><h1>Dear {{ first_name }} {{ last_name }}</h1>\n"
    + "<p>This is the line of a <b>newsletter</b>, and nobody reads it.</p>\n" * 14
    + '<p>Your number is {{ number }}. <a href="{{ link }}">{{ city }}</a></p></body></html>\n'
)
MARKDOWN = TEXT.replace("{{ link }}", "[this]({{ link }})").replace("Dear", "# Dear")
SUBJECT = "{{ first_name }}, number {{ number }} is yours"
TO = "{{ first_name }} {{ last_name }} <{{ email }}>"


def main() -> None:
    """Measure and print."""
    wanted = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        cases = dict(_cases(Path(folder), wanted.messages))
        if wanted.profile:
            _profile(cases[BOTH], wanted.messages)
            return
        results = _measured(cases, wanted.messages, wanted.rounds)
    page = _page(results, wanted)
    if wanted.keep:
        pages.keep(page)
        rates = {name: 1 / seconds for name, (seconds, _) in results.items()}
        pages.keep_figures("compose", {name: rates[name] for name in rates if "only" not in name})
    sys.stdout.write(page)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__ and __doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--profile", action="store_true")
    return parser.parse_args()


def _cases(folder: Path, count: int) -> Iterator[tuple[str, Callable[[], int]]]:
    """Yield what is measured; each makes all messages and returns the octets of the last."""
    (folder / "large.pdf").write_bytes(os.urandom(100_000))
    plain, foreign = tuple(_rows(count, "Ann")), tuple(_rows(count, "Zoë Ünal"))

    def letter(**wording: Any) -> Letter:
        everything = {"sender": "Ops <ops@example.com>", "to": (TO,), "subject": SUBJECT}
        table = Table(name="", columns=COLUMNS, attach_root=folder, template_folder=folder)
        return compile_letter(Wording(**everything | wording), table)

    both = letter(text=TEXT, html=HTML)
    yield "text", _writing(letter(text=TEXT), plain)
    yield BOTH, _writing(both, plain)
    yield "text + HTML, names and subject not ASCII", _writing(both, foreign)
    yield "HTML, its text derived", _writing(letter(html=HTML), plain)
    yield "Markdown as text + HTML", _writing(letter(markdown=MARKDOWN), plain)
    loop = TEXT + "{% for x in range(3) %}{{ x }}{{ city|upper }}{% endfor %}"
    yield "text + HTML, with a loop and a filter", _writing(letter(text=loop, html=HTML), plain)
    attached = letter(text=TEXT, html=HTML, attach=("large.pdf{% if not city %}{% endif %}",))
    yield "text + HTML, 100 kB attached", _writing(attached, plain)
    yield "check only, text + HTML", _checking(both, plain)
    path = folder / "people.csv"
    _write_table(path, plain)
    yield "read only, CSV of 6 columns", lambda: sum(1 for _ in open_rows(str(path)))


def _rows(count: int, first_name: str) -> Iterator[Row]:
    for number in range(1, count + 1):
        link = f"https://x.example/u/{number}?k=a1b2c3"
        values = (f"person{number}@example.org", first_name, "Example", "Bern", str(number), link)
        yield Row(number, number + 1, dict(zip(COLUMNS, values, strict=True)))


def _write_table(path: Path, rows: tuple[Row, ...]) -> None:
    lines = (",".join(row.values.values()) for row in rows)
    path.write_text("\n".join((",".join(COLUMNS), *lines)))


def _writing(letter: Letter, rows: tuple[Row, ...]) -> Callable[[], int]:
    when = datetime.now(UTC)

    def write() -> int:
        octets = 0
        for row in rows:
            mail = letter.mail(row, message_id=f"<{row.number:032x}@example.com>", date=when)
            octets = len(mail.content)
        return octets

    return write


def _checking(letter: Letter, rows: tuple[Row, ...]) -> Callable[[], int]:
    return lambda: sum(len(letter.check(row).recipients) for row in rows)


def _measured(
    cases: dict[str, Callable[[], int]], messages: int, rounds: int
) -> dict[str, tuple[float, int]]:
    """Return the least seconds per message of each case, and the octets of its last one."""
    best: dict[str, tuple[float, int]] = {}
    for _, (name, work) in itertools.product(range(rounds), cases.items()):
        started = time.process_time()
        octets = work()
        taken = (time.process_time() - started) / messages
        best[name] = min(best.get(name, (taken, octets)), (taken, octets))
    return best


def _page(results: dict[str, tuple[float, int]], wanted: argparse.Namespace) -> str:
    both = 1 / results[BOTH][0]
    return PAGE.format(
        surroundings=report.machine(crowd.PYTHON),
        rounds=wanted.rounds,
        messages=wanted.messages,
        aims=report.aims([report.at_least("messages/s", both, AIM, of=BOTH)]),
        table=report.table(("message", "octets", "µs", "messages/s"), _lines(results)),
    )


def _lines(results: dict[str, tuple[float, int]]) -> Iterator[tuple[str, ...]]:
    for name, (seconds, octets) in results.items():
        size = f"{octets:,}" if "only" not in name else ""
        yield name, size, f"{seconds * 1e6:.1f}", f"{1 / seconds:,.0f}"


def _profile(work: Callable[[], int], messages: int) -> None:
    profiler = cProfile.Profile()
    profiler.runcall(work)
    pstats.Stats(profiler, stream=sys.stdout).sort_stats("tottime").print_stats(25)
    print(f"{messages} messages")


if __name__ == "__main__":
    main()
