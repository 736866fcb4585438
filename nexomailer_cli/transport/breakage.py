"""Turns what the system and OpenSSL raise into one TransportError with the evidence."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from nexomailer_cli.errors import TransportError
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.transport.tls import tls_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

# What OpenSSL says while more is to come: not the fault, but what was being done when it came.
_UNFINISHED = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
_ASKED = {
    Phase.CONNECT: "while connecting",
    Phase.TLS: "during the TLS handshake",
    Phase.GREETING: "before its greeting",
    Phase.EHLO: "after EHLO",
    Phase.STARTTLS: "after STARTTLS",
    Phase.AUTH: "during sign-in",
}


def broken(error: BaseException, phase: Phase) -> TransportError:
    """Return the TransportError that `error` amounts to in a phase before mail.

    The same fault arrives in several shapes, so the chain of causes is searched.
    """
    chain = tuple(causes(error))
    for link in chain:
        if isinstance(link, ssl.SSLError) and not isinstance(link, _UNFINISHED):
            return tls_failure(link, phase)
    if any(isinstance(link, TimeoutError) for link in chain):
        return TransportError(
            f"no answer within the time-out ({_ASKED[phase]})", phase=phase, reason="timeout"
        )
    return closed(phase, is_reset=any(isinstance(link, ConnectionResetError) for link in chain))


def closed(phase: Phase, *, is_reset: bool = False) -> TransportError:
    """Return the error for a server that hung up before mail."""
    return TransportError(
        f"the server closed the connection ({_ASKED[phase]})",
        phase=phase,
        reason="ECONNRESET" if is_reset else "closed",
    )


def lost(phase: Phase, reason: str, message: str) -> TransportError:
    """Return the error for a session that ended between mails, or within one."""
    return TransportError(f"{message} (after {phase.name})", phase=phase, reason=reason)


def misnamed(name: str, phase: Phase) -> TransportError:
    """Return the error for a name that cannot be a host's."""
    return TransportError(f"{name} is not a host name", phase=phase, reason="bad-name")


def too_late(phase: Phase) -> TransportError:
    """Return the error for a command whose deadline has passed."""
    return TransportError("the deadline has passed", phase=phase, reason="deadline")


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error with what led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
