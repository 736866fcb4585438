"""A mail server from a table that does exactly one wrong thing, and knows what is true.

Blocking and on threads, as those of `tests.support.lab`. Everything that a client says is kept
together with whether it was said inside TLS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ssl import SSLContext

from tests.support.lab.place import Handler, Wire
from tests.support.lab.smtp import announced

# Text, which gets its CRLF; octets as they are; or something that ends the conversation.
Answer = str | bytes | Callable[[Wire], None]
USUAL: dict[str, Answer] = {
    "": "220 liar.test ESMTP",
    "STARTTLS": "220 2.0.0 go",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    ".": "250 2.0.0 Ok: queued as 4F2A",
    "RSET": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
}


@dataclass
class Truth:
    """What really happened."""

    in_clear: list[str] = field(default_factory=list)
    encrypted: list[str] = field(default_factory=list)
    ended: int = 0  # contents that came to their end
    accepted: int = 0  # those of them that were answered with the usual words

    @property
    def said(self) -> list[str]:
        """All that clients said."""
        return self.in_clear + self.encrypted


@dataclass
class Liar:
    """How a server behaves: `answers` by verb come before the usual ones.

    With a `tls` it offers STARTTLS; then `inside` holds behind it, and `offer` is announced
    there. `accepts` says that a content is accepted although its answer is not the usual one.
    """

    truth: Truth
    tls: SSLContext | None = None
    offer: Sequence[str] = ()
    answers: dict[str, Answer] = field(default_factory=dict)
    inside: dict[str, Answer] = field(default_factory=dict)
    accepts: bool = False

    def handler(self) -> Handler:
        """Return what serves one connection."""
        return lambda wire: _Talk(self, wire).converse()


class _Talk:
    def __init__(self, liar: Liar, wire: Wire) -> None:
        self._liar = liar
        self._wire = wire
        self._is_secure = False

    def converse(self) -> None:
        if not self._give(""):
            return
        while True:
            line = self._wire.line()
            truth = self._liar.truth
            (truth.encrypted if self._is_secure else truth.in_clear).append(line)
            verb = line.partition(" ")[0].upper()
            if not self._give(verb) or verb == "QUIT":
                return
            if verb == "STARTTLS":
                self._upgrade()
            elif verb == "DATA" and not self._take_content():
                return

    def _upgrade(self) -> None:
        assert self._liar.tls is not None
        self._wire.upgrade(self._liar.tls)
        self._is_secure = True

    def _take_content(self) -> bool:
        lines = 0
        while self._wire.line() != ".":
            lines += 1
        if lines:  # a lone dot says that there is nobody to take any content for
            truth = self._liar.truth
            truth.ended += 1
            truth.accepted += self._liar.accepts or self._table().get(".") is None
        return self._give(".")

    def _table(self) -> dict[str, Answer]:
        return self._liar.inside if self._is_secure else self._liar.answers

    def _give(self, verb: str) -> bool:
        """Give an answer; say whether the conversation goes on."""
        liar = self._liar
        offered = liar.offer if self._is_secure or liar.tls is None else ("STARTTLS", *liar.offer)
        usual = {**USUAL, "EHLO": announced(*offered)}
        answer = self._table().get(verb, usual.get(verb, "502 5.5.2 what?"))
        if callable(answer):
            answer(self._wire)
            return False
        self._wire.say(answer) if isinstance(answer, str) else self._wire.send(answer)
        return True
