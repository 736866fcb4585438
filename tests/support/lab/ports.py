"""Ports at which no server is: closed ones, and those that swallow every packet."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from threading import Event

from tests.support.lab.place import Handler, Place, hosting


@contextlib.contextmanager
def closed_port(address: str = "127.0.0.1") -> Iterator[int]:
    """Return a port that refuses, and that nobody else can take."""
    with _bound(address, 0) as reserved:
        yield reserved.getsockname()[1]


@contextlib.contextmanager
def black_hole(address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Return a port that answers nothing: the accept queue is full, so SYNs are dropped."""
    with _bound(address, port) as listener, contextlib.ExitStack() as crowd:
        listener.listen(0)
        _fill(listener, crowd)
        yield listener.getsockname()[1]


@contextlib.contextmanager
def lossy_port(handler: Handler, door: Event) -> Iterator[Place]:
    """Return a port that drops the first SYN and takes the one that the kernel sends again.

    TCP repeats it after 1 second (RFC 6298), which is when the `door` must be open.
    """
    with _bound("127.0.0.1", 0) as listener:
        listener.listen(0)
        with hosting(listener, [handler], door) as place, contextlib.ExitStack() as crowd:
            _fill(listener, crowd)
            yield place


def _bound(address: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


def _fill(listener: socket.socket, crowd: contextlib.ExitStack) -> None:
    for _ in range(4):
        caller = crowd.enter_context(socket.socket(listener.family))
        caller.setblocking(False)
        caller.connect_ex(listener.getsockname()[:2])
