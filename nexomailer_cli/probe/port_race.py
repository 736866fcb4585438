"""Which of the two submission ports a host has, found out by knocking at both at once.

Only whether a connection comes about is looked at; what speaks there is for the stages to
find out. Knows nothing of SMTP.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

from nexomailer_cli.config.settings import SUBMISSION_PORT, SUBMISSIONS_PORT

if TYPE_CHECKING:
    from queue import SimpleQueue

SECONDS = 3.0  # for both together
# RFC 8314 section 3.3 prefers implicit TLS: this much later still wins.
HEAD_START_SECONDS = 0.3
_MOST = 6  # addresses


def faster_port(
    host: str,
    *,
    family: socket.AddressFamily = socket.AF_UNSPEC,
    ports: tuple[int, int] = (SUBMISSIONS_PORT, SUBMISSION_PORT),
    seconds: float = SECONDS,
) -> int:
    """Return the port of `ports` to use: the first unless only the second one answers in time.

    Where nothing answers it is the second, the port that everybody configures (RFC 6409).
    """
    from queue import Empty, SimpleQueue

    preferred, other = ports
    news: SimpleQueue[tuple[int, bool]] = SimpleQueue()
    until = time.monotonic() + seconds
    _start(host, ports, family, until, news)
    waiting = set(ports)
    with contextlib.suppress(Empty):
        while waiting:
            port, is_open = news.get(timeout=max(0.0, until - time.monotonic()))
            waiting.discard(port)
            if port == preferred and is_open:
                return preferred
            if port == other and is_open:
                until = min(until, time.monotonic() + HEAD_START_SECONDS)
    return other


def _start(
    host: str,
    ports: tuple[int, int],
    family: socket.AddressFamily,
    until: float,
    news: SimpleQueue[tuple[int, bool]],
) -> None:
    import threading

    def knock(port: int) -> None:
        news.put((port, _answers(host, port, family, until)))

    for port in ports:
        # A resolver that is out of order is not waited for.
        threading.Thread(target=knock, args=(port,), name="knock", daemon=True).start()


def _answers(host: str, port: int, family: socket.AddressFamily, until: float) -> bool:
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    with contextlib.ExitStack() as stack:
        begun = set()
        for kind, type_, protocol, _, address in found[:_MOST]:
            with contextlib.suppress(OSError):
                sock = stack.enter_context(socket.socket(kind, type_, protocol))
                sock.setblocking(False)
                sock.connect_ex(address)
                begun.add(sock)
        return _one_connects(begun, until)


def _one_connects(begun: set[socket.socket], until: float) -> bool:
    import select

    poll = select.poll()
    waiting = {sock.fileno(): sock for sock in begun}
    for number in waiting:
        poll.register(number, select.POLLOUT)
    while waiting and (left := until - time.monotonic()) > 0:
        for number, _ in poll.poll(left * 1000):
            if not waiting.pop(number).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                return True
            poll.unregister(number)
    return False
