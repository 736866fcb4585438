"""One client's session: aiosmtpd, with what it lacks.

Adds enhanced status codes (RFC 2034) to its replies, takes mechanism names in any
case (RFC 4422 section 3.1), refuses TLS within TLS, and keeps its limits and its
deprecation warnings to itself. Does not decide anything about mail.
"""

from __future__ import annotations

import logging
import re
from asyncio import WriteTransport
from collections import defaultdict
from typing import TYPE_CHECKING, Any, AnyStr

from aiosmtpd import smtp
from aiosmtpd.smtp import MISSING, AuthResult, Envelope, LoginPassword

if TYPE_CHECKING:
    import asyncio
    import ssl

    from nexomailer_cli.sandbox.reception import Reception

__all__ = ["MISSING", "AuthResult", "Conversation", "Envelope", "LoginPassword", "Session"]

# RFC 4954 section 4: a line of an authentication exchange may have this many octets.
MAX_COMMAND_BYTES = 12_288

# aiosmtpd's own replies, as RFC 2034 section 4 wants them; the greeting and the
# reply to EHLO stay bare.
_POSITIVE = {
    "250 OK": "250 2.0.0 Ok",
    "221 Bye": "221 2.0.0 Bye",
    "220 Ready to start TLS": "220 2.0.0 Ready to start TLS",
}
_NEGATIVE = {
    "454": "4.7.0",
    "500": "5.5.2",
    "501": "5.5.4",
    "502": "5.5.1",
    "503": "5.5.1",
    "504": "5.5.4",
    "530": "5.7.0",
    "552": "5.3.4",
    "555": "5.5.4",
}
_BARE = re.compile(r"([45][0-9]{2}) (?![245]\.)(?:Error: )?")

# Without a handler, Python shows aiosmtpd's warnings about clients on stderr.
logging.getLogger("mail.log").addHandler(logging.NullHandler())


class Session(smtp.Session):
    """What is known about the client."""

    auth_data: Any
    # aiosmtpd sets this on every sign-in and then warns that it is deprecated.
    login_data: Any = None


class Conversation(smtp.SMTP):
    """A session with one client."""

    def __init__(
        self,
        reception: Reception,
        *,
        loop: asyncio.AbstractEventLoop,
        tls_context: ssl.SSLContext,
        size_limit: int,
    ) -> None:
        # A class attribute in aiosmtpd: every EHLO raised the limit of all sessions.
        self.command_size_limits = defaultdict(lambda: MAX_COMMAND_BYTES)
        super().__init__(
            reception,
            loop=loop,
            hostname="localhost",  # else it asks the resolver, which may take seconds
            ident="nexomailer sandbox",
            tls_context=tls_context,
            data_size_limit=size_limit,
            enable_SMTPUTF8=True,
            authenticator=reception.authenticate,
        )

    async def push(self, status: AnyStr) -> None:
        """Send a reply."""
        if isinstance(status, str):
            await super().push(_enhanced(status))
        else:
            await super().push(status)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        """Take a sign-in."""
        mechanism, space, response = (arg or "").partition(" ")
        await super().smtp_AUTH(mechanism.upper() + space + response)

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        """Switch to TLS, once."""
        if self.session is not None and self.session.ssl is not None:
            await self.push("503 Error: TLS is on already")
            return
        await super().smtp_STARTTLS(arg)

    def hang_up(self) -> None:
        """Send what was written and close the connection."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close the connection at once, whatever its state."""
        for transport in (self.transport, self._original_transport):
            if isinstance(transport, WriteTransport):
                transport.abort()

    def _create_session(self) -> Session:
        return Session(self.loop)


def _enhanced(status: str) -> str:
    match = _BARE.match(status)
    if match is None:
        return _POSITIVE.get(status, status)
    code = match[1]
    return f"{code} {_NEGATIVE.get(code, f'{code[0]}.0.0')} {status[match.end() :]}"
