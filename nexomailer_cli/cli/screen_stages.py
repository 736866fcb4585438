"""The list of stages: one line each, those in which nothing happened in one together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.cli.screen_page import Cell
from nexomailer_cli.cli.screen_words import NAMES, duration, name_of, origins, titled
from nexomailer_cli.probe.stage import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nexomailer_cli.cli.screen_page import Page
    from nexomailer_cli.probe.report import Report, Target
    from nexomailer_cli.probe.stage import AnyStage

NAME_WIDTH = max(map(len, NAMES.values()))
TIME_WIDTH = 8
BAR_WIDTH = 20
WIDTH_WITH_BARS = 100
MAX_NOTES = 12
FINE = (Status.OK, Status.INFO)
# Of these there is nothing to tell while all is well.
QUIET = ("target", "environment", "quit")
LATE = ("auth", "envelope", "size")


def heading(target: Target, page: Page) -> list[str]:
    """Return what is examined, and where each value came from."""
    lines = page.paragraph(titled(target), "strong", indent=2)
    told = origins(target)
    return [*lines, *(page.paragraph(told, "faint", indent=2) if told else ()), ""]


def is_shown(stage: AnyStage) -> bool:
    """Whether a stage has a line of its own."""
    if stage.status is Status.SKIP:
        return False
    return stage.id not in QUIET or stage.status not in FINE


def line_of(stage: AnyStage, page: Page, bar: str | None = None) -> list[str]:
    """Return the line of a stage, and what else is to be said of it below."""
    words = (stage.summary, *_notes(stage, page))
    return line(page, page.glyph(stage.status), NAMES[stage.id], words, stage.duration_ms, bar)


def listed(report: Report, page: Page) -> list[str]:
    """Return the lines of all stages, as they are when an examination has ended."""
    shown = [stage for stage in report.stages if is_shown(stage)]
    early = () if page.is_verbose else _collapsible(shown)
    rest = shown[len(early) :]
    lines = _together(early, shown, page) if early else []
    for stage in rest:
        lines += line_of(stage, page, _bar((stage,), shown, page))
    return lines + left_out(report, page)


def left_out(report: Report, page: Page) -> list[str]:
    """Return one line for the stages that were not reached, or not asked for."""
    words = _unreached(report) if _has_failed(report) else _untested(report)
    if not words:
        return []
    name = "not reached" if _has_failed(report) else "not tested"
    return line(page, page.glyph(Status.SKIP), name, (words,), None, None)


def line(
    page: Page,
    sign: Cell,
    name: str,
    words: Sequence[str],
    milliseconds: float | None,
    bar: str | None,
) -> list[str]:
    """Return the columns of the list; where `bar` is not None, it has one of its own."""
    used = page.glyph_width + 1 + NAME_WIDTH + 1 + 1 + TIME_WIDTH
    if bar is not None:
        used += 1 + BAR_WIDTH
    cells = [
        sign,
        Cell((name,), NAME_WIDTH),
        Cell(tuple(words), page.width - used),
        Cell((duration(milliseconds),), TIME_WIDTH, is_right=True),
    ]
    if bar is not None:
        cells.append(Cell((bar,), BAR_WIDTH, "faint"))
    return page.row(*cells)


def no_bar(page: Page) -> str | None:
    """Return what stands in the column of the bars before these can be drawn."""
    return "" if page.width >= WIDTH_WITH_BARS else None


def _notes(stage: AnyStage, page: Page) -> tuple[str, ...]:
    if stage.status is Status.OK and not page.is_verbose:
        return ()
    reason = stage.reason if stage.status is Status.UNKNOWN else None
    notes = (reason, *stage.notes) if reason else stage.notes
    if page.is_verbose or len(notes) <= MAX_NOTES:
        return notes
    return (*notes[:MAX_NOTES], f"… {len(notes) - MAX_NOTES} more lines: -v shows them")


def _collapsible(shown: Sequence[AnyStage]) -> Sequence[AnyStage]:
    """Return the stages before the failure, if it is a late one and they are all in order."""
    failed = next((each for each in shown if each.status is Status.FAIL), None)
    if failed is None or failed.id not in LATE:
        return ()
    early = shown[: shown.index(failed)]
    is_fine = all(stage.status in FINE for stage in early)
    return early if is_fine and len(early) > 1 else ()


def _together(early: Sequence[AnyStage], shown: Sequence[AnyStage], page: Page) -> list[str]:
    words = f"{len(early)} stages fine, up to {name_of(early[-1].id)}"
    spent = sum(stage.duration_ms or 0 for stage in early)
    name = f"{NAMES[early[0].id]} …"
    return line(page, page.glyph(Status.OK), name, (words,), spent, _bar(early, shown, page))


def _bar(part: Sequence[AnyStage], shown: Sequence[AnyStage], page: Page) -> str | None:
    """Return where in the whole time these stages lie, if there is room to show it."""
    if no_bar(page) is None:
        return None
    spans, all_spans = _spans(part), _spans(shown)
    whole = max((end for _, end in all_spans), default=0.0)
    if not spans or whole <= 0:
        return ""
    begin, end = min(start for start, _ in spans), max(end for _, end in spans)
    offset = min(round(begin / whole * BAR_WIDTH), BAR_WIDTH - 1)
    length = max(round(end / whole * BAR_WIDTH) - offset, 1)
    return " " * offset + ("=" if page.is_ascii else "━") * length


def _spans(stages: Sequence[AnyStage]) -> list[tuple[float, float]]:
    return [
        (max(stage.start_ms, 0.0), max(stage.start_ms, 0.0) + stage.duration_ms)
        for stage in stages
        if stage.start_ms is not None and stage.duration_ms
    ]


def _has_failed(report: Report) -> bool:
    return any(stage.status is Status.FAIL for stage in report.stages)


def _unreached(report: Report) -> str:
    failed = next(each for each in report.stages if each.status is Status.FAIL)
    after = report.stages[report.stages.index(failed) + 1 :]
    ids = {stage.id for stage in report.stages}
    skipped = [
        name_of(stage.id)
        for stage in after
        if stage.status is Status.SKIP
        and (stage.reason is None or stage.reason in ids)
        and stage.id not in QUIET
    ]
    is_early = failed.id in ("target", "environment", "dns", "tcp")
    return "everything else" if skipped and is_early else ", ".join(skipped)


def _untested(report: Report) -> str:
    """Return what was skipped for a reason that a person can do something about."""
    return " · ".join(
        f"{name_of(stage.id)}: {stage.reason}"
        for stage in report.stages
        if stage.status is Status.SKIP and stage.reason and stage.id not in QUIET
    )
