"""The screen on a terminal: a list that fills in, then the whole picture.

The list stands on stderr and is taken away at the end. Rich draws it, on a thread of its own,
and is loaded only when an examination lasts longer than a person notices.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, cast

from nexomailer_cli.cli.screen_page import Cell
from nexomailer_cli.cli.screen_stages import heading, is_shown, line, line_of, listed, no_bar
from nexomailer_cli.cli.screen_transcript import tell_transcript
from nexomailer_cli.cli.screen_verdict import verdict_of
from nexomailer_cli.cli.screen_words import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from rich.live import Live
    from rich.text import Text

    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.cli.screen_page import Page
    from nexomailer_cli.probe.report import Examinations, Report, Target
    from nexomailer_cli.probe.stage import AnyStage

PATIENCE = 0.2  # seconds without a picture
FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
ASCII_FRAMES = "|/-\\"
FRAMES_PER_SECOND = 10
AFTER_A_FAILURE = "Cross-check"  # other ports, and this one in another way
_ORDERS = {
    "starttls": "dns tcp banner ehlo starttls tls certificate ehlo_tls auth envelope size quit",
    "implicit": "dns tcp tls certificate banner ehlo auth envelope size quit",
    "none": "dns tcp banner ehlo auth envelope size quit",
}


class LiveScreen:
    """Fills in a list while an examination runs, and shows everything when it has ended."""

    def __init__(self, output: Output, page: Page, live_page: Page) -> None:
        self._output = output
        self._page = page
        self._list = RunningList(live_page)
        # Without colour there are no escape sequences, and without these no second drawing.
        is_live = live_page.is_colored
        self._live = LivePicture(self._list, output, live_page.encoding) if is_live else None

    def begin(self, target: Target) -> None:
        """Start the list."""
        self._list.begin(target)
        if self._live:
            self._live.start()

    def stage(self, stage: AnyStage) -> None:
        """Add a stage to the list."""
        self._list.add(stage)

    def report(self, report: Report) -> None:
        """Put the whole picture in place of the list."""
        self.close()
        page = self._page
        body = (*listed(report, page), "", *verdict_of(report, page).lines(page))
        self._show((*heading(report.target, page), *body))
        tell_transcript(report, self._output)

    def examinations(self, several: Examinations) -> None:
        """Put the table in place of the list."""
        from nexomailer_cli.cli.screen_table import table

        self.close()
        self._show(table(several, self._page))
        for report in several.examinations:
            tell_transcript(report, self._output)

    def close(self) -> None:
        """Take the list away."""
        if self._live:
            self._live.stop()

    def _show(self, lines: Iterable[str]) -> None:
        self._output.show("\n".join(line.rstrip() for line in lines))


class RunningList:
    """The stages that have ended, and the one that runs. One thread writes, another reads."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._ended: tuple[str, ...] = ()
        self._order: list[str] = []
        self._current = ""
        self._since = time.monotonic()

    def begin(self, target: Target) -> None:
        """Start anew."""
        self._ended = tuple(heading(target, self._page))
        self._order = _ORDERS[target.security].split()
        self.work_on(self._order[0])

    def add(self, stage: AnyStage) -> None:
        """Take note of a stage that has ended; the next one of the usual order runs now."""
        if is_shown(stage):
            self._ended = (*self._ended, *line_of(stage, self._page, no_bar(self._page)))
        if stage.status == "fail":
            self._order = []
            self.work_on(AFTER_A_FAILURE)
        elif stage.id in self._order:
            rest = self._order[self._order.index(stage.id) + 1 :]
            self.work_on(rest[0] if rest else "")

    def work_on(self, name: str) -> None:
        """Take note of what runs."""
        self._current = NAMES.get(name, name)
        self._since = time.monotonic()

    def lines(self) -> list[str]:
        """Return the list as it is at this moment."""
        page, elapsed = self._page, time.monotonic() - self._since
        frames = ASCII_FRAMES if page.is_ascii else FRAMES
        frame = frames[int(elapsed * FRAMES_PER_SECOND) % len(frames)]
        sign = Cell((frame,), page.glyph_width)
        running = line(page, sign, self._current, ("",), elapsed * 1000, no_bar(page))
        return [*self._ended, *running]


class LivePicture:
    """Draws a list again and again, from `start` to `stop`."""

    def __init__(self, content: RunningList, output: Output, encoding: str) -> None:
        self._content = content
        self._encoding = encoding
        self._output = output
        self._timer: threading.Timer | None = None
        self._live: Live | None = None

    def start(self) -> None:
        """Begin to draw after a moment."""
        if self._timer is None:
            self._timer = threading.Timer(PATIENCE, self._draw)
            self._timer.daemon = True
            self._timer.start()

    def stop(self) -> None:
        """Take the picture away; what was under it can be written to again."""
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer.join()
        self._timer = None
        if self._live:
            self._live.stop()
            self._live = None

    def _draw(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            get_renderable=self._picture,
            console=Console(
                file=cast("TextIO", _Door(self._output, self._encoding)), force_terminal=True
            ),
            transient=True,
            refresh_per_second=FRAMES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _picture(self) -> Text:
        from rich.text import Text

        # Each line is finished; Rich must find nothing in it to mark up, wrap or replace.
        return Text.from_ansi("\n".join(self._content.lines()), no_wrap=True, overflow="crop")


class _Door:
    """The file that Rich believes to write to."""

    def __init__(self, output: Output, encoding: str) -> None:
        self.encoding = encoding
        self._output = output

    def write(self, text: str) -> int:
        """Write through the one door."""
        self._output.progress(text)
        return len(text)

    def flush(self) -> None:
        """The stream of errors does not keep anything back for long."""

    def isatty(self) -> bool:
        """Nothing is drawn elsewhere."""
        return True
