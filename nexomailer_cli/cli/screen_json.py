"""The screen for programs: one JSON object, or one line for each stage as it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from nexomailer_cli.cli.screen_transcript import tell_transcript

if TYPE_CHECKING:
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.probe.report import Examinations, Report, Target
    from nexomailer_cli.probe.stage import AnyStage


class JsonScreen:
    """Writes `--json`, or with `is_stream` `--ndjson`, whose last line is the result."""

    def __init__(self, output: Output, *, is_stream: bool) -> None:
        self._output = output
        self._is_stream = is_stream
        self._target: Target | None = None

    def begin(self, target: Target) -> None:
        """Take note of whose stages will follow."""
        self._target = target

    def stage(self, stage: AnyStage) -> None:
        """Write an event."""
        if self._is_stream:
            event = {"event": "stage", "target": self._target}
            self._write(event | msgspec.to_builtins(stage))

    def report(self, report: Report) -> None:
        """Write the result."""
        self._result(report)
        tell_transcript(report, self._output)

    def examinations(self, several: Examinations) -> None:
        """Write the result."""
        self._result(several)
        for report in several.examinations:
            tell_transcript(report, self._output)

    def close(self) -> None:
        """Nothing is left over."""

    def _result(self, result: Report | Examinations) -> None:
        if self._is_stream:
            self._write({"event": "result"} | msgspec.to_builtins(result))
        else:
            self._write(result)

    def _write(self, value: Any) -> None:
        self._output.result_bytes(msgspec.json.encode(value) + b"\n")
