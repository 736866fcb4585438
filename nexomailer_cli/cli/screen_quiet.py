"""The screen with `--quiet`: one line for what is wrong, nothing for what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.cli.screen_transcript import tell_transcript
from nexomailer_cli.cli.screen_verdict import first_failure, summary_of
from nexomailer_cli.cli.screen_words import place
from nexomailer_cli.probe.report import Severity

if TYPE_CHECKING:
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.cli.screen_page import Page
    from nexomailer_cli.probe.report import Examinations, Report, Target
    from nexomailer_cli.probe.stage import AnyStage


class QuietScreen:
    """Writes to stdout what made the exit status another one than 0."""

    def __init__(self, output: Output, page: Page) -> None:
        self._output = output
        self._page = page

    def begin(self, target: Target) -> None:
        """Nothing has gone wrong yet."""

    def stage(self, stage: AnyStage) -> None:
        """The report will tell."""

    def report(self, report: Report) -> None:
        """Show the verdict if it is not a good one."""
        if report.exit_code:
            where = place(report.target.host, report.target.port)
            found = first_failure(report)
            what = f"{found.title} ({found.id})" if found else summary_of(report)
            self._show(report.verdict, f"{where}: {what}, exit {report.exit_code}")
        tell_transcript(report, self._output)

    def examinations(self, several: Examinations) -> None:
        """Show the verdicts that are not good."""
        for found in several.findings:
            if found.severity is Severity.FAIL:
                self._show("fail", f"{found.title} ({found.id}), exit {found.exit_code}")
        for report in several.examinations:
            self.report(report)

    def close(self) -> None:
        """Nothing is left over."""

    def _show(self, verdict: str, words: str) -> None:
        sign = self._page.glyph(verdict).paragraphs[0]
        lines = self._page.paragraph(f"{sign} {words}", indent=2)
        self._output.show("\n".join(lines))
