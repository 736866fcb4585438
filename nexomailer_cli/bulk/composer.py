"""The second process of a long run: makes messages while the first one sends them.

    python -P -m nexomailer_cli.bulk.composer

Its standard input is a socket: what is to be made comes from there, and goes back there. It
knows no journal and no server, writes no file, has nothing to lose, and ends with the socket.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nexomailer_cli import __version__
from nexomailer_cli.bulk.recipients import Row
from nexomailer_cli.bulk.writer import Writer
from nexomailer_cli.message.letter import Table, compile_letter
from nexomailer_cli.message.wording import Wording
from nexomailer_cli.smtp.envelope import Mail

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

# Octets of a message. What is larger is joined as quickly as it is handed over.
MAX_OCTETS: Final = 64 * 1024
LENGTH: Final = 4  # octets before each frame
NICENESS: Final = 10
# Another copy of this program, or another version, may write other messages.
EDITION: Final = f"{__version__} {Path(__file__).parents[1]}"


class Setup(msgspec.Struct, frozen=True):
    """What the messages of a run follow from; it has no files attached.

    `edition` is that of the program that wants them.
    """

    wording: Wording
    name: str
    columns: tuple[str, ...]
    secret: str
    domain: str
    edition: str = EDITION

    def writer(self) -> Writer:
        """Return what writes them."""
        folder = Path()  # nothing is read from there
        table = Table(
            name=self.name, columns=self.columns, attach_root=folder, template_folder=folder
        )
        return Writer(compile_letter(self.wording, table), self.secret, self.domain)


class Order(msgspec.Struct, frozen=True, array_like=True):
    """A row whose message is wanted; `began` is the second of its first attempt."""

    number: int
    line: int
    values: Mapping[str, Any]
    key: str
    began: int


class Made(msgspec.Struct, frozen=True, array_like=True):
    """The mail of an order, `None` where it cannot be made: who sends it will see why."""

    number: int
    began: int
    mail: Mail | None


_SETUP: Final = msgspec.msgpack.Decoder(Setup)
_ORDERS: Final = msgspec.msgpack.Decoder(list[Order])
_encode: Final = msgspec.msgpack.Encoder().encode


def framed(value: object) -> bytes:
    """Return a value with its length before it."""
    octets = _encode(value)
    return len(octets).to_bytes(LENGTH) + octets


def serve(channel: socket.socket) -> None:
    """Make what is asked for until there is nobody to ask; an empty answer says when it begins.

    Ends where messages turn out to be large, and at once where another program asks.
    """
    with channel.makefile("rb") as asked:
        setup = _SETUP.decode(_frame(asked))
        if setup.edition != EDITION:
            return
        writer = setup.writer()
        channel.sendall(framed([]))
        while frame := _frame(asked):
            made = [_made(writer, order) for order in _ORDERS.decode(frame)]
            if _are_large(made):
                return
            channel.sendall(framed(made))


def _frame(asked: BinaryIO) -> bytes:
    """Return what stands in the next frame, nothing where there is none, or not all of it."""
    length = asked.read(LENGTH)
    frame = asked.read(int.from_bytes(length)) if len(length) == LENGTH else b""
    return frame if len(frame) == int.from_bytes(length) else b""


def _made(writer: Writer, order: Order) -> Made:
    row = Row(order.number, order.line, order.values)
    mail: Mail | None = None
    # Whatever is wrong: the first process comes upon the same, and has somebody to tell.
    with contextlib.suppress(Exception):
        mail = writer.mail(row, order.key, order.began)
    return Made(order.number, order.began, mail)


def _are_large(made: Iterable[Made]) -> bool:
    return any(each.mail is not None and len(each.mail.content) > MAX_OCTETS for each in made)


def main() -> None:
    """Serve at standard input; whoever sends comes first where there are too few processors."""
    os.nice(NICENESS)
    with contextlib.suppress(OSError), socket.socket(fileno=sys.stdin.fileno()) as channel:
        serve(channel)


if __name__ == "__main__":
    main()
