"""The way to a server: through proxies that agree, refuse and misbehave, and by Unix sockets."""

import asyncio
import contextlib
import errno
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from nexomailer_cli.config.proxy import Proxy, read_proxy
from nexomailer_cli.errors import TransportError
from nexomailer_cli.pool import route as looping
from nexomailer_cli.pool.dial import dial
from nexomailer_cli.smtp.failure import classify_breakage
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.transport import route as waiting
from nexomailer_cli.transport.limits import Limits
from nexomailer_cli.transport.resolving import Address, Resolved, resolve
from nexomailer_cli.transport.terms import Terms
from nexomailer_cli.transport.tunnel import tunnel_blocking
from tests.support.account import HASTY, PASSWORD, PROMPT, terms
from tests.support.beside import beside
from tests.support.conducting import Looping, Waiting
from tests.support.proxies import Serve, http, proxying, socks5
from tests.support.script import GOODBYE, Hang, Peer, greeting, scripted

NAMES = {"mail.test": "127.0.0.1"}
ACCOUNT = "tim:tanstaaf"
BY_SOCKS, BY_HTTP = ("socks5h", socks5()), ("http", http())


def through(url: str, port: int, host: str = "mail.test") -> Terms:
    return structs.replace(terms(port), host=host, proxy=read_proxy(url))


Hands: type[Waiting] | type[Looping] = Waiting


@pytest.fixture(autouse=True, params=[Waiting, Looping], ids=["waiting", "looping"])
def _both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both, blocking sockets and the event loop, go every way here."""
    monkeypatch.setattr(sys.modules[__name__], "Hands", request.param)


async def by_either(terms: Terms) -> socket.socket:
    if Hands is Looping:
        return await looping.reach(terms)
    return await asyncio.to_thread(waiting.reach, terms, time.monotonic() + 5)


async def opened(terms: Terms, limits: Limits = PROMPT) -> None:
    conductor = Hands(terms, limits)
    await conductor.open()
    conductor.close()


async def failure(terms: Terms) -> TransportError:
    async with asyncio.timeout(5):
        with pytest.raises(TransportError) as caught:
            (await by_either(terms)).close()
    assert caught.value.phase == Phase.CONNECT
    return caught.value


@pytest.mark.parametrize(("scheme", "serve"), [BY_SOCKS, BY_HTTP], ids=["socks5h", "http"])
@pytest.mark.parametrize("account", ["", ACCOUNT])
async def test_a_name_is_the_proxy_s_to_look_up(scheme: str, serve: Serve, account: str) -> None:
    async with (
        scripted((*greeting(), *GOODBYE)) as peer,
        proxying(serve, NAMES, account) as proxy,
    ):
        await opened(through(proxy.place(scheme, account), peer.port))
    assert proxy.asked == [f"mail.test:{peer.port}"]
    assert proxy.logins == ([account] if account else [])
    assert peer.verbs == ["EHLO"]


async def test_with_socks5_names_are_looked_up_here() -> None:
    async with scripted((Hang(),)) as peer, proxying(socks5()) as proxy:
        way = through(proxy.place("socks5"), peer.port, "localhost")
        (await by_either(structs.replace(way, ip_version=4))).close()
    assert proxy.asked == [f"127.0.0.1:{peer.port}"]


async def test_with_socks5_each_address_of_the_server_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = ("127.9.9.9", "127.0.0.1")

    async def two(*_: object) -> tuple[str, ...]:
        return found

    def resolve_two(host: str, port: int, *more: Any) -> Resolved:
        if host != "mail.test":
            return resolve(host, port, *more)
        return Resolved(tuple(Address(socket.AF_INET, (each, port)) for each in found))

    monkeypatch.setattr(looping, "resolved", two)
    monkeypatch.setattr(waiting, "resolve", resolve_two)
    async with scripted((Hang(),)) as peer, proxying(socks5()) as proxy:
        (await by_either(through(proxy.place("socks5"), peer.port))).close()
    assert proxy.asked == [f"127.9.9.9:{peer.port}", f"127.0.0.1:{peer.port}"]


async def test_a_name_that_does_not_exist_is_told_of_the_server() -> None:
    async with proxying(socks5()) as proxy:
        error = await failure(through(proxy.place("socks5"), 25, "nowhere.invalid"))
    assert error.reason.startswith("EAI_")


@pytest.mark.parametrize("octet_by_octet", [False, True])
async def test_no_octet_of_the_greeting_is_lost_behind_the_proxy_s_answer(
    octet_by_octet: bool,
) -> None:
    serve = http(octet_by_octet=octet_by_octet)
    async with scripted((*greeting(), *GOODBYE)) as peer, proxying(serve, NAMES) as proxy:
        await opened(through(proxy.place("http"), peer.port))
    assert peer.verbs == ["EHLO"]


@pytest.mark.parametrize("host", ["::1", "mäil.test"])
async def test_a_host_is_written_as_http_has_it(host: str, unused_tcp_port: int) -> None:
    async with proxying(http(), {"::1": "127.0.0.1"}) as proxy:
        await failure(through(proxy.place("http"), unused_tcp_port, host))
    shown = "[::1]" if host == "::1" else "xn--mil-qla.test"
    assert proxy.asked == [f"{shown}:{unused_tcp_port}"]


@pytest.mark.parametrize(
    ("scheme", "serve", "reason", "is_transient"),
    [
        ("socks5h", socks5(reply=1), "proxy-no-way", True),
        ("socks5h", socks5(reply=2), "proxy-refused", False),
        ("socks5h", socks5(reply=4), "proxy-no-way", True),
        ("socks5h", socks5(reply=7), "proxy-refused", False),
        ("socks5h", socks5(reply=77), "proxy-not-one", False),
        ("socks5h", socks5(method=b"\xff"), "proxy-sign-in", False),
        ("socks5h", socks5(method=b"\x09"), "proxy-not-one", False),
        ("socks5h", http(), "proxy-silent", True),
        ("http", http("403 Forbidden"), "proxy-refused", False),
        ("http", http("407 Sign in"), "proxy-sign-in", False),
        ("http", http("401 Unauthorized"), "proxy-sign-in", False),
        ("http", http("502 Bad Gateway"), "proxy-no-way", True),
        ("http", http("599 ?"), "proxy-refused", False),
        ("http", http(answer=b"220 mail.test ESMTP\r\n"), "proxy-not-one", False),
        ("http", http(answer=b"HTTP/1.1 OK\r\n\r\n"), "proxy-not-one", False),
        ("http", http(answer=b"HTTP/1.1\r\n\r\n"), "proxy-not-one", False),
        ("http", http(answer=b"HTTP/1.1 200 ok\r\n" + b"X: y\r\n" * 9999), "proxy-not-one", False),
        ("http", http(answer=b"HTTP/1.1 200"), "proxy-lost", True),
        ("http", socks5(), "proxy-lost", True),
    ],
)
async def test_why_a_proxy_is_of_no_use(
    scheme: str, serve: Serve, reason: str, is_transient: bool, unused_tcp_port: int
) -> None:
    async with proxying(serve, NAMES) as proxy:
        way = through(proxy.place(scheme), unused_tcp_port)
        with pytest.raises(TransportError) as caught:
            limits = HASTY if reason == "proxy-silent" else PROMPT
            await opened(way, limits)
    assert caught.value.reason == reason
    assert classify_breakage(Phase.CONNECT, reason).is_transient is is_transient
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("scheme", "serve"), [BY_SOCKS, BY_HTTP], ids=["socks5h", "http"])
@pytest.mark.parametrize("account", ["", "tim:wrong"])
async def test_a_proxy_that_wants_another_sign_in_is_told_so_and_not_told_on(
    scheme: str, serve: Serve, account: str, unused_tcp_port: int
) -> None:
    async with proxying(serve, NAMES, ACCOUNT) as proxy:
        error = await failure(through(proxy.place(scheme, account), unused_tcp_port))
    assert error.reason == "proxy-sign-in"
    assert "wrong" not in str(error)


@pytest.mark.parametrize("scheme", ["socks5h", "http"])
async def test_a_server_that_is_down_behind_a_good_proxy(scheme: str, unused_tcp_port: int) -> None:
    async with proxying(socks5() if scheme == "socks5h" else http(), NAMES) as proxy:
        error = await failure(through(proxy.place(scheme), unused_tcp_port))
    assert error.reason == "proxy-no-way"


async def test_a_proxy_that_hangs_up() -> None:
    async def hang_up(*_: object) -> None:
        return

    async with proxying(hang_up) as proxy:
        for scheme in ("socks5h", "http"):
            error = await failure(through(proxy.place(scheme), 25))
            assert error.reason == "proxy-lost"


async def test_a_socks_proxy_that_names_itself_in_nonsense(unused_tcp_port: int) -> None:
    async def nonsense(_proxy: object, reader: asyncio.StreamReader, writer: object) -> None:
        assert isinstance(writer, asyncio.StreamWriter)
        await reader.readexactly(3)
        writer.write(b"\x05\x00")
        await reader.read(100)
        writer.write(b"\x05\x00\x00\x03\x02\xff\xfe\x00\x00")

    async with proxying(nonsense) as proxy:
        error = await failure(through(proxy.place("socks5h"), unused_tcp_port))
    assert error.reason == "proxy-not-one"


async def test_there_is_no_proxy(unused_tcp_port: int) -> None:
    error = await failure(through(f"http://127.0.0.1:{unused_tcp_port}", 25))
    assert error.reason == "proxy-unreachable"
    assert f"the proxy: cannot connect to 127.0.0.1:{unused_tcp_port}" in str(error)


async def test_the_way_to_the_proxy_begins_where_it_shall(unused_tcp_port: int) -> None:
    way = through(f"http://127.0.0.1:{unused_tcp_port}", 25)
    error = await failure(structs.replace(way, source_address="203.0.113.9"))
    assert error.reason == "bad-source"


@pytest.mark.parametrize("host", ["ä" * 70 + ".test", f"{'a' * 64}.test", "a." * 127 + "test"])
async def test_a_host_that_is_no_name_is_not_asked_for(host: str) -> None:
    async with proxying(http()) as proxy:
        error = await failure(through(proxy.place("http"), 25, host))
    assert error.reason == "bad-name"
    assert proxy.asked == []


async def test_no_password_leaves_in_clear_through_a_proxy_on_this_machine() -> None:
    async with scripted(greeting("AUTH PLAIN")) as peer, proxying(http(), NAMES) as proxy:
        way = structs.replace(through(proxy.place("http"), peer.port), credentials=PASSWORD)
        with pytest.raises(TransportError) as caught:
            await opened(way)
    assert caught.value.reason == "plaintext-password"
    assert peer.verbs == ["EHLO"]


def test_a_blocking_socket_goes_the_same_way() -> None:
    from tests.support.beside import beside, peer

    with peer((*greeting(), Hang())) as server, beside(proxying(http(), NAMES)) as proxy:
        asked = read_proxy(proxy.place("http"))
        with socket.create_connection(("127.0.0.1", proxy.port)) as sock:
            tunnel_blocking(sock, asked, "mail.test", server.port, 5.0)
            assert sock.recv(4) == b"220 "


def test_a_blocking_socket_waits_no_longer_than_it_shall() -> None:
    async def silence(_proxy: object, reader: asyncio.StreamReader, _writer: object) -> None:
        await reader.read()

    from tests.support.beside import beside

    with (
        beside(proxying(silence)) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port)) as sock,
        pytest.raises(TransportError) as caught,
    ):
        tunnel_blocking(sock, read_proxy(proxy.place("http")), "mail.test", 25, 0.05)
    assert caught.value.reason == "proxy-silent"


# --- Unix sockets ------------------------------------------------------------------------------


def at(path: Path) -> Terms:
    return Terms(host="localhost", port=0, socket_path=str(path), requires_tls=False)


async def test_a_server_at_a_unix_socket_is_greeted_and_trusted_with_a_password(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s"
    from tests.support.script import Expect, Reply

    sign_in = (*greeting("AUTH PLAIN"), Expect("AUTH PLAIN"), Reply("235 ok"), Hang())
    async with scripted(sign_in, path=path) as peer:
        way = structs.replace(at(path), credentials=PASSWORD)
        await opened(way)
    assert peer.heard[0] == "EHLO [127.0.0.1]"
    assert peer.verbs == ["EHLO", "AUTH"]


async def test_why_a_unix_socket_is_of_no_use(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert (await failure(at(tmp_path / "nothing"))).reason == "socket-missing"
    assert (await failure(at(file / "below"))).reason == "socket-missing"
    error = await failure(at(file))
    assert error.reason == "socket-refused"
    assert str(error) == f"cannot connect to {file}: connection refused"


def test_too_many_open_files_are_not_the_server_s_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("selectors.DefaultSelector", full)
    for way in (terms(25), through("http://127.0.0.1:25", 25)):
        with pytest.raises(TransportError) as caught:
            waiting.reach(way, time.monotonic() + 5)
        assert caught.value.reason in ("EMFILE", "proxy-unreachable")
        assert "too many open files" in str(caught.value)


async def test_without_either_the_host_is_dialled() -> None:
    async with scripted((Hang(),)) as peer:
        (await by_either(terms(peer.port))).close()
        (await dial("127.0.0.1", peer.port)).close()
    assert peer.connections == 2
    assert isinstance(peer, Peer)


def test_what_a_proxy_is_called_in_a_traceback_has_no_password() -> None:
    proxy = Proxy(scheme="http", host="::1", port=1, user="tim", password="tanstaaf")
    assert repr(proxy) == "Proxy(http://[::1]:1)"


async def test_when_no_time_is_left_nothing_is_tried() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.to_thread(waiting.reach, terms(25), time.monotonic() - 1)


def test_a_unix_socket_that_nobody_accepts_at_is_of_no_use(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(path)
        listener.listen(0)
        with pytest.raises(TransportError) as caught:
            for _ in range(5):  # as many as the system keeps for it
                stack.enter_context(waiting.open_unix(path))
    assert caught.value.reason == "socket-refused"


def test_of_a_server_s_addresses_the_last_one_s_trouble_is_told(unused_tcp_port: int) -> None:
    tried: list[str] = []

    def nowhere() -> socket.socket:
        tried.append("")
        return socket.create_connection(("127.0.0.1", proxy.port))

    with beside(proxying(socks5(reply=4))) as proxy:
        place = read_proxy(proxy.place("socks5"))
        with pytest.raises(TransportError) as caught:
            waiting.through(place, ("127.9.9.9", "127.0.0.1"), 25, nowhere, lambda: 5.0)
    assert caught.value.reason == "proxy-no-way"
    assert len(tried) == 2
