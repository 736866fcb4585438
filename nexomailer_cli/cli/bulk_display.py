"""What is seen of a run while it works: a display on a terminal, a line now and then, JSON."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from nexomailer_cli.bulk.events import Event, Settled, Stopping, Troubled
from nexomailer_cli.bulk.state import State
from nexomailer_cli.cli.delivery import told
from nexomailer_cli.cli.output import may_color
from nexomailer_cli.config.duration import format_duration

if TYPE_CHECKING:
    from rich.live import Live

    from nexomailer_cli.bulk.desk import Desk
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.pool.desk import PoolState

SCHEMA = "nexomailer.bulk/1"
LINE_SECONDS = 10.0
SHOWN = (State.ACCEPTED, State.DEFERRED, State.REJECTED, State.UNKNOWN)


class View(Protocol):
    """How a run is shown."""

    def __call__(self, event: Event) -> None:
        """Hear of an event."""
        ...

    def tick(self, desk: Desk, pools: dict[str, PoolState]) -> None:
        """Show how far it is."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class Progress:
    """How far a run of `total` rows is, in numbers; `done` of them by earlier runs."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._started = time.monotonic()

    def line(self, desk: Desk) -> str:
        """Return it in one line."""
        rows = desk.tally.rows
        done = rows.total()
        counts = ", ".join(f"{rows[state]} {state.word}" for state in SHOWN if rows[state])
        words = [f"{done} of {self._total} rows", *filter(None, [counts]), self.speed(done)]
        return "; ".join(filter(None, words))

    def speed(self, done: int) -> str:
        """Return speed and the time that is left, as far as they can be known."""
        elapsed = time.monotonic() - self._started
        if not done or elapsed <= 0:
            return ""
        speed = done / elapsed
        left = format_duration(round((self._total - done) / speed))
        return f"{speed:.1f}/s" + (f", {left} left" if done < self._total else "")


class Lines:
    """A line now and then, for logs."""

    def __init__(self, output: Output, total: int) -> None:
        self._output = output
        self._progress = Progress(total)
        self._next = time.monotonic() + LINE_SECONDS

    def __call__(self, event: Event) -> None:
        """Tell what somebody may want to act on."""
        tell(event, self._output)

    def tick(self, desk: Desk, pools: dict[str, PoolState]) -> None:
        """Tell how far it is, if it is time."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_SECONDS
            self._output.note(self._progress.line(desk))

    def close(self) -> None:
        """Do nothing."""


class Screen:
    """Rich's progress display on standard error."""

    def __init__(self, output: Output, total: int) -> None:
        from rich.console import Console

        self._output = output
        self._total = total
        self._progress = Progress(total)
        color = output.color and may_color(sys.stderr)
        self._console = Console(stderr=True, no_color=not color, highlight=False, markup=False)
        self._live = self._started()

    def __call__(self, event: Event) -> None:
        """Tell what somebody may want to act on, above the display."""
        if isinstance(event, Troubled | Stopping):
            self._live.stop()
            tell(event, self._output)
            # One that was stopped remembers its height, and would wipe out what was told.
            self._live = self._started()

    def _started(self) -> Live:
        from rich.live import Live

        live = Live(console=self._console, auto_refresh=False, transient=True)
        live.start()
        return live

    def tick(self, desk: Desk, pools: dict[str, PoolState]) -> None:
        """Show how far it is."""
        self._live.update(self._shown(desk, pools), refresh=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._live.stop()

    def _shown(self, desk: Desk, pools: dict[str, PoolState]) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = time.time()
        done = desk.tally.rows.total()
        shown = Table.grid()
        shown.add_row(ProgressBar(total=max(1, self._total), completed=done, width=60))
        shown.add_row(Text(self._progress.line(desk)))
        for name, pool in pools.items():
            state = desk.line_up.gates[name].state(now)
            there = f"{pool.busy + pool.idle} connections, {pool.busy} busy, {pool.sent} sent"
            shown.add_row(Text(f"{name}: {state}; {there}"))
        return shown


class JsonLines:
    """One JSON object per event on standard output."""

    def __init__(self, output: Output, total: int) -> None:
        self._output = output
        self._total = total
        self._lines: list[bytes] = []

    def __call__(self, event: Event) -> None:
        """Write an event, soon; what somebody may want to act on is told as well."""
        tell(event, self._output)
        self._lines.append(msgspec.json.encode({"schema": SCHEMA, **event_json(event)}))

    def tick(self, desk: Desk, pools: dict[str, PoolState]) -> None:
        """Write what has come together."""
        self._flush()

    def close(self) -> None:
        """Write the rest."""
        self._flush()

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._output.result_bytes(b"\n".join(lines) + b"\n")


def view(output: Output, total: int, *, as_json: bool) -> View:
    """Return the view that the surroundings call for."""
    if as_json:
        return JsonLines(output, total)
    if output.quiet or output.verbose or sys.stderr is None or not sys.stderr.isatty():
        return Lines(output, total)
    return Screen(output, total)


def tell(event: Event, output: Output) -> None:
    """Tell people of an event that they may want to act on; a row's fate only when asked."""
    match event:
        case Troubled(attempt, is_off):
            output.warn(told(attempt))
            if is_off:
                output.warn(f"{attempt.provider} is not used again in this run")
        case Stopping(reason):
            output.warn(f"stopping: {reason}; messages in flight are finished")
        case Settled(state=State.ACCEPTED):
            pass
        case Settled():
            output.detail(f"row {event.number}, {event.key}: {event.state.word}: {event.text}")


def event_json(event: Event) -> dict[str, Any]:
    """Return an event for programs."""
    match event:
        case Settled():
            return {
                "event": "row",
                "row": event.number,
                "key": event.key,
                "verdict": event.state.word,
                "code": event.code,
                "enhanced": event.enhanced or None,
                "text": event.text,
                "provider": event.provider or None,
                "attempts": event.tries,
                "final": event.is_final,
            }
        case Troubled(attempt, is_off):
            return {
                "event": "provider",
                "provider": attempt.provider,
                "phase": attempt.phase,
                "text": attempt.text,
                "off": is_off,
            }
        case Stopping(reason):
            return {"event": "stopping", "reason": reason}
