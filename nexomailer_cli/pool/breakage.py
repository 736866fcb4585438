"""Turns what asyncio, ssl and aiosmtplib raise into one TransportError with the evidence.

A bad certificate, for instance, is an SMTPConnectError on port 465 and a bare SSLError after
STARTTLS.
"""

from __future__ import annotations

import aiosmtplib

from nexomailer_cli.errors import ProtocolError, TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import parse_reply
from nexomailer_cli.transport import breakage
from nexomailer_cli.transport.handshake import unwelcome


def broken(error: BaseException, phase: Phase) -> TransportError:
    """Return the TransportError that `error` amounts to in `phase`."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _greeting(error)
    hung_up = any(isinstance(e, aiosmtplib.SMTPServerDisconnected) for e in breakage.causes(error))
    caught = breakage.broken(error, phase)
    if hung_up and (caught.phase, caught.reason) == (Phase.TLS, "closed"):
        return breakage.closed(Phase.GREETING)
    return caught


def _greeting(error: aiosmtplib.SMTPResponseException) -> TransportError:
    words = printable(error.message)
    if not 200 <= error.code <= 599:
        return ProtocolError(
            f"the other side does not speak SMTP: {words}",
            phase=Phase.GREETING,
            reason="not-smtp",
            detail=words,
        )
    return unwelcome(parse_reply(error.code, tuple(map(printable, error.message.split("\n")))))
