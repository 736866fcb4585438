"""Which port answers, on real sockets of loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from nexomailer_cli.probe import port_race
from nexomailer_cli.probe.port_race import faster_port

LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def listening() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def closed() -> Iterator[int]:
    # Bound and not listening: nobody else gets the port, and it refuses.
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        yield sock.getsockname()[1]


@contextlib.contextmanager
def silent() -> Iterator[int]:
    # A listener whose queue is full neither answers nor refuses.
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind((LOOPBACK, 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield full.getsockname()[1]


def test_the_preferred_port_wins_where_both_answer() -> None:
    with listening() as preferred, listening() as other:
        assert faster_port(LOOPBACK, ports=(preferred, other)) == preferred


def test_the_other_one_is_taken_where_the_preferred_refuses() -> None:
    with closed() as preferred, listening() as other:
        assert faster_port(LOOPBACK, ports=(preferred, other)) == other


def test_the_preferred_one_is_waited_for_a_moment_and_no_longer() -> None:
    with silent() as preferred, listening() as other:
        began = time.monotonic()
        assert faster_port(LOOPBACK, ports=(preferred, other)) == other
        took = time.monotonic() - began
    assert port_race.HEAD_START_SECONDS <= took < port_race.SECONDS


def test_a_preferred_port_that_is_a_little_slower_still_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other_has_answered = threading.Event()

    def answers(_host: str, port: int, *_: object) -> bool:
        if port == 465:
            return other_has_answered.wait(5)
        other_has_answered.set()
        return True

    monkeypatch.setattr(port_race, "_answers", answers)
    monkeypatch.setattr(port_race, "HEAD_START_SECONDS", 5.0)
    assert faster_port(LOOPBACK) == 465


def test_where_nothing_answers_it_is_the_port_that_everybody_configures() -> None:
    with closed() as preferred, closed() as other:
        assert faster_port(LOOPBACK, ports=(preferred, other)) == other
    with silent() as preferred, silent() as other:
        assert faster_port(LOOPBACK, ports=(preferred, other), seconds=0.1) == other


@pytest.mark.parametrize("failure", [socket.gaierror(-2, "unknown"), UnicodeError("label")])
def test_a_name_without_addresses_has_no_open_port(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(*_: object) -> list[object]:
        raise failure

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert faster_port("h.test") == 587


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def resolve(*_: object) -> list[object]:
        ended.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert faster_port("slow.test", seconds=0.05) == 587
    assert {each.daemon for each in threading.enumerate() if each.name == "knock"} == {True}
    ended.set()


def test_of_several_addresses_one_that_answers_is_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with silent() as dead, listening() as alive, closed() as other:
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (LOOPBACK, port)) for port in (dead, alive)
        ]
        refused = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (LOOPBACK, other))]

        def resolve(_host: str, port: int, *_: object) -> list[object]:
            return [*addresses] if port == 465 else [*refused]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        assert faster_port("h.test", seconds=2.0) == 465


def test_only_the_wanted_family_is_knocked_at() -> None:
    with listening() as preferred, listening() as other:
        found = faster_port(LOOPBACK, family=socket.AF_INET6, ports=(preferred, other))
    assert found == other
