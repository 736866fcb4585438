"""From a name to addresses, by the same path as in sending: hosts file, search domains, DNS."""

from __future__ import annotations

import socket
from socket import getaddrinfo
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from nexomailer_cli.errors import TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.transport.unreachable import unresolved

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Address", "Resolved", "getaddrinfo", "resolve"]


class Address(Struct, frozen=True):
    """An address to connect to, as the socket module has it."""

    family: socket.AddressFamily
    place: tuple[Any, ...]

    @property
    def text(self) -> str:
        """The IP address."""
        return str(self.place[0])

    @property
    def is_six(self) -> bool:
        """Whether it is IPv6."""
        return self.family is socket.AF_INET6

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        from ipaddress import ip_address

        return ip_address(self.text.partition("%")[0]).is_loopback


class Resolved(Struct, frozen=True):
    """What a name resolved to, in the resolver's order (RFC 6724)."""

    addresses: tuple[Address, ...]
    canonical: str | None = None


def resolve(host: str, port: int, family: socket.AddressFamily, seconds: float) -> Resolved:
    """Return the addresses of `host`; raise TransportError with the resolver's reason."""
    entries = _literal(host, port, family) or _asked(host, port, family, seconds)
    addresses = dict.fromkeys(Address(entry[0], entry[4]) for entry in entries)
    canonical = next((entry[3] for entry in entries if entry[3]), None)
    return Resolved(tuple(addresses), printable(canonical) if canonical else None)


def _literal(host: str, port: int, family: socket.AddressFamily) -> Sequence[Any]:
    """Return the entry of an address, which needs neither a resolver nor a thread to wait in."""
    if not host.replace(".", "").isdigit() and ":" not in host:
        return ()
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    try:
        return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, numeric)
    except socket.gaierror:
        return ()


def _asked(host: str, port: int, family: socket.AddressFamily, seconds: float) -> Sequence[Any]:
    """Ask in a thread that nobody waits for longer: a resolver out of order takes half a minute."""
    # Here, since an address that was typed needs neither.
    import threading
    from queue import Empty, SimpleQueue

    answers: SimpleQueue[Sequence[Any] | socket.gaierror | UnicodeError | OSError] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_CANONNAME))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        raise TransportError(
            f"the resolver did not answer for {printable(host)}",
            phase=Phase.CONNECT,
            reason="EAI_AGAIN",
        ) from None
    if isinstance(answer, socket.gaierror | UnicodeError):
        raise unresolved(host, answer) from answer
    if isinstance(answer, OSError):
        raise unresolved(host, socket.gaierror(socket.EAI_FAIL, str(answer))) from answer
    return answer
