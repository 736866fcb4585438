"""What only a meeting has to cope with: it holds the socket itself, and waits for everything."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from msgspec import structs

from nexomailer_cli.config.proxy import read_proxy
from nexomailer_cli.errors import TransportError
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.transport import resolving
from nexomailer_cli.transport.base import Event, Said
from nexomailer_cli.transport.limits import Limits
from nexomailer_cli.transport.meeting import Meeting
from tests.support.account import PROMPT, terms
from tests.support.beside import peer
from tests.support.interruption import Interruption
from tests.support.script import Expect, Hang, Reply


@contextlib.contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve one client on a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            sock, _ = listener.accept()
            with sock:
                serve(sock)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_a_server_that_resets_after_its_greeting_did_greet() -> None:
    is_greeted, is_gone = threading.Event(), threading.Event()

    def serve(sock: socket.socket) -> None:
        sock.sendall(b"220 hi\r\n")
        assert is_greeted.wait(5)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
        is_gone.set()

    def observe(event: Event) -> None:
        if event == Said("S", "220 hi"):
            is_greeted.set()
            assert is_gone.wait(5)

    with answering(serve) as port, pytest.raises(TransportError) as caught:
        Meeting(terms(port), PROMPT, observe).open()
    assert (caught.value.phase, caught.value.reason) == (Phase.EHLO, "ECONNRESET")


def soon() -> Limits:
    return Limits(deadline=time.monotonic() + 0.1)


def test_a_resolver_that_hangs_until_the_deadline_is_not_to_blame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_over = threading.Event()

    def hang(*_: object) -> list[object]:
        is_over.wait(5)
        return []

    monkeypatch.setattr(resolving, "getaddrinfo", hang)
    way = structs.replace(terms(25), host="mail.test")
    with pytest.raises(TransportError) as caught:
        Meeting(way, soon()).open()
    is_over.set()
    assert (caught.value.phase, caught.value.reason) == (Phase.CONNECT, "deadline")


def test_a_proxy_that_is_silent_until_the_deadline_is_not_to_blame() -> None:
    def listen(sock: socket.socket) -> None:
        while sock.recv(1024):
            pass

    with answering(listen) as port:
        way = structs.replace(terms(25), proxy=read_proxy(f"http://127.0.0.1:{port}"))
        with pytest.raises(TransportError) as caught:
            Meeting(way, soon()).open()
    assert (caught.value.phase, caught.value.reason) == (Phase.CONNECT, "deadline")


def test_a_year_is_a_time_out_as_good_as_any() -> None:
    year = 366 * 86400.0
    with (
        answering(lambda sock: sock.sendall(b"220 hi\r\n")) as port,
        pytest.raises(TransportError) as caught,
    ):
        Meeting(terms(port), Limits(connect=year, reply=year, end=year)).open()
    assert caught.value.phase == Phase.EHLO


def test_being_interrupted_closes_the_connection() -> None:
    signal = Interruption("EHLO")
    with peer((Reply("220 hi"), Expect("EHLO"), Hang())) as server:
        meeting = Meeting(terms(server.port), PROMPT, signal.observe, signal.blocking)
        with pytest.raises(KeyboardInterrupt):
            meeting.open()
    assert server.left.is_set()


def test_a_signal_that_comes_with_the_connection_leaves_no_socket_open() -> None:
    @contextlib.contextmanager
    def blocking() -> Iterator[None]:
        yield
        raise KeyboardInterrupt

    def listen(sock: socket.socket) -> None:
        sock.settimeout(5)
        assert sock.recv(1) == b""

    with answering(listen) as port, pytest.raises(KeyboardInterrupt) as caught:
        Meeting(terms(port), PROMPT, blocking=blocking).open()
    assert caught.traceback  # which would keep the socket
