"""Turns what asyncio, ssl and aiosmtplib raise into one TransportError with the evidence.

The same fault arrives in several shapes: a bad certificate is an SMTPConnectError on
port 465 and a bare SSLError after STARTTLS. The reason is in the chain of causes.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import aiosmtplib

from nexomailer_cli.errors import ProtocolError, TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import parse_reply
from nexomailer_cli.transport.tls import tls_failure

if TYPE_CHECKING:
    from collections.abc import Iterator


# What OpenSSL says while more is to come: not the fault, but what was being done when it came.
_UNFINISHED = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


def broken(error: BaseException, phase: Phase) -> TransportError:
    """Return the TransportError that `error` amounts to in `phase`."""
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, ssl.SSLError) and not isinstance(link, _UNFINISHED):
            return tls_failure(link, phase)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _greeting(error)
    if any(isinstance(link, TimeoutError) for link in chain):
        return TransportError(
            f"no answer within the time-out ({_ASKED[phase]})", phase=phase, reason="timeout"
        )
    if any(isinstance(link, aiosmtplib.SMTPServerDisconnected) for link in chain):
        phase = Phase.GREETING if phase is Phase.TLS else phase
    reset = any(isinstance(link, ConnectionResetError) for link in chain)
    return TransportError(
        f"the server closed the connection ({_ASKED[phase]})",
        phase=phase,
        reason="ECONNRESET" if reset else "closed",
    )


_ASKED = {
    Phase.CONNECT: "while connecting",
    Phase.TLS: "during the TLS handshake",
    Phase.GREETING: "before its greeting",
    Phase.EHLO: "after EHLO",
    Phase.STARTTLS: "after STARTTLS",
    Phase.AUTH: "during sign-in",
}


def _greeting(error: aiosmtplib.SMTPResponseException) -> TransportError:
    words = printable(error.message)
    if not 200 <= error.code <= 599:
        return ProtocolError(
            f"the other side does not speak SMTP: {words}",
            phase=Phase.GREETING,
            reason="not-smtp",
            detail=words,
        )
    reply = parse_reply(error.code, tuple(map(printable, error.message.split("\n"))))
    return TransportError(f"the server refuses to talk: {reply}", phase=Phase.GREETING, reply=reply)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
