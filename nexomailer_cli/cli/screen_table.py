"""Several examinations: a short table, then the details of those that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.cli.screen_page import Cell, cells
from nexomailer_cli.cli.screen_stages import TIME_WIDTH, heading, listed
from nexomailer_cli.cli.screen_verdict import summary_of, verdict_of, verdict_of_finding
from nexomailer_cli.cli.screen_words import SECURITY, duration, exit_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.cli.screen_page import Page
    from nexomailer_cli.probe.report import Examinations, Report

MAX_NAME = 30
PORT_WIDTH = 5
SECURITY_WIDTH = 8
MIN_VERDICT = 20
# A verdict's glyph is that of a stage which ended so.
HEADS = ("Server", "Port", "TLS", "Time", "Verdict")


def table(several: Examinations, page: Page) -> Iterator[str]:
    """Yield a line for each target, the details of those that failed, and the exit status."""
    yield from _overview(several.examinations, page)
    for found in several.findings:
        yield from (*verdict_of_finding(found).lines(page), "")
    for report in several.examinations:
        if report.verdict not in ("ok", "warn"):
            yield from (*heading(report.target, page), *listed(report, page), "")
            yield from (*verdict_of(report, page).lines(page), "")
    if not several.examinations:
        return
    well = sum(report.verdict in ("ok", "warn") for report in several.examinations)
    counts = f"{well} of {len(several.examinations)} ready to send"
    yield from page.paragraph(f"{counts} · {exit_words(several.exit_code)}", "faint")


def _overview(reports: tuple[Report, ...], page: Page) -> Iterator[str]:
    if not reports:
        return
    names = [page.clean(_named(report)) for report in reports]
    width = max(map(cells, (*names, HEADS[0])))
    blank = Cell(("",), page.glyph_width)
    yield from _line(page, width, blank, HEADS, "faint")
    for report in reports:
        words = (
            _named(report),
            str(report.target.port or ""),
            SECURITY[report.target.security],
            duration(report.duration_ms),
            summary_of(report),
        )
        yield from _line(page, width, page.glyph(report.verdict), words)
    yield ""


def _line(
    page: Page, width: int, glyph: Cell, words: tuple[str, ...], style: str = ""
) -> Iterator[str]:
    name, port, security, time, verdict = words
    fixed = page.glyph_width + PORT_WIDTH + SECURITY_WIDTH + TIME_WIDTH + 4
    width = min(width, MAX_NAME, page.width - fixed)
    cells_of_line = (
        glyph,
        Cell((name,), width, style),
        Cell((port,), PORT_WIDTH, style, is_right=True),
        Cell((security,), SECURITY_WIDTH, style),
        Cell((time,), TIME_WIDTH, style, is_right=True),
    )
    room = page.width - fixed - width - 1
    if room >= MIN_VERDICT:
        yield from page.row(*cells_of_line, Cell((verdict,), room, style))
        return
    # A narrow terminal shows the verdict below.
    yield from page.row(*cells_of_line)
    indent = Cell(("",), page.glyph_width)
    yield from page.row(indent, Cell((verdict,), page.width - page.glyph_width - 1, style))


def _named(report: Report) -> str:
    return report.target.provider or report.target.host
