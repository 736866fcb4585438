"""SMTP from a table: what is answered to which command, and where it goes wrong.

Unlike a script (`tests.support.script`) it bears any order of commands: which of them an
examination leaves out after a failure is its own affair.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ssl import SSLContext

from tests.support.lab.place import Handler, Wire


@dataclass(frozen=True)
class Late:
    """What is said after some thought."""

    text: str
    seconds: float


# Text; several, each of which waits for another line; or something else that happens.
Answer = str | Late | Sequence[str] | Callable[[Wire], None]
BANNER = "220 peer.test ESMTP"
_USUAL: Mapping[str, Answer] = {
    "HELO": "250 peer.test",
    "NOOP": "250 ok",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "RSET": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
    "AUTH": "235 2.7.0 welcome",
}


def smtp(*keywords: str, banner: Answer = BANNER, **answers: Answer) -> Handler:
    """Greet, and announce `keywords`; `answers` are by verb and come before the usual ones."""

    def handle(wire: Wire) -> None:
        answer(wire, banner)
        converse(wire, keywords, answers)

    return handle


def without_greeting(*keywords: str, **answers: Answer) -> Handler:
    """Answer commands as `smtp` does, such as after STARTTLS."""
    return lambda wire: converse(wire, keywords, answers)


def converse(wire: Wire, keywords: Sequence[str], answers: Mapping[str, Answer]) -> None:
    """Answer one command after the other until QUIT, 421 or the end."""
    table = {**_USUAL, "EHLO": announced(*keywords), **answers}
    while True:
        verb = wire.line().partition(" ")[0].upper()
        if verb == "QUIT" or not answer(wire, table.get(verb, "502 5.5.2 not understood")):
            break
    if verb == "QUIT":
        answer(wire, table[verb])


def announced(*keywords: str) -> str:
    """Return the reply to EHLO."""
    lines = ["peer.test", *keywords]
    return "\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"])


def answer(wire: Wire, words: Answer) -> bool:
    """Give an answer; say whether the conversation goes on."""
    if callable(words):
        words(wire)
        return False
    if isinstance(words, Late):
        time.sleep(words.seconds)
        words = words.text
    if isinstance(words, str):
        words = (words,)
    for number, text in enumerate(words):
        if number:
            wire.line()
        wire.say(text)
    return not words[-1].startswith("421")


def starttls(context: SSLContext, *keywords: str, **answers: Answer) -> Handler:
    """Greet, and offer STARTTLS; behind it `keywords` and `answers` hold."""
    return smtp("STARTTLS", "SIZE 1000000", STARTTLS=upgrading(context, *keywords, **answers))


def upgrading(context: SSLContext, *keywords: str, **answers: Answer) -> Handler:
    """Agree to STARTTLS and do it."""

    def upgrade(wire: Wire) -> None:
        wire.say("220 2.0.0 ready to start TLS")
        wire.upgrade(context)
        converse(wire, keywords, answers)

    return upgrade


def implicit(context: SSLContext, handler: Handler) -> Handler:
    """Speak TLS from the first byte, and then as `handler` does."""

    def handle(wire: Wire) -> None:
        wire.upgrade(context)
        handler(wire)

    return handle


def raw(data: bytes) -> Handler:
    """Send bytes as they are, and nothing more."""

    def handle(wire: Wire) -> None:
        wire.send(data)
        wire.hang()

    return handle


def then(text: str, handler: Handler) -> Handler:
    """Say something, and then something happens."""

    def handle(wire: Wire) -> None:
        wire.say(text)
        handler(wire)

    return handle


def close(_: Wire) -> None:
    """Hang up."""


def reset(wire: Wire) -> None:
    """Hang up with RST."""
    wire.reset()


def hang(wire: Wire) -> None:
    """Fall silent."""
    wire.hang()


def endless(line: bytes) -> Handler:
    """Send one line over and over."""

    def handle(wire: Wire) -> None:
        while True:
            wire.send(line * 1000)

    return handle
