"""What to write next, and whose reply this is.

Theory of operation: commands go out in groups (RFC 2920) where the server allows it,
one at a time where it does not; either way a reply can only be the answer to something
that has been *written*. A reply without a question means that the two sides are out of
step, or that somebody speaks for the server, and nothing after it can be believed.

The three shapes, chosen from what the server announced:

    PIPELINING and CHUNKING   MAIL RCPT... BDAT content      one write, one round trip
    PIPELINING                MAIL RCPT... DATA | content .  two
    neither                   each command for itself

The next envelope is only written after the reply to the content: of the servers that
announce PIPELINING some lose what follows an end of content, and some deliver and then
die. The end of the content is the point of no return and can be held back, so that a
caller can write down his intent first.

Does no I/O: the connection moves the bytes and watches the clock.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.errors import ProtocolError
from nexomailer_cli.smtp import command
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Reply, ReplyReader, Severity
from nexomailer_cli.smtp.transaction import Step, Transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.extensions import Extensions

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


class Pipeline:
    """One session's transactions, one after the other."""

    def __init__(self, extensions: Extensions) -> None:
        self.is_reusable = True  # whether another mail may be submitted
        self._extensions = extensions
        self._reader = ReplyReader()
        self._unsent: deque[Write] = deque()
        self._expected: deque[Phase] = deque()
        self._transaction: Transaction | None = None
        self._is_held = False
        self._needs_reset = False

    @property
    def awaiting(self) -> Phase | None:
        """The command whose reply comes next; `None` when no reply is due."""
        return self._expected[0] if self._expected else None

    def submit(self, mail: Mail, *, hold: bool = False) -> Transaction:
        """Begin the conversation about `mail`.

        With `hold` the end of the content stays here until `release`, which is for those who
        write down first what they are about to do. Raises MessageError, with nothing written,
        when the envelope holds what must not reach a command line.
        """
        transaction = Transaction(mail, self._extensions)
        commands = transaction.envelope_commands()
        if self._needs_reset:
            commands.insert(0, (Phase.RSET, command.RSET))
        self._transaction = transaction
        self._is_held = hold
        self._needs_reset = True
        self._unsent.extend(self._grouped(commands))
        return transaction

    def _grouped(self, commands: list[tuple[Phase, bytes]]) -> Iterator[Write]:
        if not self._extensions.pipelining:
            return (_command(phase, line) for phase, line in commands)
        if not self._extensions.chunking:
            return iter([_group([*commands, (Phase.DATA, command.DATA)])])
        if self._is_held or len(self._current.content) > MAX_EAGER_BYTES:
            return iter([_group(commands)])
        return iter([_with_content(_group(commands), self._chunk_header(), self._current.content)])

    @property
    def _current(self) -> Transaction:
        assert self._transaction is not None
        return self._transaction

    def release(self) -> None:
        """Let the end of the content go."""
        self._is_held = False

    def next_write(self) -> Write | None:
        """Return what to write now; `None` while a reply, or `release`, has to come first."""
        if not self._unsent or (self._expected and not self._extensions.pipelining):
            return None
        if self._is_held and self._unsent[0].ends:
            return None
        write = self._unsent.popleft()
        self._expected.extend(write.expects)
        if write.ends:
            self._current.is_past_return = True
        return write

    def receive(self, data: bytes) -> list[tuple[Phase | None, Reply]]:
        """Take what arrived; return each reply with the command that it answers.

        Raises ProtocolError when the server is out of step. What it answered before stands: a
        transaction that is done keeps its outcome, and only the session is spoilt.
        """
        try:
            return [(self._take(reply), reply) for reply in self._reader.replies(data)]
        finally:
            if not self._expected and not self._reader.is_empty:
                self.is_reusable = False

    def _take(self, reply: Reply) -> Phase | None:
        if not self._expected:
            self._take_unasked(reply)
            return None
        phase = self._expected.popleft()
        if reply.code == 421:
            self._end_session(phase, reply)
        elif phase is not Phase.RSET:
            self._advance(phase, reply)
        return phase

    def _take_unasked(self, reply: Reply) -> None:
        """Judge a reply to nothing that was written."""
        self.is_reusable = False
        transaction = self._transaction
        if transaction is None or transaction.is_done:
            return
        # A server may refuse content before it has seen all of it, and says so before it
        # closes. To believe a refusal is safe: the content has no end yet.
        if reply.severity in (Severity.TRANSIENT, Severity.PERMANENT):
            transaction.abandon(Phase.CONTENT, reply)
            self._unsent.clear()
            return
        raise ProtocolError(
            f"the server said “{reply}” without being asked",
            phase=Phase.CONTENT,
            reason="surplus",
            reply=reply,
        )

    def _end_session(self, phase: Phase, reply: Reply) -> None:
        # RFC 5321 section 3.8: 421 may be the answer to anything, and nothing follows it.
        self._stop()
        self._current.abandon(phase, reply)

    def _advance(self, phase: Phase, reply: Reply) -> None:
        transaction = self._current
        if phase is Phase.END and transaction.is_refused:
            step = Step.REFUSED  # the answer to a lone dot or an unwanted chunk
        else:
            step = transaction.receive(phase, reply)
        if step is Step.CONTENT and transaction.refused_sender:
            # A dot would end, and perhaps deliver, an empty message from nobody.
            self._stop()
        elif step is Step.CONTENT:
            self._unsent.extend(self._content_or_dot())
        elif transaction.is_refused:
            self._unsent.clear()
        elif phase is Phase.RCPT and not self._expected and not self._unsent:
            self._unsent.extend(self._after_envelope())
        if step is Step.ACCEPTED:
            self._needs_reset = False
        if not self._expected and not self._unsent:
            transaction.is_done = True

    def _stop(self) -> None:
        """Say nothing more in this session, and expect nothing."""
        self.is_reusable = False
        self._expected.clear()
        self._unsent.clear()

    def _after_envelope(self) -> Iterator[Write]:
        if not self._extensions.chunking:
            return iter([_command(Phase.DATA, command.DATA)])
        return _pieces(self._current.content, before=self._chunk_header())

    def _content_or_dot(self) -> Iterator[Write]:
        if self._current.has_recipient:
            return _pieces(command.stuff(self._current.content), after=command.TERMINATOR)
        # RFC 2920 section 3.1: all recipients are refused and the server wants content all the
        # same. It gets the end of it and nothing else.
        return iter([_command(Phase.END, command.TERMINATOR)])

    def _chunk_header(self) -> bytes:
        return command.bdat(len(self._current.content))


def _command(phase: Phase, line: bytes) -> Write:
    return Write(line, (phase,), (line,))


def _group(commands: list[tuple[Phase, bytes]]) -> Write:
    phases, lines = zip(*commands, strict=True)
    return Write(b"".join(lines), phases, lines)


def _with_content(group: Write, header: bytes, content: bytes) -> Write:
    return Write(
        b"".join((group.data, header, content)),
        (*group.expects, Phase.END),
        (*group.commands, header),
        len(content),
        ends=True,
    )


def _pieces(content: bytes, *, before: bytes = b"", after: bytes = b"") -> Iterator[Write]:
    """Cut content up; only its very last bytes end it."""
    length = len(content)
    whole = b"".join((before, content, after))
    commands = tuple(line for line in (before, after) if line)
    if len(whole) <= PIECE_BYTES:
        yield Write(whole, (Phase.END,), commands, length, ends=True)
        return
    view = memoryview(whole)
    last = len(whole) - max(len(after), 1)
    for start in range(0, last, PIECE_BYTES):
        yield Write(view[start : min(start + PIECE_BYTES, last)])
    yield Write(view[last:], (Phase.END,), commands, length, ends=True)
