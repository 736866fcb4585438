"""A sign-in as lines on the wire (RFC 4954 section 4): what is said, and what may be shown of it.

Sending and the probe share this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.errors import ProtocolError
from nexomailer_cli.smtp import auth, command
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Severity

if TYPE_CHECKING:
    from collections.abc import Generator

    from nexomailer_cli.smtp.auth import Credentials
    from nexomailer_cli.smtp.reply import Reply


class Line(Struct, frozen=True):
    """One line of a sign-in; `shown` stands for it wherever it is told of."""

    data: bytes
    shown: str = "***"


class Answer(Struct, frozen=True):
    """How a sign-in ended; `challenge` is the last thing that the server asked."""

    reply: Reply
    challenge: str


def sign_in_lines(mechanism: str, credentials: Credentials) -> Generator[Line, Reply, Answer]:
    """Yield the lines to say, be sent the replies, and return the server's decision.

    Raises ProtocolError for a server that asks nonsense, asks without end, or does not prove
    itself where `mechanism` has it do so.
    """
    conversation = auth.converse(mechanism, credentials)
    line = _first(mechanism, next(conversation))
    challenge = b""
    for _ in range(auth.MAX_CHALLENGES):
        reply = yield line
        if reply.code != 334:
            if reply.severity is Severity.POSITIVE:
                auth.conclude(mechanism, conversation)
            return Answer(reply, challenge.decode("utf-8", "backslashreplace"))
        challenge = auth.decode("".join(reply.lines))
        try:
            response = auth.encode(conversation.send(challenge) or b"")
        except StopIteration:
            response = b"*"  # RFC 4954 section 4: the client has nothing more to say
        line = Line(command.response(response))
    raise ProtocolError(
        "the server asks for more and more to sign in", phase=Phase.AUTH, reason="not-smtp"
    )


def _first(mechanism: str, initial: bytes | None) -> Line:
    encoded = None if initial is None else auth.encode_initial(initial)
    shown = f"AUTH {mechanism}" + ("" if encoded is None else " ***")
    return Line(command.auth(mechanism, encoded), shown)
