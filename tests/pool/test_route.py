"""What is the event loop's own on the way to a server; the rest is in the other test_route."""

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from nexomailer_cli.config.proxy import read_proxy
from nexomailer_cli.errors import TransportError
from nexomailer_cli.pool.route import reach
from nexomailer_cli.transport.terms import Terms
from tests.support.account import terms
from tests.support.proxies import proxying


def through(url: str, port: int) -> Terms:
    return structs.replace(terms(port), host="mail.test", proxy=read_proxy(url))


def at(path: Path) -> Terms:
    return Terms(host="localhost", port=0, socket_path=str(path), requires_tls=False)


async def test_being_cancelled_leaves_no_socket() -> None:
    async def silence(_proxy: object, reader: asyncio.StreamReader, _writer: object) -> None:
        await reader.read()

    async with proxying(silence) as proxy:
        for scheme in ("socks5h", "http"):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await reach(through(proxy.place(scheme), 25))


async def test_a_unix_socket_that_this_user_may_not_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", denied)
    with pytest.raises(TransportError) as caught:
        await reach(at(tmp_path / "s"))
    assert caught.value.reason == "socket-denied"


async def test_waiting_for_a_unix_socket_may_be_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forever(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", forever)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await reach(at(tmp_path / "s"))
