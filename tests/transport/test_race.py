"""The race of all addresses: who starts when, who wins, and what is said of the others."""

from __future__ import annotations

import errno
import gc
import os
import socket
import time
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from nexomailer_cli.transport import race as module
from nexomailer_cli.transport.race import ConnectAttempt, Race, interleaved
from nexomailer_cli.transport.race import race as brief_race
from nexomailer_cli.transport.resolving import Address
from tests.support.lab.ports import black_hole, closed_port

PATIENCE = 8.0

# Every runner is to be heard of.
race = partial(brief_race, lingers=True)


def four(address: str, port: int = 587) -> Address:
    return Address(socket.AF_INET, (address, port))


def six(address: str, port: int = 587) -> Address:
    return Address(socket.AF_INET6, (address, port, 0, 0))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def ended(run: Race) -> dict[str, tuple[str, str | None]]:
    """Return how it ended for each address, and hang up."""
    if run.sock:
        run.sock.close()
    return {each.address: (each.result, each.errno) for each in run.attempts}


# --- the order ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("addresses", "order"),
    [
        ([], ""),
        ([six("::1"), six("::2"), four("1"), four("2")], "::1 1 ::2 2"),
        ([four("1"), six("::1"), six("::2"), six("::3")], "1 ::1 ::2 ::3"),
        ([four("1"), four("2")], "1 2"),
    ],
)
def test_families_take_turns_and_the_resolver_says_which_begins(
    addresses: list[Address], order: str
) -> None:
    assert " ".join(each.text for each in interleaved(addresses)) == order


# --- the winner ---------------------------------------------------------------------------


def test_the_first_to_answer_wins_and_is_connected(listener: socket.socket, port: int) -> None:
    run = race([four("127.0.0.1", port)], PATIENCE)
    assert run.sock is not None
    peer, _ = listener.accept()
    with run.sock, peer:
        assert (run.winner, run.attempts[0].result) == ("127.0.0.1", "connected")
        assert 0 < run.seconds < PATIENCE
        assert run.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        run.sock.settimeout(PATIENCE)
        run.sock.sendall(b"hi")
        assert peer.recv(2) == b"hi"


def test_nobody_waits_for_an_address_that_refuses(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STAGGER_SECONDS", PATIENCE)
    start = time.monotonic()
    run = race([six("::1", port), four("127.0.0.1", port)], 2 * PATIENCE)
    assert time.monotonic() - start < PATIENCE
    assert ended(run) == {"::1": ("refused", "ECONNREFUSED"), "127.0.0.1": ("connected", None)}


def test_silence_gives_the_next_address_its_turn(port: int) -> None:
    with black_hole("127.0.0.2", port):
        run = race([four("127.0.0.2", port), four("127.0.0.1", port)], PATIENCE)
    assert ended(run) == {"127.0.0.2": ("silent", "ETIMEDOUT"), "127.0.0.1": ("connected", None)}
    silent, connected = run.attempts
    # The winner's own time does not hold what was waited before it began.
    assert silent.ms > 1000 * module.STAGGER_SECONDS > connected.ms
    assert run.winner == "127.0.0.1"


def test_once_there_is_a_winner_the_others_are_looked_at_and_left(
    listener: socket.socket, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STAGGER_SECONDS", PATIENCE)
    with socket.create_server(("127.0.0.2", port)) as other, black_hole("127.0.0.3", port):
        hosts = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
        start = time.monotonic()
        run = race([four(host, port) for host in hosts], 3 * PATIENCE)
        assert time.monotonic() - start < PATIENCE
        assert [each.result for each in run.attempts] == ["connected", "connected", "silent"]
        peer, _ = other.accept()
        with peer:
            peer.settimeout(PATIENCE)
            assert peer.recv(1) == b""  # hung up
        ended(run)


# --- nobody wins --------------------------------------------------------------------------


def test_silence_of_all_ends_with_the_time_out() -> None:
    with black_hole() as port:
        start = time.monotonic()
        run = race([four("127.0.0.1", port)], 0.2)
        assert 0.2 <= time.monotonic() - start < PATIENCE
    assert ended(run) == {"127.0.0.1": ("silent", "ETIMEDOUT")}
    assert run.attempts[0].ms >= 200
    assert (run.sock, run.error.errno) == (None, errno.ETIMEDOUT)


def test_however_little_time_there_is_everybody_starts() -> None:
    with black_hole() as port, closed_port("127.0.0.2") as other:
        silent = [four("127.0.0.1", port)] * 4
        run = race([*silent, four("127.0.0.2", other)], 0.4)
    assert ended(run)["127.0.0.2"] == ("refused", "ECONNREFUSED")


def test_no_address_is_no_connection() -> None:
    assert race([], PATIENCE) == Race(())


ERRORS = [
    (("ENETUNREACH", "ECONNREFUSED"), "ECONNREFUSED"),
    ((None, "ECONNREFUSED"), "ECONNREFUSED"),
    (("ENETUNREACH", None), "ETIMEDOUT"),
    (("EACCES", "EHOSTUNREACH"), "EACCES"),
    (("ECONNREFUSED", "EADDRNOTAVAIL"), "EADDRNOTAVAIL"),
    (("ENETUNREACH",), "ENETUNREACH"),
]


@pytest.mark.parametrize(("numbers", "telling"), ERRORS)
def test_the_error_is_the_one_that_says_most(numbers: tuple[str | None, ...], telling: str) -> None:
    attempts = [
        ConnectAttempt(address="192.0.2.1", family="ipv4", result="failed", ms=1, errno=number)
        for number in numbers
    ]
    error = Race(tuple(attempts)).error
    assert errno.errorcode[error.errno or 0] == telling
    assert error.strerror == os.strerror(error.errno or 0)


# --- where it comes from, and what is left over -------------------------------------------


def test_the_source_address_is_where_it_comes_from(listener: socket.socket, port: int) -> None:
    run = race([four("127.0.0.1", port)], PATIENCE, "127.0.0.9")
    peer, where = listener.accept()
    peer.close()
    ended(run)
    assert where[0] == "127.0.0.9"


def test_a_source_address_of_another_machine_ends_it_at_once(port: int) -> None:
    run = race([four("127.0.0.1", port)], PATIENCE, "203.0.113.9")
    assert ended(run) == {"127.0.0.1": ("failed", "EADDRNOTAVAIL")}


def test_a_machine_without_sockets_to_spare_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Exhausted(socket.socket):
        def __init__(self, *_: Any) -> None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        def __del__(self) -> None: ...

    system = SimpleNamespace(**{**vars(socket), "socket": Exhausted})
    monkeypatch.setattr("nexomailer_cli.transport.race.socket", system)
    run = race([four("127.0.0.1")], PATIENCE)
    assert ended(run) == {"127.0.0.1": ("failed", "EMFILE")}


def test_what_fails_at_once_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unroutable(socket.socket):
        def connect_ex(self, address: object, /) -> int:
            return errno.ENETUNREACH

    system = SimpleNamespace(**{**vars(socket), "socket": Unroutable})
    monkeypatch.setattr("nexomailer_cli.transport.race.socket", system)
    run = race([six("2001:db8::1")], PATIENCE)
    assert ended(run) == {"2001:db8::1": ("unreachable", "ENETUNREACH")}


def test_ctrl_c_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module._Race, "_look", pressed)
    with black_hole() as port, pytest.raises(KeyboardInterrupt):
        race([four("127.0.0.1", port)], PATIENCE)
    gc.collect()  # a socket that is still open is a ResourceWarning now
