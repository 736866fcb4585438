"""The one door for words: results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

_STYLES = {"error": "31;1", "warning": "33", "good": "32", "faint": "2"}


@dataclass(frozen=True, slots=True)
class Output:
    """Where words go, and how loudly. Texts are harmless when they come here."""

    verbose: bool = False
    quiet: bool = False
    color: bool = True

    def result(self, text: str) -> None:
        """Write a line that somebody may pipe on."""
        self.result_bytes(text.encode("utf-8", "backslashreplace") + b"\n")

    def result_bytes(self, data: bytes) -> None:
        """Write bytes to stdout as they are; a reader who has gone is no error."""
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
        except BrokenPipeError:
            # What the interpreter still flushes at exit goes nowhere, without a complaint.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def note(self, text: str) -> None:
        """Tell something that is good to know."""
        if not self.quiet:
            self._say(text)

    def detail(self, text: str) -> None:
        """Tell something that only `--verbose` asks for."""
        if self.verbose:
            self._say(self._styled(text, "faint"))

    def warn(self, text: str) -> None:
        """Tell something that wants a change, though it works."""
        self._say(f"{self._styled('warning:', 'warning')} {text}")

    def error(self, text: str) -> None:
        """Tell what went wrong."""
        self._say(f"{self._styled('error:', 'error')} {text}")

    def _say(self, text: str) -> None:
        try:
            sys.stderr.write(f"{text}\n")
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        except UnicodeEncodeError:
            sys.stderr.write(text.encode("ascii", "backslashreplace").decode() + "\n")

    def _styled(self, text: str, style: str) -> str:
        if not self.color or not may_color(sys.stderr):
            return text
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def may_color(stream: TextIO) -> bool:
    """Whether colour is welcome there: a terminal that can, and nobody said no (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
