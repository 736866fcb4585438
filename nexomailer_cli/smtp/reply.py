"""Bytes from a server become replies, or an error.

Theory of operation: a server controls every byte that arrives here, so each of
them is bounded and judged. What is not a reply of RFC 5321 section 4.2 ends the
conversation, because a client that guesses gets out of step, and a client that is
out of step reports refused mail as sent.

Knows nothing about which command a reply belongs to: the pipeline does.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.errors import ProtocolError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# RFC 5321 section 4.5.3.1.5 allows 512 octets; enhanced codes, XOAUTH2 challenges
# and web links in refusals reach a few kilobytes.
MAX_LINE_BYTES = 8 * 1024
# EHLO replies of real servers have up to 20 lines, refusals with advice up to 10.
MAX_REPLY_LINES = 128
MAX_REPLY_BYTES = 32 * 1024
MAX_QUOTED = 200  # octets of what is no reply
# A session says the same few words again and again; those with a queue id stay out.
MAX_KNOWN = 32

_LINE = re.compile(rb"([2-5][0-9]{2})([ -]|$)(.*)", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|$)")


class Severity(IntEnum):
    """The first digit of a reply code (RFC 5321 section 4.2.1)."""

    POSITIVE = 2
    INTERMEDIATE = 3
    TRANSIENT = 4
    PERMANENT = 5


_SEVERITIES = {each.value: each for each in Severity}


class Reply(Struct, frozen=True):
    """One server reply.

    `enhanced` is the enhanced mail system status code of RFC 3463, `""` where there
    is none. `lines` are without the codes, and harmless to show.
    """

    code: int
    enhanced: str = ""
    lines: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        """What the first digit of the code says."""
        return _SEVERITIES[self.code // 100]

    @property
    def text(self) -> str:
        """The words of the reply in one line."""
        if len(self.lines) == 1:
            return self.lines[0]
        return " ".join(line for line in self.lines if line)

    @property
    def status(self) -> str:
        """Both codes, without the words."""
        return f"{self.code} {self.enhanced}".rstrip()

    def __str__(self) -> str:
        return " ".join(part for part in (self.status, self.text) if part)


class ReplyReader:
    """Collects bytes and hands out whole replies.

    `unspoken` takes a secret out of a line: servers have echoed passwords, and not only to the
    command that they came with. Where there is one, what is no reply is not quoted at all.
    """

    def __init__(self, unspoken: Callable[[str], str] | None = None) -> None:
        self._unspoken = unspoken
        self._buffer = b""
        self._known: dict[bytes, Reply] = {}
        self._code = 0
        self._lines: list[bytes] = []
        self._size = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a further reply has arrived."""
        return not self._buffer and not self._lines

    def receive(self, data: bytes) -> list[Reply]:
        """Take what arrived; return the replies that are now complete.

        Raises ProtocolError when the peer does not speak SMTP, sends a code outside
        2xx-5xx or differing codes in one reply, or passes a limit.
        """
        return list(self.replies(data))

    def replies(self, data: bytes) -> Iterator[Reply]:
        """Yield the replies that are now complete, one by one.

        Nonsense behind a reply in the same segment does not take that reply with it: the
        ProtocolError comes when the iteration gets there.
        """
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        known = self._known
        for line in lines:
            reply = known.get(line)
            if reply is None or self._lines:
                reply = self._read(line)
            if reply is not None:
                yield reply
        if len(self._buffer) > MAX_LINE_BYTES:
            raise _too_long("line")

    def _read(self, line: bytes) -> Reply | None:
        is_alone = not self._lines
        reply = self._line(line.removesuffix(b"\r"))
        if is_alone and reply is not None and len(self._known) < MAX_KNOWN:
            self._known[line] = reply
        return reply

    def _line(self, line: bytes) -> Reply | None:
        self._size += len(line)
        if len(line) > MAX_LINE_BYTES:
            raise _too_long("line")
        if self._size > MAX_REPLY_BYTES or len(self._lines) >= MAX_REPLY_LINES:
            raise _too_long("reply")
        match = _LINE.match(line)
        if match is None:
            said = self._quoted(line)
            words = f": it said “{said}”" if said else ""
            raise _not_smtp(f"the other side does not speak SMTP{words}", said)
        code = int(match[1])
        if self._lines and code != self._code:
            words = f"one reply with two codes, {self._code} and {code}"
            raise _not_smtp(words, self._quoted(line))
        self._code = code
        self._lines.append(match[3])
        return None if match[2] == b"-" else self._finish()

    def _quoted(self, line: bytes) -> str:
        # It is cut off somewhere, and half a token is still one to hide.
        return "" if self._unspoken else _decoded(line[:MAX_QUOTED])

    def _finish(self) -> Reply:
        lines = tuple(map(_decoded, self._lines))
        if self._unspoken is not None:
            lines = tuple(map(self._unspoken, lines))
        self._lines.clear()
        self._size = 0
        return parse_reply(self._code, lines)


def parse_reply(code: int, lines: tuple[str, ...]) -> Reply:
    """Split the enhanced status code (RFC 2034 section 4) off the text of a reply."""
    match = _ENHANCED.match(lines[0]) if lines else None
    if match is None or int(match[1][0]) != code // 100:
        return Reply(code, "", lines)
    enhanced = match[1]
    if len(lines) == 1:
        return Reply(code, enhanced, (lines[0][match.end() :],))
    return Reply(code, enhanced, tuple(_without(line, enhanced) for line in lines))


def _without(line: str, enhanced: str) -> str:
    return line.removeprefix(enhanced).lstrip() if line.startswith(enhanced) else line


def _decoded(line: bytes) -> str:
    return printable(line.decode("utf-8", "backslashreplace")).strip()


def _not_smtp(message: str, detail: str) -> ProtocolError:
    return ProtocolError(message, phase="", reason="not-smtp", detail=detail)


def _too_long(what: str) -> ProtocolError:
    return ProtocolError(f"the server sent an endless {what}", phase="", reason="too-long")
