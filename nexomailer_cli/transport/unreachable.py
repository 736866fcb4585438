"""Why no connection came about, in the words of the diagnosis table."""

from __future__ import annotations

import errno
import os
import socket

from nexomailer_cli.errors import TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.outcome import Phase

_RESOLVER_CODES = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}
# Whatever else is wrong with a path, there is no server to be found at it.
_SOCKET_REASONS = {
    errno.EACCES: "socket-denied",
    errno.EPERM: "socket-denied",
    errno.ENOENT: "socket-missing",
    errno.ENOTDIR: "socket-missing",
}


def unresolved(host: str, error: socket.gaierror | UnicodeError) -> TransportError:
    """Return the TransportError for a name that did not become an address."""
    if isinstance(error, UnicodeError):
        return _failed(f"{host} is not a host name", "bad-name")
    reason = _RESOLVER_CODES.get(error.errno or 0, "EAI_FAIL")
    return _failed(f"cannot resolve {host}: {error.strerror}", reason)


def unconnected(host: str, port: int, error: OSError, source: str | None = None) -> TransportError:
    """Return the TransportError for an address that could not be reached from `source`."""
    if source and error.errno == errno.EADDRNOTAVAIL:
        message = f"cannot connect from {source}: this machine has no such address"
        return _failed(message, "bad-source")
    reason = errno.errorcode.get(error.errno or 0, "EIO")
    return _failed(f"cannot connect to {host}:{port}: {_words(error)}", reason)


def unopened(path: str, error: OSError) -> TransportError:
    """Return the TransportError for a Unix socket that does not open."""
    number = error.errno or errno.EIO
    reason = _SOCKET_REASONS.get(number, "socket-refused")
    message = f"cannot connect to {path}: {os.strerror(number).lower()}"
    return _failed(message, reason)


def beyond(error: TransportError) -> TransportError:
    """Return what keeps us from the proxy as what keeps us from the server."""
    if error.reason == "bad-source":
        return error
    return TransportError(f"the proxy: {error}", phase=error.phase, reason="proxy-unreachable")


def _words(error: OSError) -> str:
    # asyncio writes the address into strerror, where the reason should be.
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _failed(message: str, reason: str) -> TransportError:
    return TransportError(printable(message), phase=Phase.CONNECT, reason=reason)
