"""What to write next, and whose reply this is.

Theory of operation: commands go out in groups (RFC 2920) where the server allows it,
one at a time where it does not; either way a reply can only be the answer to something
that has been *written*. A reply without a question means that the two sides are out of
step, or that somebody speaks for the server, and nothing after it can be believed.

The shapes, chosen from what the server announced:

    PIPELINING and CHUNKING   MAIL RCPT... BDAT content      one write, one round trip
    PIPELINING                MAIL RCPT... DATA | content .  two
    the same, joined          content . RSET MAIL RCPT... DATA    one
    neither                   each command for itself

The end of the content is the point of no return and can be held back, so that a caller
can write down his intent first. Only when it goes may the next envelope go with it
(`join`), and only where the caller has learnt that the server takes that: of those that
announce PIPELINING some lose what follows an end of content, and some deliver and then
die. RSET stands in between because one of them needs it.

LMTP (RFC 2033) differs in one thing: after the content there is a reply for each recipient
that was accepted before it. Nothing is joined there: such a server is near, so that a round
trip costs next to nothing.

Does no I/O: the connection moves the bytes and watches the clock.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from nexomailer_cli.errors import ProtocolError
from nexomailer_cli.smtp import command
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Reply, ReplyReader, Severity
from nexomailer_cli.smtp.transaction import Step, Transaction
from nexomailer_cli.smtp.write import MAX_EAGER_BYTES, Write, grouped, pieces, single, with_content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.extensions import Extensions

_RESET = (Phase.RSET, command.RSET)
_DATA = (Phase.DATA, command.DATA)


class Pipeline:
    """One session's transactions, one after the other; the last may be joined to the one before."""

    _current: Transaction  # from the first `submit` on

    def __init__(
        self,
        extensions: Extensions,
        *,
        is_lmtp: bool = False,
        unspoken: Callable[[str], str] | None = None,
    ) -> None:
        self.is_reusable = True  # whether another mail may be submitted
        self.may_join = True  # until a RSET is refused
        self._extensions = extensions
        self._is_lmtp = is_lmtp
        self._reader = ReplyReader(unspoken)
        self._unsent: deque[Write] = deque()
        self._expected: deque[Phase] = deque()
        self._joined: Transaction | None = None
        self._has_begun = False
        self._is_held = False
        self._needs_reset = False

    @property
    def awaiting(self) -> Phase | None:
        """The command whose reply comes next; `None` when no reply is due."""
        return self._expected[0] if self._expected else None

    @property
    def is_held_back(self) -> bool:
        """Whether all has been said of a mail but its end, which waits for `release`."""
        return self._is_held and bool(self._unsent) and self._unsent[0].ends

    @property
    def is_joinable(self) -> bool:
        """Whether an end of content is about to go out, behind which more may stand."""
        offered = self._extensions
        if not self._unsent or self._joined is not None or offered.chunking or self._is_lmtp:
            return False
        return self._unsent[0].ends and offered.pipelining

    def submit(self, mail: Mail, *, hold: bool = False) -> Transaction:
        """Begin the conversation about `mail`.

        With `hold` the end of the content stays here until `release`, which is for those who
        write down first what they are about to do. Raises MessageError, with nothing written,
        when the envelope holds what must not reach a command line.
        """
        transaction = Transaction(mail, self._extensions, is_lmtp=self._is_lmtp)
        commands = transaction.envelope_commands()
        if self._needs_reset:
            commands.insert(0, _RESET)
        self._begin(transaction, hold=hold)
        self._unsent.extend(self._grouped(commands))
        return transaction

    def _begin(self, transaction: Transaction, *, hold: bool) -> None:
        self._current = transaction
        self._has_begun = True
        self._is_held = hold
        self._needs_reset = True

    def _grouped(self, commands: list[tuple[Phase, bytes]]) -> Iterator[Write]:
        if not self._extensions.pipelining:
            return (single(phase, line) for phase, line in commands)
        if not self._extensions.chunking:
            return iter([grouped([*commands, _DATA])])
        if self._is_held or len(self._current.content) > MAX_EAGER_BYTES:
            return iter([grouped(commands)])
        return iter([with_content(grouped(commands), self._chunk_header(), self._current.content)])

    def join(self, mail: Mail) -> Transaction:
        """Let the envelope of `mail` travel with the end of content that is about to go out.

        RFC 2920 section 3.1. To be called while `is_joinable`. Its own end is held back until
        `release` in its turn. Raises MessageError as `submit` does.
        """
        transaction = Transaction(mail, self._extensions)
        self._follow(grouped([_RESET, *transaction.envelope_commands(), _DATA]))
        self._joined = transaction
        return transaction

    def join_reset(self) -> None:
        """Let a lone RSET travel with the end of content, to learn whether this server takes it."""
        self._follow(grouped([_RESET]))

    def _follow(self, group: Write) -> None:
        self._unsent.append(self._unsent.pop().followed_by(group))

    def release(self) -> None:
        """Let the end of the content go."""
        self._is_held = False

    def next_write(self) -> Write | None:
        """Return what to write now; `None` while a reply, or `release`, has to come first."""
        if not self._unsent or (self._expected and not self._extensions.pipelining):
            return None
        write = self._unsent[0]
        if write.ends:
            if self._is_held:
                return None
            self._current.is_past_return = True
        self._expected.extend(write.expects)
        return self._unsent.popleft()

    def receive(self, data: bytes) -> list[tuple[Phase | None, Reply]]:
        """Take what arrived; return each reply with the command that it answers.

        Raises ProtocolError when the server is out of step. What it answered before stands: a
        transaction that is done keeps its outcome, and only the session is spoilt.
        """
        take = self._take
        try:
            return [(take(reply), reply) for reply in self._reader.replies(data)]
        finally:
            if not self._expected and not self._reader.is_empty:
                self.is_reusable = False

    def _take(self, reply: Reply) -> Phase | None:
        if not self._expected:
            self._take_unasked(reply)
            return None
        phase = self._expected.popleft()
        if phase is Phase.END and self._is_lmtp and not self._current.is_refused:
            self._hear_delivery(reply)
        elif reply.code == 421:
            self._end_session(phase, reply)
        elif phase is Phase.END:
            self._finish(reply)
        elif phase is Phase.RSET:
            self.may_join = self.may_join and reply.severity is Severity.POSITIVE
        else:
            step = self._current.receive(phase, reply)
            if not self._expected:
                self._go_on(phase, step)
        return phase

    def _take_unasked(self, reply: Reply) -> None:
        """Judge a reply to nothing that was written."""
        self.is_reusable = False
        if not self._has_begun or self._current.is_done:
            return
        # A server may refuse content before it has seen all of it, and says so before it
        # closes. To believe a refusal is safe: the content has no end yet.
        if reply.severity in (Severity.TRANSIENT, Severity.PERMANENT):
            self._unsent.clear()
            self._current.abandon(Phase.CONTENT, reply)
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
        if self._joined is not None:
            self._joined.abandon(Phase.MAIL, reply)

    def _hear_delivery(self, reply: Reply) -> None:
        """Take what became of the content for one of its recipients (RFC 2033 section 4.2)."""
        transaction = self._current
        transaction.receive(Phase.END, reply)
        if reply.code == 421:
            # The last word of this session, and about one recipient only: of the others nobody
            # knows, unless more is said before the server hangs up.
            self.is_reusable = False
        if not transaction.is_heard_out:
            self._expected.appendleft(Phase.END)
            return
        self._needs_reset = not transaction.is_delivered
        transaction.is_done = True

    def _finish(self, reply: Reply) -> None:
        """End a transaction: the answer to its content is the last one. The joined one begins."""
        transaction = self._current
        # After a refusal it is the answer to a lone dot or to an unwanted chunk.
        if not transaction.is_refused and transaction.receive(Phase.END, reply) is Step.ACCEPTED:
            self._needs_reset = False
        transaction.is_done = True
        if self._joined is not None:
            self._begin(self._joined, hold=True)
            self._joined = None

    def _go_on(self, phase: Phase, step: Step) -> None:
        """Say what comes next, now that all that was asked is answered."""
        transaction = self._current
        if step is Step.CONTENT and transaction.refused_sender:
            # A dot would end, and perhaps deliver, an empty message from nobody.
            self._stop()
        elif step is Step.CONTENT and self._is_lmtp and not transaction.has_recipient:
            # RFC 2033 section 4.2 has this refused. A dot would get no reply at all: there is
            # one for each recipient, and there is none.
            self._stop()
        elif step is Step.CONTENT:
            self._unsent.extend(self._content_or_dot())
        elif transaction.is_refused:
            self._unsent.clear()
        elif phase is Phase.RCPT and not self._unsent:
            self._unsent.extend(self._after_envelope())
        if not self._unsent:
            transaction.is_done = True

    def _stop(self) -> None:
        """Say nothing more in this session, and expect nothing."""
        self.is_reusable = False
        self._expected.clear()
        self._unsent.clear()

    def _after_envelope(self) -> Iterator[Write]:
        if not self._extensions.chunking:
            return iter([single(*_DATA)])
        return pieces(self._current.content, before=self._chunk_header())

    def _content_or_dot(self) -> Iterator[Write]:
        if self._current.has_recipient:
            return pieces(command.stuff(self._current.content), after=command.TERMINATOR)
        # RFC 2920 section 3.1: all recipients are refused and the server wants content all the
        # same. It gets the end of it and nothing else.
        return iter([single(Phase.END, command.TERMINATOR)])

    def _chunk_header(self) -> bytes:
        return command.bdat(len(self._current.content))
