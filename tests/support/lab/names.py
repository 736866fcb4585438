"""A resolver that knows what the test tells it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

SEAM = "nexomailer_cli.transport.resolving.getaddrinfo"
Answer = Sequence[str] | int  # addresses, or one of socket's EAI_*


def names(
    monkeypatch: pytest.MonkeyPatch,
    known: Mapping[str, Answer],
    *,
    seconds: float = 0.0,
    asked: Callable[[], object] = lambda: None,
) -> None:
    """Answer for the names in `known`, after `seconds`; the system answers for all others."""

    def getaddrinfo(host: Any, port: Any, family: int = 0, *others: int, **more: int) -> Any:
        if host not in known:
            return socket.getaddrinfo(host, port, family, *others, **more)
        time.sleep(seconds)
        asked()
        answer = known[host]
        if isinstance(answer, int):
            raise socket.gaierror(answer, "as the test wants it")
        return [each for each in map(_entry(host, port), answer) if family in (0, each[0])]

    monkeypatch.setattr(SEAM, getaddrinfo)


def _entry(host: str, port: Any) -> Callable[[str], Any]:
    def entry(address: str) -> Any:
        if ":" in address:
            family, place = socket.AF_INET6, (address, int(port or 0), 0, 0)
        else:
            family, place = socket.AF_INET, (address, int(port or 0))  # type: ignore[assignment]
        return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, host, place

    return entry
