"""The conversation as it went, with times; secrets never get this far.

The one clock of an examination: milliseconds since it began.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from nexomailer_cli.probe.report import TranscriptLine
from nexomailer_cli.transport.base import said_reply

if TYPE_CHECKING:
    from nexomailer_cli.smtp.reply import Reply

Clock = Callable[[], float]


class Transcript:
    """What both sides said, in order."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self.lines: list[TranscriptLine] = []
        self._clock = clock
        self._start = clock()

    @property
    def ms(self) -> float:
        """How long ago the examination began."""
        return (self._clock() - self._start) * 1000

    def said(self, speaker: Literal["C", "S"], text: str, *, encrypted: bool) -> None:
        """Take down one line."""
        self.lines.append(
            TranscriptLine(ms=round(self.ms, 1), speaker=speaker, encrypted=encrypted, text=text)
        )

    def answered(self, reply: Reply, *, encrypted: bool) -> None:
        """Take down a reply, line by line."""
        for line in said_reply(reply):
            self.said("S", line.text, encrypted=encrypted)
