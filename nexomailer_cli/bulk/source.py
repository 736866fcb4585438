"""The input file: opened once, read as often as need be, and never another one in between.

Gives text with its byte order mark taken off. Knows encodings, not what the text says.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import stat
import sys
from typing import TYPE_CHECKING

from nexomailer_cli.errors import InputError, UsageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

STDIN = "-"
# Characters; a line beyond this is no table, and must not end up in memory.
MAX_LINE = 8 * 1024 * 1024

_BLOCK = 256 * 1024  # octets
_SAMPLE = 4096  # octets
# The longer ones first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# To open a named pipe must not wait; that it is one is seen afterwards.
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)


class BadLine(Exception):  # noqa: N818 - a signal within this room, not for people
    """A line that cannot be read; everything behind it is out of reach."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


class Source:
    """An input that can be read several times, each time from the start.

    A pipe is kept in an unnamed file. Raises InputError for what is no file and when it has
    changed since it was opened, UsageError for an encoding nobody knows.
    """

    def __init__(self, path: str, encoding: str = "") -> None:
        self.name = "standard input" if path == STDIN else printable(path)
        self._is_given = bool(encoding)
        self.encoding = _checked(encoding) if encoding else ""
        self._file = self._opened(path)
        self._state = self._now()
        self.encoding = self.encoding or self._found()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def blocks(self) -> Iterator[bytes]:
        """Yield the octets as they are, for whoever makes a fingerprint of them."""
        reader = _Reader(self._file.fileno())
        while block := reader.read(_BLOCK):
            yield block

    def lines(self) -> Iterator[str]:
        """Yield the lines with their ends, CRLF, LF or CR.

        Raises BadLine for what is not text in this encoding, for NUL, and for a line that
        does not end.
        """
        self._require_unchanged()
        number = 1
        try:
            text = self._text()
            read = text.readline
            line = read(MAX_LINE).removeprefix("\ufeff")
            while line:
                if "\0" in line or len(line) >= MAX_LINE:
                    raise BadLine(number, self._why_bad(line))
                yield line
                line = read(MAX_LINE)
                number += 1
        except UnicodeDecodeError as error:
            raise BadLine(self._undecodable(), self._not_text(error)) from None
        except OSError as error:
            raise BadLine(number, f"cannot be read: {error.strerror}") from error
        self._require_unchanged()

    def _text(self) -> io.TextIOWrapper:
        buffered = io.BufferedReader(_Reader(self._file.fileno()), _BLOCK)
        return io.TextIOWrapper(buffered, self.encoding, newline="")

    def _opened(self, path: str) -> IO[bytes]:
        if path == STDIN:
            if sys.stdin is None or sys.stdin.closed:
                raise InputError("cannot read standard input: it is closed")
            return self._kept(sys.stdin.buffer)
        try:
            file = os.fdopen(os.open(path, _FLAGS), "rb")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(f"cannot read {self.name}: {reason}") from error
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISREG(mode):
            return file
        with file:
            if stat.S_ISFIFO(mode):
                return self._kept(file)
        raise InputError(
            f"cannot read {self.name}: it is neither a file nor a pipe",
            hint="Give a .csv, .tsv or .jsonl file, or - for standard input.",
        )

    def _kept(self, pipe: IO[bytes]) -> IO[bytes]:
        """Keep what comes from a pipe in a file that is gone with this process."""
        if stat.S_ISREG(os.fstat(pipe.fileno()).st_mode):
            return os.fdopen(os.dup(pipe.fileno()), "rb")
        import tempfile

        file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this object
        try:
            while block := pipe.read(_BLOCK):
                file.write(block)
            file.flush()
        except OSError as error:
            raise InputError(f"cannot keep a copy of {self.name}: {error.strerror}") from error
        return file

    def _now(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns

    def _require_unchanged(self) -> None:
        if self._now() != self._state:
            raise InputError(
                f"{self.name} has changed since it was opened",
                hint="Run the command again when nothing writes to the file any more.",
            )

    def _found(self) -> str:
        sample = _Reader(self._file.fileno()).read(_SAMPLE) or b""
        return next((name for mark, name in _MARKS if sample.startswith(mark)), "utf-8")

    def _why_bad(self, line: str) -> str:
        if "\0" in line:
            return f"a NUL character{self._hint_of_nul()}"
        return f"it is longer than {MAX_LINE:,} characters; is this a text file?"

    def _hint_of_nul(self) -> str:
        sample = _Reader(self._file.fileno()).read(_SAMPLE) or b""
        if self._is_given or 3 * sample.count(0) < len(sample):
            return ""
        order = "le" if sample[1::2].count(0) > sample[::2].count(0) else "be"
        return f"; is the file UTF-16? Then say --encoding utf-16-{order}"

    def _not_text(self, error: UnicodeDecodeError) -> str:
        octet = error.object[error.start] if error.start < len(error.object) else 0
        what = f"the octet 0x{octet:02X} is not {self.encoding.removesuffix('-sig').upper()} text"
        if self._is_given:
            return what
        if hint := self._hint_of_nul():
            return what + hint
        return f"{what}; a file from Excel may need --encoding cp1252"

    def _undecodable(self) -> int:
        """Return the line that could not be decoded: blocks of text do not tell."""
        decoder = codecs.getincrementaldecoder(self.encoding)()
        ends, before = 0, ""
        for block in self.blocks():
            state = decoder.getstate()
            try:
                text = decoder.decode(block)
            except UnicodeDecodeError:
                decoder.setstate(state)
                return ends + _ends(before, _good_part(decoder, block)) + 1
            ends += _ends(before, text)
            before = text[-1:]
        return ends + 1


class _Reader(io.RawIOBase):
    """A position of its own in a file that several may read at once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = os.pread(self._descriptor, len(buffer), self._position)
        buffer[: len(block)] = block
        self._position += len(block)
        return len(block)


def _ends(before: str, text: str) -> int:
    """Count the line ends of `text` as reading does: CRLF is one, also across blocks."""
    split = before == "\r" and text.startswith("\n")
    return text.count("\n") + text.count("\r") - text.count("\r\n") - split


def _good_part(decoder: codecs.IncrementalDecoder, block: bytes) -> str:
    good: list[str] = []
    with contextlib.suppress(UnicodeDecodeError):
        good.extend(decoder.decode(block[index : index + 1]) for index in range(len(block)))
    return "".join(good)


def _checked(encoding: str) -> str:
    with contextlib.suppress(LookupError, ValueError):
        name = codecs.lookup(encoding).name
        # Some codecs make octets of octets; to ask them for text is a LookupError.
        with contextlib.suppress(UnicodeError):
            b"x".decode(name)
        return name
    raise UsageError(
        f"--encoding: “{printable(encoding)}” is not an encoding",
        hint="Common ones are utf-8, utf-16, cp1252 and latin-1.",
    )
