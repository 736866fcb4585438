"""A wire that is as long as one likes: passes bytes on after a delay, and remembers turns.

A turn begins when the client speaks after the server has, so the number of turns is the
number of round trips that a client waited for, the connection's own not included.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, cast

from servers import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTLE_SECONDS = 10.0


class Relay:
    """Listens on `port` and leads to another port of this machine.

    `delay` is for one direction, in seconds. `turns` counts since the last `reset`.
    """

    def __init__(self, delay: float = 0.0) -> None:
        self.port = 0
        self.target = 0
        self.delay = delay
        self.turns = 0
        self.loop = asyncio.new_event_loop()
        self._open = 0
        self._idle = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[Relay]:
        """Relay in a thread of its own."""
        listening = threading.Event()
        thread = threading.Thread(target=self._run, args=(listening,), daemon=True)
        thread.start()
        listening.wait()
        try:
            yield self
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            thread.join()

    def reset(self, target: int) -> None:
        """Lead to `target` from now on, and count anew."""
        self.target = target
        self.turns = 0

    def settled(self) -> int:
        """Return the turns, once all connections are closed and all bytes have been counted."""
        if not self._idle.wait(SETTLE_SECONDS):
            raise SystemExit("the relay's connections stay open")
        return self.turns

    def opened(self) -> None:
        """Note that there is one connection more."""
        self._open += 1
        self._idle.clear()

    def closed(self) -> None:
        """Note that there is one connection less."""
        self._open -= 1
        if not self._open:
            self._idle.set()

    def _run(self, listening: threading.Event) -> None:
        server = self.loop.run_until_complete(
            self.loop.create_server(lambda: _End(self, "C"), HOST, 0)
        )
        self.port = server.sockets[0].getsockname()[1]
        listening.set()
        self.loop.run_forever()
        server.close()
        self.loop.close()


class _End(asyncio.Protocol):
    """One side of the relay; `peer` is the other."""

    def __init__(self, relay: Relay, speaker: str, peer: _End | None = None) -> None:
        self._relay = relay
        self._speaker = speaker
        self._peer = peer
        self._wire: asyncio.Transport | None = None
        self.has_spoken = False  # and the peer has not, since
        self._early: list[bytes] = []
        self._task: asyncio.Task[object] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._relay.opened()
        self._wire = cast("asyncio.Transport", transport)
        if self._peer is not None:
            self._peer.joined(self)
            return
        relay = self._relay
        self._task = relay.loop.create_task(
            relay.loop.create_connection(lambda: _End(relay, "S", self), HOST, relay.target)
        )

    def joined(self, peer: _End) -> None:
        """Pass on what came before there was a peer."""
        self._peer = peer
        for data in self._early:
            self._later(data)

    def data_received(self, data: bytes) -> None:
        self._count_turn()
        if self._peer is None:
            self._early.append(data)
        else:
            self._later(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._relay.closed()
        if self._peer is not None:
            self._relay.loop.call_later(self._relay.delay, self._peer.close)

    def _count_turn(self) -> None:
        """A turn begins when the client speaks after its server."""
        peer = self._peer
        if peer is not None:
            self._relay.turns += self._speaker == "C" and peer.has_spoken
            peer.has_spoken = False
        self.has_spoken = True

    def write(self, data: bytes) -> None:
        if self._wire is not None:
            self._wire.write(data)

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()

    def _later(self, data: bytes) -> None:
        assert self._peer is not None
        self._relay.loop.call_later(self._relay.delay, self._peer.write, data)
