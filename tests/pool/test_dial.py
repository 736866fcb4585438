"""From a name to a socket, or to the system's own reason."""

import asyncio
import errno
import socket
import threading
from typing import Any

import pytest

from nexomailer_cli.errors import TransportError
from nexomailer_cli.pool import dial as module
from nexomailer_cli.pool.dial import dial
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.transport.terms import Terms
from tests.support.script import Hang, scripted


def address(host: str, port: int) -> tuple[Any, ...]:
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))


def answers(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[Any, ...]) -> None:
    """Let the resolver say so."""

    async def resolve(*_: object) -> list[Any]:
        return list(addresses)

    monkeypatch.setattr(module, "_resolve", resolve)


async def refusal(host: str, port: int = 25) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await dial(host, port)
    assert caught.value.phase == Phase.CONNECT
    return caught.value


async def test_a_listening_peer_is_reached() -> None:
    async with scripted((Hang(),)) as peer:
        with await dial("127.0.0.1", peer.port) as sock:
            assert sock.getpeername()[1] == peer.port
            assert sock.getblocking() is False


async def test_a_name_is_resolved() -> None:
    async with scripted((Hang(),)) as peer:
        with await dial("localhost", peer.port) as sock:
            assert sock.getpeername()[1] == peer.port


async def test_a_closed_port_is_named_with_host_and_port(unused_tcp_port: int) -> None:
    error = await refusal("127.0.0.1", unused_tcp_port)
    assert error.reason == "ECONNREFUSED"
    assert f"127.0.0.1:{unused_tcp_port}" in str(error)


async def test_of_several_addresses_the_one_that_answers_is_used(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    async with scripted((Hang(),)) as peer:
        dead, alive = address("127.0.0.1", unused_tcp_port), address("127.0.0.1", peer.port)
        answers(monkeypatch, dead, alive)
        with await dial("h.test", 25) as sock:
            assert sock.getpeername()[1] == peer.port


async def test_several_dead_addresses_have_one_reason(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    answers(monkeypatch, *(address(f"127.0.0.{n}", unused_tcp_port) for n in (1, 2)))
    assert (await refusal("h.test")).reason == "ECONNREFUSED"


async def test_a_dead_address_does_not_cost_its_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # A listener whose queue is full neither answers nor refuses.
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        async with scripted((Hang(),)) as peer:
            answers(monkeypatch, address(*full.getsockname()), address("127.0.0.1", peer.port))
            async with asyncio.timeout(2.0):
                with await dial("h.test", 25) as sock:
                    assert sock.getpeername()[1] == peer.port


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "EAI_NONAME"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "EAI_AGAIN"),
        (socket.gaierror(4711, "odd"), "EAI_FAIL"),
        (UnicodeError("label too long"), "bad-name"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "EHOSTUNREACH"),
        (OSError("no number"), "EIO"),
    ],
)
async def test_the_reason_is_the_system_s(
    raised: Exception, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(*_: object) -> list[Any]:
        raise raised

    monkeypatch.setattr(module, "_resolve", resolve)
    error = await refusal("h.test\x1b")
    assert error.reason == reason
    assert "h.test\\x1b" in str(error)


@pytest.mark.parametrize("host", ["a" * 64 + ".test", "a..test"])
async def test_what_is_no_name_is_not_looked_up(host: str) -> None:
    assert (await refusal(host)).reason == "bad-name"


async def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def resolve(*_: object, **__: object) -> list[Any]:
        ended.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(dial("slow.test", 25), 0.05)
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "resolver"] == [
        True
    ]
    ended.set()


async def test_an_address_needs_no_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    async with scripted((Hang(),)) as peer:
        with await dial("127.0.0.1", peer.port) as sock:
            assert sock.getpeername()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("terms", "family"),
    [
        ({}, socket.AF_UNSPEC),
        ({"ip_version": 4}, socket.AF_INET),
        ({"ip_version": 6}, socket.AF_INET6),
        ({"source_address": "192.0.2.7"}, socket.AF_INET),
        ({"source_address": "2001:db8::7"}, socket.AF_INET6),
    ],
)
def test_the_address_of_this_machine_decides_about_the_family_too(
    terms: dict[str, Any], family: socket.AddressFamily
) -> None:
    assert Terms(host="h.test", port=25, **terms).family is family


async def test_a_family_that_the_name_does_not_have_is_not_replaced_by_the_other() -> None:
    async with scripted((Hang(),)) as peer:
        with await dial("localhost", peer.port, family=socket.AF_INET) as sock:
            assert sock.family is socket.AF_INET
        with pytest.raises(TransportError) as caught:
            await dial("127.0.0.1", peer.port, family=socket.AF_INET6)
    assert caught.value.reason in ("EAI_ADDRFAMILY", "EAI_NODATA", "EAI_NONAME")


async def test_the_connection_comes_from_the_address_that_was_asked_for() -> None:
    async with scripted((Hang(),)) as peer:
        with await dial("127.0.0.1", peer.port, family=socket.AF_INET, source="127.0.0.2") as sock:
            assert sock.getsockname()[0] == "127.0.0.2"


@pytest.mark.parametrize("addresses", [1, 2])
async def test_an_address_that_is_not_ours_is_named(
    addresses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, *(address(f"127.0.0.{n}", 9) for n in range(1, 1 + addresses)))
    with pytest.raises(TransportError) as caught:
        await dial("h.test", 9, family=socket.AF_INET, source="203.0.113.9")
    assert caught.value.reason == "bad-source"
    assert "203.0.113.9" in str(caught.value)
