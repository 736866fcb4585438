"""A pasted text becomes clues: the refusals and failures in it, and where they happened.

The text may be one reply, a transcript of any program, a log or a traceback. What the client
said tells the phase of the answers and is never passed on: it may hold a password. Knows
nothing about what a clue means.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.printable import printable
from nexomailer_cli.probe.wordings import place_in, wording_in
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import parse_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 4000
# Before what was said: times, and the marks of nexomailer, swaks, curl, smtplib and PHPMailer.
_PREFIX = (
    r"\s*(?:\d{4}-\d\d-\d\d[T ])?(?:\d+[.:][\d.:,]*(?: ?ms)?Z?\s+)?"
    r"(?:[SC]:|SERVER -> CLIENT:|CLIENT -> SERVER:|<[-~*]{0,2}\*?|[-~=]>|>{1,3}|\*\*|reply:|send:)?"
    r"\s*(?:b?['\"])?"
)
_VERB = re.compile(
    _PREFIX
    + r"(?:(STARTTLS|DATA|RSET|QUIT)(?=$|['\"\\])|(EHLO|HELO)(?= \S+$)|(MAIL) FROM:|(RCPT) TO:"
    r"|(AUTH) (?:PLAIN|LOGIN|CRAM-|DIGEST-|SCRAM-|XOAUTH|OAUTH|NTLM|GSSAPI|EXTERNAL))",
    re.IGNORECASE,
)
_REPLY = re.compile(_PREFIX + r"([2-5]\d\d)(?:([ -])(.*)|$)")
# Somewhere in a line: after a colon or as Python shows it, or with an enhanced code.
_REPLY_WITHIN = re.compile(
    r"(?:[:=>] ?[\"'(]?|\()([45]\d\d)(?:[ -]|, ?b?['\"])(?!ms\b|s\b|bytes|[kM]i?B\b|%)(.*)"
    r"|\b([45]\d\d)[ -](#?[45]\.\d{1,3}\.\d{1,3}\b.*)"
)
# What stands behind a reply, not in it.
_TAIL = re.compile(r"(?:\\r)?(?:\\n)?['\"”](?:[,.)\]}].*)?$|\)?\s*\(in reply to .{0,60}$")
_PHASES = (("HELO", Phase.EHLO), *((phase.upper(), phase) for phase in Phase))


class Clue(Struct, frozen=True):
    """Something that went wrong. `phase` is empty where the text does not tell it.

    `shown` is the line without what stands around it; secrets may still be in it.
    """

    shown: str
    phase: str
    reason: str = ""
    code: int | None = None
    enhanced: str = ""
    text: str = ""


def clues(text: str) -> Iterator[Clue]:
    """Yield the clues of a text in their order."""
    conversation = _Conversation()
    lines = [printable(line[:MAX_LINE]) for line in text.splitlines()]
    for line in lines:
        yield from conversation.hear(line)
    yield from conversation.end()


class _Conversation:
    """Who has said what so far, and which commands wait for their answer."""

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._code = ""
        self._lines: list[str] = []

    def hear(self, line: str) -> Iterator[Clue]:
        """Take one line; yield what it completes."""
        reply = _REPLY.match(line)
        if self._lines and (reply is None or reply[1] != self._code):
            yield from self.end()
        if reply is None:
            yield from self._other(line)
            return
        self._code = reply[1]
        self._lines.append(_TAIL.sub("", reply[3] or ""))
        if reply[2] != "-":
            yield from self.end(place_in(line))

    def end(self, place: str = "") -> Iterator[Clue]:
        """Yield the reply that has been heard so far, if it is a refusal."""
        if not self._lines:
            return
        code, lines = int(self._code), tuple(self._lines)
        self._lines.clear()
        phase = self._answered(code)
        if code >= 400 or _is_token_refusal(code, lines):
            yield _refusal(code, lines, place or phase)

    def _answered(self, code: int) -> str:
        phase = self._waiting.pop(0) if self._waiting else ""
        if code == 354:
            self._waiting.insert(0, Phase.END)
        if code == 334:
            self._waiting.insert(0, Phase.AUTH)
        return phase

    def _other(self, line: str) -> Iterator[Clue]:
        if verb := _VERB.match(line):
            said = (verb[verb.lastindex or 0]).upper()
            self._waiting.extend(phase for word, phase in _PHASES if word == said)
        elif within := _REPLY_WITHIN.search(line):
            code, rest = within.group(1, 2) if within[1] else within.group(3, 4)
            yield _refusal(int(code), (_TAIL.sub("", rest),), place_in(line))
        elif wording := wording_in(line):
            phase = wording.phase or place_in(line) or next(iter(self._waiting), "")
            shown = line.strip()
            yield Clue(shown, phase, wording.reason, wording.code, "", shown)


def _is_token_refusal(code: int, lines: tuple[str, ...]) -> bool:
    # RFC 7628 section 3.2.3: the base64 of JSON that begins with "status".
    return code == 334 and lines[0].startswith("eyJzdGF0dXMi")


def _refusal(code: int, lines: tuple[str, ...], phase: str) -> Clue:
    reply = parse_reply(code, tuple(_unwrapped(code, line) for line in lines))
    return Clue(str(reply), phase, "", code, reply.enhanced, reply.text)


def _unwrapped(code: int, line: str) -> str:
    """Undo what shows several lines of a reply as one."""
    first, *more = re.split(rf"(?:\\r)?\\n|\s{code}[ -](?=[245]\.)", line.strip().lstrip("#"))
    return " ".join((first, *(re.sub(r"^[245]\.\d{1,3}\.\d{1,3} ", "", each) for each in more)))
