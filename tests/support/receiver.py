"""A server without a socket that says nothing before it is told what: for state machines.

It hears bytes, and has questions; whoever plays answers them one by one. It keeps to the
rules, so that what it has delivered is what a real server would have delivered.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass, field

GOOD, LATER, NEVER, BYE = "good", "later", "never", "bye"
ANSWERS = (*[GOOD] * 12, LATER, LATER, NEVER, BYE)

_RECIPIENT = re.compile(rb"RCPT TO:<([^>]*)>")


@dataclass
class Receiver:
    """One connection, after EHLO. `out` is what it has said and nobody has heard yet."""

    delivered: Counter[str]
    out: bytearray = field(default_factory=bytearray)
    questions: deque[tuple[str, str]] = field(default_factory=deque)
    is_over: bool = False
    _heard: bytearray = field(default_factory=bytearray)
    _has_sender: bool = False
    _taken: list[str] = field(default_factory=list)
    _is_data: bool = False
    _chunk: int = -1

    def hear(self, data: bytes) -> None:
        """Take bytes from the client."""
        self._heard += data
        self._look()

    def decide(self, answer: str) -> None:
        """Answer the oldest question, as far as the rules leave a choice."""
        verb, who = self.questions.popleft()
        if answer == BYE:
            self._say("421 4.3.2 bye")
            self.is_over = True
            self.questions.clear()
            return
        match verb:
            case "MAIL":
                self._has_sender = self._answered(answer)
            case "RCPT":
                self._take(who, answer)
            case "DATA":
                self._is_data = self._wants_content(answer)
            case "END":
                self._finish(answer)
            case _:
                self._forget()
                self._say("250 ok")
        self._look()

    def _look(self) -> None:
        """Read on, up to where an answer decides what the next bytes are."""
        while not self.is_over and not (self.questions and self.questions[-1][0] == "DATA"):
            if self._is_data:
                at = self._heard.find(b"\r\n.\r\n") + 5
                if at == 4 and not self._heard.startswith(b".\r\n"):
                    return
                self._end(3 if self._heard.startswith(b".\r\n") else at)
            elif self._chunk >= 0:
                if len(self._heard) < self._chunk:
                    return
                self._end(self._chunk)
            else:
                line, end, _ = self._heard.partition(b"\r\n")
                if not end:
                    return
                del self._heard[: len(line) + 2]
                self._obey(bytes(line))

    def _end(self, length: int) -> None:
        del self._heard[:length]
        self._is_data, self._chunk = False, -1
        self.questions.append(("END", ""))

    def _obey(self, line: bytes) -> None:
        verb = line.split()[0].decode().upper()
        if verb == "BDAT":
            self._chunk = int(line.split()[1])
        elif verb == "QUIT":
            self.is_over = True
        else:
            found = _RECIPIENT.match(line)
            self.questions.append((verb, found[1].decode() if found else ""))

    def _take(self, who: str, answer: str) -> None:
        if not self._has_sender:
            self._say("503 5.5.1 MAIL first")
        elif self._answered(answer):
            self._taken.append(who)

    def _wants_content(self, answer: str) -> bool:
        if not self._taken:
            self._say("554 5.5.1 no valid recipients")
            return False
        return self._answered(answer, "354 go on")

    def _finish(self, answer: str) -> None:
        if not self._taken:
            self._say("554 5.5.1 no valid recipients")
        elif self._answered(answer):
            self.delivered.update(self._taken)
        self._forget()

    def _forget(self) -> None:
        self._has_sender = False
        self._taken.clear()

    def _answered(self, answer: str, good: str = "250 2.0.0 ok") -> bool:
        self._say({GOOD: good, LATER: "451 4.3.0 later", NEVER: "554 5.7.1 no"}[answer])
        return answer == GOOD

    def _say(self, line: str) -> None:
        self.out += f"{line}\r\n".encode()
