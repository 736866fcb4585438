"""Both conductors of a handshake behind one face: blocking sockets, and the event loop."""

from __future__ import annotations

import asyncio
from typing import Protocol

from nexomailer_cli.pool.carrier import Carrier
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.transport.base import Observer, unobserved
from nexomailer_cli.transport.limits import Limits
from nexomailer_cli.transport.meeting import Meeting
from nexomailer_cli.transport.terms import Session, Terms
from nexomailer_cli.transport.wire import Wire


class Conductor(Protocol):
    """One try to open a session."""

    tls_version: str

    @property
    def phase(self) -> Phase: ...

    async def open(self) -> Session: ...

    def close(self) -> None: ...


class Waiting:
    """`transport.meeting`, in a thread."""

    def __init__(self, terms: Terms, limits: Limits, observer: Observer = unobserved) -> None:
        self._meeting = Meeting(terms, limits, observer)
        self._wire: Wire | None = None

    @property
    def tls_version(self) -> str:
        return self._meeting.tls_version

    @property
    def phase(self) -> Phase:
        return self._meeting.phase

    async def open(self) -> Session:
        self._wire, session = await asyncio.to_thread(self._meeting.open)
        return session

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()


class Looping(Carrier):
    """`pool.carrier`."""

    def close(self) -> None:
        if self._opened is not None:
            self.wire.abort()
