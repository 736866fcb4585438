"""The screen without a terminal, or on one that shall see no colour: each line as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.cli.screen_stages import heading, is_shown, left_out, line_of
from nexomailer_cli.cli.screen_transcript import tell_transcript
from nexomailer_cli.cli.screen_verdict import verdict_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.cli.screen_page import Page
    from nexomailer_cli.probe.report import Examinations, Report, Target
    from nexomailer_cli.probe.stage import AnyStage


class PlainScreen:
    """Writes to stdout, stage by stage; silent until the end where there are several targets."""

    def __init__(self, output: Output, page: Page, *, is_silent: bool) -> None:
        self._output = output
        self._page = page
        self._is_silent = is_silent
        self._has_begun = False
        self._told: set[str] = set()

    def begin(self, target: Target) -> None:
        """Show what is examined."""
        self._has_begun = True
        self._show(heading(target, self._page))

    def stage(self, stage: AnyStage) -> None:
        """Show a stage, unless it is one of those that are told of together."""
        self._told.add(stage.id)
        if is_shown(stage):
            self._show(line_of(stage, self._page))

    def report(self, report: Report) -> None:
        """Show what has not been shown yet, and the verdict."""
        if not self._has_begun:
            self.begin(report.target)
        for stage in report.stages:
            if stage.id not in self._told:
                self.stage(stage)
        self._is_silent = False
        rest = left_out(report, self._page)
        self._show((*rest, "", *verdict_of(report, self._page).lines(self._page)))
        tell_transcript(report, self._output)

    def examinations(self, several: Examinations) -> None:
        """Show the table."""
        from nexomailer_cli.cli.screen_table import table

        self._is_silent = False
        self._show(table(several, self._page))
        for report in several.examinations:
            tell_transcript(report, self._output)

    def close(self) -> None:
        """Nothing is left over."""

    def _show(self, lines: Iterable[str]) -> None:
        text = "\n".join(line.rstrip() for line in lines)
        if text and not self._is_silent:
            self._output.show(text)
