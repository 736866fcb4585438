"""What is answered to whom, and what becomes of a message.

The methods are aiosmtpd's hooks. Everybody may hand in mail, signed in or not;
a wrong password is refused. Does not know about threads, ports or TLS.
"""

from __future__ import annotations

import asyncio
import hmac
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.printable import printable
from nexomailer_cli.sandbox.conversation import MISSING, AuthResult, LoginPassword
from nexomailer_cli.sandbox.subject import read_subject
from nexomailer_cli.sandbox.tricks import find_trick

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiosmtpd.smtp import SMTP
    from aiosmtpd.smtp import Session as AnySession

    from nexomailer_cli.sandbox.conversation import Conversation, Envelope, Session
    from nexomailer_cli.sandbox.maildir import Maildir
    from nexomailer_cli.sandbox.tricks import Moment, Trick


class Captured(Struct, frozen=True):
    """A message that arrived, with its envelope.

    `user` is who signed in, `None` for nobody; `tls` tells whether the connection
    was encrypted. `id` is what the reply called the message.
    """

    sender: str
    recipients: tuple[str, ...]
    path: Path
    size: int
    tls: bool
    user: str | None
    id: str
    received: datetime

    @property
    def content(self) -> bytes:
        """The message as it arrived, read from its file: it lives as long as that does."""
        return self.path.read_bytes()

    @property
    def subject(self) -> str:
        """The Subject for people, decoded but not yet harmless to show."""
        return read_subject(self.content)


class Reception:
    """Answers the commands of every conversation."""

    def __init__(
        self,
        maildir: Maildir,
        *,
        username: str,
        password: str,
        on_message: Callable[[Captured], None],
    ) -> None:
        self._maildir = maildir
        self._username = username.encode()
        self._password = password.encode()
        self._on_message = on_message

    def authenticate(
        self,
        server: SMTP,
        session: AnySession,
        envelope: Envelope,
        mechanism: str,
        credentials: LoginPassword,
    ) -> AuthResult:
        """Judge a user name and a password."""
        known = hmac.compare_digest(credentials.login, self._username)
        right = hmac.compare_digest(credentials.password, self._password)
        return _verdict(known and right, credentials.login)

    async def auth_CRAM__MD5(  # noqa: N802 - aiosmtpd makes the mechanism's name of it
        self, server: Conversation, args: list[str]
    ) -> AuthResult:
        """Challenge and judge, RFC 2195 section 2."""
        challenge = f"<{token_hex(12)}@localhost>".encode()
        response = await server.challenge_auth(challenge)
        if response is MISSING:
            return AuthResult(success=False)
        user, _, digest = bytes(response).rpartition(b" ")
        expected = hmac.new(self._password, challenge, "md5").hexdigest().encode()
        known = hmac.compare_digest(user, self._username)
        return _verdict(known and hmac.compare_digest(digest.lower(), expected), user)

    async def handle_EHLO(  # noqa: N802
        self,
        server: Conversation,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """Announce what aiosmtpd can do and does not say."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_MAIL(  # noqa: N802
        self,
        server: Conversation,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Take a sender; aiosmtpd gives the null reverse-path as `<>`."""
        trick = find_trick(address, moment="mail")
        if trick:
            return await _play(trick, server)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self,
        server: Conversation,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Take a recipient, unless it asks for trouble."""
        trick = find_trick(address, moment="rcpt")
        if trick:
            return await _play(trick, server)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802
        self, server: Conversation, session: Session, envelope: Envelope
    ) -> str:
        """Store a message, unless one of its recipients asks for its refusal."""
        trick = _first_trick(envelope.rcpt_tos, moment="data")
        if trick and trick.reply:
            return await _play(trick, server)
        captured = self._store(session, envelope)
        self._on_message(captured)
        if trick:
            return await _play(trick, server)
        return f"250 2.0.0 Ok: queued as {captured.id}"

    async def handle_exception(self, error: Exception) -> str:
        """Answer what went wrong here; the client may try again."""
        reason = printable(f"{type(error).__name__}: {error}")
        if isinstance(error, OSError):
            return f"452 4.3.1 Cannot store the message: {reason}"
        return f"451 4.3.0 Error in the sandbox: {reason}"

    def _store(self, session: Session, envelope: Envelope) -> Captured:
        content = envelope.original_content or b""
        stored = self._maildir.store(content)
        credentials = session.auth_data
        return Captured(
            sender=(envelope.mail_from or "").removeprefix("<>"),
            recipients=tuple(envelope.rcpt_tos),
            path=stored.path,
            size=len(content),
            tls=session.ssl is not None,
            user=credentials.login.decode() if credentials else None,
            id=stored.id,
            received=datetime.now(UTC),
        )


def _verdict(success: bool, user: bytes) -> AuthResult:
    # handled=False makes aiosmtpd answer 535; its default leaves the client waiting.
    data = LoginPassword(user, b"") if success else None
    return AuthResult(success=success, handled=False, auth_data=data)


def _first_trick(addresses: list[str], *, moment: Moment) -> Trick | None:
    tricks = (find_trick(address, moment=moment) for address in addresses)
    return next(filter(None, tricks), None)


async def _play(trick: Trick, server: Conversation) -> str:
    if not trick.hangs_up:
        return trick.reply
    if trick.reply:
        await server.push(trick.reply)
    server.hang_up()
    # The conversation is a task of its own; this ends it without a further reply.
    raise asyncio.CancelledError
