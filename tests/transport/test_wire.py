"""The wire of one mail: both ways at once, in clear and under TLS, and what breaks."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nexomailer_cli.transport.wire import PIECE, Wire

ServerTls = Callable[..., ssl.SSLContext]
Ends = tuple[Wire, socket.socket]
LOTS = b"x" * (8 * 1024 * 1024)  # more than the kernel's buffers hold


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A wire and the other end of its socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    wire = Wire(near)
    with far:
        yield wire, far
    wire.close()


@pytest.fixture
def secured(ends: Ends, server_tls: ServerTls, client_tls: ssl.SSLContext) -> Iterator[Ends]:
    """The same, under TLS."""
    wire, far = ends
    far.settimeout(5)
    made: list[ssl.SSLSocket] = []
    server = threading.Thread(
        target=lambda: made.append(server_tls().wrap_socket(far, server_side=True))
    )
    server.start()
    wire.secure(client_tls, "localhost", soon())
    server.join()
    with made[0] as encrypted:
        yield wire, encrypted


@pytest.fixture(params=["in clear", "under TLS"])
def pair(request: pytest.FixtureRequest) -> Ends:
    ends: Ends = request.getfixturevalue("ends" if request.param == "in clear" else "secured")
    return ends


def read_all(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (piece := sock.recv(1 << 20)):
        data += piece
    return bytes(data)


def test_what_is_written_arrives_and_what_is_said_is_heard(pair: Ends) -> None:
    wire, far = pair
    wire.write(b"EHLO a.test\r\n")
    assert far.recv(100) == b"EHLO a.test\r\n"
    far.sendall(b"250 b.test\r\n")
    assert wire.wait(soon()) == b"250 b.test\r\n"
    assert wire.look() is None


def test_what_the_kernel_does_not_hold_waits_and_leaves(pair: Ends) -> None:
    wire, far = pair
    wire.write(LOTS)
    assert wire.is_writing
    reader = threading.Thread(target=read_all, args=(far, len(LOTS)))
    reader.start()
    assert wire.wait(soon(20)) is None
    reader.join()
    assert wire.has_left


def test_a_word_is_heard_while_much_is_on_its_way(pair: Ends) -> None:
    wire, far = pair
    wire.write(LOTS)
    far.sendall(b"552 too much\r\n")
    assert wire.wait(soon()) == b"552 too much\r\n"
    assert wire.is_writing


def test_all_of_a_long_speech_is_heard_however_it_is_cut(pair: Ends) -> None:
    wire, far = pair
    speech = b"".join(b"250-line %06d\r\n" % number for number in range(40_000))
    speaker = threading.Thread(target=far.sendall, args=(speech,))
    speaker.start()
    heard = bytearray()
    while len(heard) < len(speech):
        heard += wire.wait(soon()) or b""
    speaker.join()
    assert bytes(heard) == speech


def test_silence_ends_with_the_time_that_there_is(pair: Ends) -> None:
    wire, _ = pair
    for until in (soon(0.02), soon(-1)):
        with pytest.raises(TimeoutError):
            wire.wait(until)


def test_the_end_of_it_is_heard_again_and_again(pair: Ends) -> None:
    wire, far = pair
    far.sendall(b"221 bye\r\n")
    far.close()
    assert wire.wait(soon()) == b"221 bye\r\n"
    assert [wire.wait(soon()) for _ in range(2)] == [b"", b""]


def test_to_write_to_a_server_that_was_seen_to_hang_up_fails_in_silence(pair: Ends) -> None:
    wire, far = pair
    far.close()
    assert wire.wait(soon()) == b""
    deadline = soon()
    while wire.has_left and time.monotonic() < deadline:
        wire.write(b"NOOP\r\n")
    assert not wire.has_left
    with contextlib.suppress(ConnectionResetError):  # in clear the system may say so
        assert wire.wait(soon()) == b""


def test_a_last_word_is_heard_although_nothing_can_be_written_any_more(ends: Ends) -> None:
    wire, far = ends
    far.sendall(b"421 going down\r\n")
    far.close()
    deadline = soon()
    while wire.has_left and time.monotonic() < deadline:
        wire.write(b"NOOP\r\n")
    assert not wire.has_left
    assert not wire.is_writing
    assert wire.wait(soon()) == b"421 going down\r\n"


def test_a_reset_is_told_even_if_writing_met_it_first(ends: Ends) -> None:
    wire, far = ends
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    far.close()
    wire.write(b"NOOP\r\n")
    with pytest.raises(ConnectionResetError):
        wire.wait(soon())


def test_what_has_left_is_not_called_back_by_what_fails_later(secured: Ends) -> None:
    wire, far = secured
    wire.write(b".\r\n")
    assert far.recv(100) == b".\r\n"
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    far.close()
    assert wire.tls is not None
    wire.tls._send(b"a record of TLS's own, such as the answer to a KeyUpdate")
    assert isinstance(wire._fault, OSError)
    assert wire.has_left


def test_what_stands_behind_it_does_not_keep_back_what_has_left() -> None:
    near, far = socket.socketpair()
    wire = Wire(near)
    with far:
        wire.write(b".\r\n")
        wire._put(LOTS)  # TLS has something to say of its own
        assert wire.is_writing
        assert wire.has_left
        wire.write(b"QUIT\r\n")
        assert not wire.has_left
    wire.close()


def test_a_handshake_has_its_time(ends: Ends, client_tls: ssl.SSLContext) -> None:
    wire, _ = ends
    with pytest.raises(TimeoutError):
        wire.secure(client_tls, "localhost", soon(0.05))
    assert wire.tls_version == ""


def test_the_version_in_force_is_known(secured: Ends) -> None:
    assert secured[0].tls_version == "TLSv1.3"


def test_half_a_record_is_no_word_yet(ends: Ends, client_tls: ssl.SSLContext) -> None:
    wire, far = ends
    far.sendall(bytes([22, 3, 3, 0, 200, 2]))
    with pytest.raises(TimeoutError):
        wire.secure(client_tls, "localhost", soon(0.1))


def test_a_year_is_no_longer_than_the_system_can_wait(pair: Ends) -> None:
    wire, far = pair
    wire.write(LOTS)
    reader = threading.Thread(target=read_all, args=(far, len(LOTS)))
    reader.start()
    assert wire.wait(soon(366 * 86400.0)) is None
    reader.join()


# A record with a HelloRequest, which TLS passes over while it negotiates.
HELLO_REQUEST = bytes([22, 3, 3, 0, 4, 0, 0, 0, 0])


def test_who_keeps_tls_busy_stops_neither_the_clock_nor_signals(client_tls: ssl.SSLContext) -> None:
    waits = 0

    @contextlib.contextmanager
    def blocking() -> Iterator[None]:
        nonlocal waits
        waits += 1
        yield

    near, far = socket.socketpair()
    wire = Wire(near, blocking)
    with far:
        far.setblocking(False)
        sent = far.send(HELLO_REQUEST * 100_000)
        assert sent > 2 * PIECE
        with pytest.raises(TimeoutError):
            wire.secure(client_tls, "localhost", soon(-1))
        assert len(near.recv(sent)) == sent - PIECE  # one was read, and no more
        far.send(HELLO_REQUEST * 100_000)
        with pytest.raises(TimeoutError):
            wire.secure(client_tls, "localhost", soon(0.2))
        assert waits > 2  # and not only when there was no more
    wire.close()


class Renegotiating:
    """What OpenSSL does when a server has asked to negotiate anew: no word leaves until then."""

    def __init__(self, secured: ssl.SSLObject) -> None:
        self._secured = secured
        self._has_begun = True

    def write(self, data: bytes) -> int:
        if self._has_begun:
            raise ssl.SSLWantReadError
        return self._secured.write(data)

    def read(self, size: int) -> bytes:
        self._has_begun = False  # as far as a client has to do with it
        return self._secured.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._secured, name)


def test_what_is_written_while_tls_negotiates_anew_leaves_afterwards(secured: Ends) -> None:
    wire, far = secured
    assert wire.tls is not None
    wire.tls.object = Renegotiating(wire.tls.object)  # type: ignore[assignment]
    wire.write(b"MAIL FROM:<a@a.test>\r\n")
    wire.write(b"RCPT TO:<b@b.test>\r\n")
    assert wire.is_writing
    assert not wire.has_left
    assert wire.wait(soon()) is None
    assert wire.has_left
    assert read_all(far, 42) == b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\n"
