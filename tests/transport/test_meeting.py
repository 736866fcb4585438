"""What is a blocking socket's own in opening a session; the rest is in test_handshake."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from msgspec import structs

from nexomailer_cli.errors import TransportError
from nexomailer_cli.transport import resolving
from nexomailer_cli.transport.limits import Limits
from nexomailer_cli.transport.meeting import Meeting
from tests.support.account import PROMPT, terms
from tests.support.beside import peer
from tests.support.interruption import Interruption
from tests.support.script import Expect, Hang, Reply


@pytest.fixture
def mute_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A resolver that says nothing until the test is over."""
    over = threading.Event()

    def wait(*_: object) -> None:
        over.wait(10)
        raise OSError

    monkeypatch.setattr(resolving, "getaddrinfo", wait)
    yield
    over.set()


@pytest.mark.usefixtures("mute_resolver")
def test_a_resolver_is_waited_for_no_longer_than_there_is_time() -> None:
    nowhere = structs.replace(terms(25), host="slow.test")
    late = Limits(connect=5.0, deadline=time.monotonic() + 0.05)
    for limits, reason in ((late, "deadline"), (Limits(connect=0.05), "EAI_AGAIN")):
        with pytest.raises(TransportError) as caught:
            Meeting(nowhere, limits).open()
        assert caught.value.reason == reason


def test_being_interrupted_closes_the_connection() -> None:
    signal = Interruption("EHLO")
    with peer((Reply("220 hi"), Expect("EHLO"), Hang())) as server:
        meeting = Meeting(terms(server.port), PROMPT, signal.observe, signal.blocking)
        with pytest.raises(KeyboardInterrupt):
            meeting.open()
    assert server.left.is_set()
