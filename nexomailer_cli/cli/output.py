"""The one door for words: results to stdout, everything else to stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.errors import OutputError

if TYPE_CHECKING:
    from typing import TextIO

MAX_WIDTH = 100  # columns of a paragraph
UNWRITABLE = "cannot write to standard output"
_STYLES = {"error": "31;1", "warning": "33", "good": "32", "faint": "2", "strong": "1"}


class Output(Struct, frozen=True):
    """Where words go, and how loudly. Texts are harmless when they come here."""

    verbose: bool = False
    quiet: bool = False
    color: bool = True

    def result(self, text: str) -> None:
        """Write a line that somebody may pipe on."""
        self.result_bytes(text.encode("utf-8", "backslashreplace") + b"\n")

    def result_bytes(self, data: bytes) -> None:
        """Write bytes to stdout as they are; a reader who has gone is no error.

        Raises OutputError when they cannot be written, as on a full disk.
        """
        if sys.stdout is None:
            raise OutputError(f"{UNWRITABLE}: it is closed")
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
        except BrokenPipeError:
            give_up(sys.stdout)
        except OSError as error:
            give_up(sys.stdout)
            raise OutputError(f"{UNWRITABLE}: {error.strerror}") from error

    def show(self, text: str) -> None:
        """Write a line for people to stdout, in its own encoding."""
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        self.result_bytes(f"{text}\n".encode(encoding, "backslashreplace"))

    def progress(self, text: str) -> None:
        """Write to stderr as it is: a picture that is overdrawn has escape sequences in it."""
        self._write(text)

    def prompt(self, text: str) -> None:
        """Write a question to stderr; the answer is typed behind it."""
        self._write(text)
        if sys.stderr is not None:
            with contextlib.suppress(OSError):  # nobody can be asked, and nobody will answer
                sys.stderr.flush()

    def note(self, text: str) -> None:
        """Tell something that is good to know."""
        if not self.quiet:
            self._say(text)

    def fact(self, text: str) -> None:
        """Tell what an error is about, also with `--quiet`."""
        self._say(text)

    def ask(self, question: str) -> None:
        """Write a question; the answer is typed on the same line."""
        self._write(f"{question} ")
        if sys.stderr is not None:
            with contextlib.suppress(OSError):
                sys.stderr.flush()

    def indented(self, text: str) -> str:
        """Return text as a paragraph, broken between words where people read it."""
        if sys.stderr is None or not sys.stderr.isatty():
            return f"  {text}"
        import shutil
        import textwrap

        width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
        return textwrap.fill(
            text,
            width,
            initial_indent="  ",
            subsequent_indent="       ",
            break_on_hyphens=False,  # names and options are copied as they stand
        )

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
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        if sys.stderr is None:
            return
        try:
            # Python escapes by itself what the terminal's encoding does not have.
            sys.stderr.write(text)
        except OSError:
            # Nobody can be told, and the mail comes before the words about it.
            give_up(sys.stderr)

    def _styled(self, text: str, style: str) -> str:
        if not self.color or not may_color(sys.stderr):
            return text
        return painted(text, style)


def painted(text: str, style: str) -> str:
    """Return text as a terminal shows it in a style: error, warning, good, faint or strong."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def give_up(stream: TextIO) -> None:
    """Let what is still to be written there go nowhere.

    Otherwise the interpreter complains at exit, and changes the exit status to 120.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def may_color(stream: TextIO | None) -> bool:
    """Whether colour is welcome there: a terminal that can, and nobody said no (no-color.org)."""
    if stream is None or not stream.isatty():
        return False
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
