"""Runs a server of ours on a thread beside the test, whose own thread the command blocks."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from tests.support.script import Peer, Script, scripted

T = TypeVar("T")


@contextlib.contextmanager
def beside(manager: contextlib.AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enter and leave an asynchronous context manager on a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def wait_for(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    try:
        value = wait_for(manager.__aenter__())
        try:
            yield value
        finally:
            wait_for(manager.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextlib.contextmanager
def peer(
    *scripts: Script,
    tls: ssl.SSLContext | None = None,
    implicit: bool = False,
    path: Path | None = None,
) -> Iterator[Peer]:
    """Serve `scripts` on loopback, or at a Unix socket, while the command runs."""
    with beside(scripted(*scripts, tls=tls, implicit=implicit, path=path)) as served:
        yield served
