"""Bytes for one write, and how commands and content are put into them.

A group of commands (RFC 2920), a chunk with its envelope, content in pieces of which only
the last one ends it. Knows neither replies nor when anything is written: the pipeline does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.smtp.outcome import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Content up to here travels with its envelope. Above, a refused recipient would waste
# more than the round trip that it saves, and both sides' buffers might fill up with
# neither reading (RFC 2920 section 3.1).
MAX_EAGER_BYTES = 64 * 1024
# Large content goes out in pieces of this size, each after the one before has left us.
PIECE_BYTES = 64 * 1024


class Write(Struct, frozen=True):
    """Bytes for one write, with the replies that they call for.

    `commands` and `content_length` say the same for the transcript. With `ends`, these bytes
    complete the content: once they are out, the mail may be delivered.
    """

    data: bytes | memoryview
    expects: tuple[Phase, ...] = ()
    commands: tuple[bytes, ...] = ()
    content_length: int = 0
    ends: bool = False

    def followed_by(self, group: Write) -> Write:
        """Return the end of a content with a group of commands behind it."""
        return Write(
            b"".join((self.data, group.data)),
            self.expects + group.expects,
            self.commands + group.commands,
            self.content_length,
            ends=True,
        )


def single(phase: Phase, line: bytes) -> Write:
    """Return one command."""
    return Write(line, (phase,), (line,))


def grouped(commands: Iterable[tuple[Phase, bytes]]) -> Write:
    """Return commands that go out together."""
    phases, lines = zip(*commands, strict=True)
    return Write(b"".join(lines), phases, lines)


def with_content(group: Write, header: bytes, content: bytes) -> Write:
    """Return an envelope with all of its content, in the chunk that `header` announces."""
    return Write(
        b"".join((group.data, header, content)),
        (*group.expects, Phase.END),
        (*group.commands, header),
        len(content),
        ends=True,
    )


def pieces(content: bytes, *, before: bytes = b"", after: bytes = b"") -> Iterator[Write]:
    """Cut content up; only its very last bytes end it."""
    length = len(content)
    whole = b"".join((before, content, after))
    commands = tuple(filter(None, (before, after)))
    if len(whole) <= PIECE_BYTES:
        yield Write(whole, (Phase.END,), commands, length, ends=True)
        return
    view = memoryview(whole)
    last = len(whole) - max(len(after), 1)
    for start in range(0, last, PIECE_BYTES):
        yield Write(view[start : min(start + PIECE_BYTES, last)])
    yield Write(view[last:], (Phase.END,), commands, length, ends=True)
