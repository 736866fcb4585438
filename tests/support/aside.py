"""Lets code that waits run beside a test whose own event loop serves it."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, Protocol, TypeVar

from nexomailer_cli.smtp.envelope import Mail

R_co = TypeVar("R_co", covariant=True)


class Sender(Protocol[R_co]):
    """A transport, or a connection."""

    def send(self, mail: Mail, /) -> R_co: ...
    def close(self) -> None: ...


class Aside(Generic[R_co]):
    """A sender whose methods are awaited, each in a thread."""

    def __init__(self, sender: Sender[R_co]) -> None:
        self._sender = sender

    async def send(self, mail: Mail) -> R_co:
        return await asyncio.to_thread(self._sender.send, mail)

    async def close(self) -> None:
        await asyncio.to_thread(self._sender.close)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sender, name)
