"""The conversation, for those who ask with `--verbose`: to stderr, as with every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.cli.screen_words import place
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.probe.report import Report, TranscriptLine


def tell_transcript(report: Report, output: Output) -> None:
    """Tell who said what, and when; lines that went through TLS are marked `~`.

    A line stays a line, however long: it is evidence.
    """
    if not report.transcript:
        return
    target = report.target
    output.detail(f"conversation with {printable(place(target.host, target.port))}")
    for line in report.transcript:
        output.detail(_told(line))


def _told(line: TranscriptLine) -> str:
    mark = "~" if line.encrypted else " "
    return f"{line.ms:8.1f} ms {mark}{line.speaker}: {printable(line.text)}"
