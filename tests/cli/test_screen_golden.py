"""The screens as they are, at the widths people have: `tests/cli/screens/`.

`python -m tests.cli.test_screen_golden` draws them again, for whoever wants another picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nexomailer_cli.cli.screen_page import Page, cells
from nexomailer_cli.cli.screen_stages import heading, left_out, line_of, listed
from nexomailer_cli.cli.screen_table import table
from nexomailer_cli.cli.screen_verdict import verdict_of
from nexomailer_cli.probe.report import Report
from tests.cli import screen_examples as examples

FOLDER = Path(__file__).parent / "screens"
PAGES = {
    "100": Page(width=100, is_framed=True),
    "80": Page(width=80, is_framed=True),
    "80_ascii": Page(width=80, is_framed=True, is_ascii=True, encoding="ascii"),
    "80_plain": Page(width=80),
    "40": Page(width=40, is_framed=True),
}


def drawn(report: Report, page: Page) -> Iterator[str]:
    yield from heading(report.target, page)
    yield from listed(report, page)
    yield ""
    yield from verdict_of(report, page).lines(page)


def everything(page: Page) -> str:
    screens = [drawn(each(), page) for each in (*examples.FIVE, examples.interrupted)]
    screens.append(table(examples.several(), page))
    rule = f"{'=' * page.width}\n"
    return rule.join("".join(f"{line.rstrip()}\n" for line in lines) for lines in screens)


@pytest.mark.parametrize("name", PAGES)
def test_the_screens_are_as_they_were_agreed_on(name: str) -> None:
    assert everything(PAGES[name]) == (FOLDER / f"{name}.txt").read_text("utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_no_line_is_wider_than_the_terminal(name: str) -> None:
    page = PAGES[name]
    assert max(map(cells, everything(page).splitlines())) <= page.width


def test_without_unicode_every_character_is_ascii() -> None:
    assert everything(PAGES["80_ascii"]).isascii()


def test_the_bars_need_a_hundred_columns() -> None:
    assert "━" in everything(PAGES["100"])
    assert "━" not in everything(PAGES["80_plain"])


def test_colour_changes_nothing_but_colour() -> None:
    import re

    plain = PAGES["100"]
    colored = Page(width=100, is_framed=True, is_colored=True)
    codes = re.compile(r"\x1b\[[0-9;]+m")
    lines = codes.sub("", everything(colored)).splitlines()
    assert [line.rstrip() for line in lines] == everything(plain).splitlines()
    assert len(codes.findall(everything(colored))) > 100


def test_a_line_of_a_stage_stands_alone_where_lines_come_one_by_one() -> None:
    page = PAGES["80_plain"]
    report = examples.wrong_name()
    line = line_of(report.stages[2], page)
    assert [each.split() for each in line] == [
        ["✓", "Resolve", "1", "address:", "203.0.113.25", "4", "ms"]
    ]
    assert left_out(report, page)[0].startswith("· not reached EHLO (TLS), sign in, envelope")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / f"{name}.txt").write_text(everything(page), "utf-8")
