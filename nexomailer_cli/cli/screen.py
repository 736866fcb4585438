"""The screen of an examination: who shows it, and how, is decided here.

A screen is told what happens, in this order: `begin` for a target, `stage` for each stage that
ends, and at last `report`; where several targets are examined, one after the other, `begin` and
`stage` for each of them, and at last `examinations`. `close` takes away what only stands there
while an examination runs; it may be called at any time, and more than once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from nexomailer_cli.cli.screen_page import page_of

if TYPE_CHECKING:
    from typing import TextIO

    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.probe.report import Examinations, Report, Target
    from nexomailer_cli.probe.stage import AnyStage

Form = Literal["words", "json", "ndjson"]


class Screen(Protocol):
    """What listens to an examination and tells somebody of it."""

    def begin(self, target: Target) -> None:
        """A target is going to be examined."""

    def stage(self, stage: AnyStage) -> None:
        """A stage has ended."""

    def report(self, report: Report) -> None:
        """The examination of the only target has ended, or was interrupted."""

    def examinations(self, several: Examinations) -> None:
        """All examinations have ended."""

    def close(self) -> None:
        """Nothing more will come."""


def screen_for(
    output: Output,
    *,
    stdout: TextIO | None,
    stderr: TextIO | None,
    form: Form = "words",
    several: bool = False,
) -> Screen:
    """Return the screen that suits the streams and the options.

    The streams are only looked at; everything is written through `output`. `several` says
    that the last call will be `examinations`.
    """
    if form != "words":
        from nexomailer_cli.cli.screen_json import JsonScreen

        return JsonScreen(output, is_stream=form == "ndjson")
    page = page_of(stdout, color=output.color, verbose=output.verbose)
    if output.quiet:
        from nexomailer_cli.cli.screen_quiet import QuietScreen

        return QuietScreen(output, page)
    if page.is_colored:
        from nexomailer_cli.cli.screen_live import LiveScreen

        return LiveScreen(output, page, page_of(stderr, color=output.color, verbose=False))
    from nexomailer_cli.cli.screen_plain import PlainScreen

    return PlainScreen(output, page, is_silent=several)
