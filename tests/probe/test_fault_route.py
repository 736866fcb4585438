"""Servers that are met through a proxy or at a Unix socket, and what may be in the way there."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexomailer_cli.probe.stage import Status
from tests.support.beside import beside, peer
from tests.support.certificates import Chain
from tests.support.lab.examining import Examined, Examiner
from tests.support.lab.place import serving
from tests.support.lab.ports import closed_port
from tests.support.lab.smtp import smtp, upgrading
from tests.support.providers import configure
from tests.support.proxies import Proxy, Serve, http, proxying, socks5
from tests.support.script import Expect, Reply

NAMES = {"mail.lab.example": "127.0.0.1"}
ACCOUNT = "tim:tanstaaf"
LOCAL = {"starttls": "never", "connection_timeout": "8s"}
LHLO = (Reply("220 box.test LMTP"), Expect("LHLO"), Reply("250-box.test\n250 PIPELINING"))


def configured(examine: Examiner, **config: object) -> None:
    configure(examine.folder, {"name": "main", "config": {**LOCAL, **config}})


def examined_through(
    examine: Examiner, proxy: Proxy, scheme: str, port: int, account: str = ""
) -> Examined:
    url = proxy.place(scheme, account)
    configured(examine, host="mail.lab.example", port=port, proxy=url)
    return examine("main")


@pytest.mark.parametrize(("scheme", "serve"), [("socks5h", socks5()), ("http", http())])
def test_a_server_behind_a_proxy_is_examined_there(
    scheme: str, serve: Serve, examine: Examiner
) -> None:
    with serving(smtp("PIPELINING")) as place, beside(proxying(serve, NAMES, ACCOUNT)) as proxy:
        examined = examined_through(examine, proxy, scheme, place.port, ACCOUNT)
    assert examined.report.ready.envelope is None
    assert examined.report.target.via == "proxy"
    # The proxy is on this machine, and the server is not known to be.
    examined.warned("conn.unencrypted")
    summary = examined.stage("tcp").summary
    assert summary == f"mail.lab.example through the {scheme} proxy 127.0.0.1:{proxy.port}"
    assert examined.stage("dns").summary == "mail.lab.example is for the proxy to look up"
    assert "tanstaaf" not in examined.result.stdout.decode()
    assert proxy.asked == [f"mail.lab.example:{place.port}"]


def test_with_socks5_the_name_is_looked_up_here(examine: Examiner) -> None:
    with serving(smtp("PIPELINING")) as place, beside(proxying(socks5())) as proxy:
        configured(examine, host="localhost", port=place.port, proxy=proxy.place("socks5"))
        examined = examine("main", "-4")
    assert examined.stage("dns").summary == "localhost is 127.0.0.1"
    assert proxy.asked == [f"127.0.0.1:{place.port}"]


@pytest.mark.parametrize(("name", "is_right"), [("127.0.0.1", True), ("mail.lab.example", False)])
def test_a_certificate_is_held_against_the_server_and_not_the_proxy(
    name: str, is_right: bool, examine: Examiner, healthy: Chain
) -> None:
    handler = smtp("STARTTLS", STARTTLS=upgrading(healthy.server_context()))
    with serving(handler) as place, beside(proxying(http(), NAMES)) as proxy:
        configured(
            examine,
            host="mail.lab.example",
            port=place.port,
            starttls="required",
            proxy=proxy.place("http"),
            tls={"ca_file": str(healthy.authority), "servername": name},
        )
        examined = examine("main")
    if is_right:
        examined.is_ready()
    else:
        examined.failed("cert.hostname_mismatch", 76)


@pytest.mark.parametrize(
    ("scheme", "serve", "finding", "exit_status"),
    [
        ("socks5h", socks5(reply=2), "proxy.refused", 69),
        ("socks5h", socks5(reply=5), "proxy.no_way", 75),
        ("http", http("502 Bad Gateway"), "proxy.no_way", 75),
        ("http", http(answer=b"SSH-2.0-OpenSSH_9.2\r\n"), "proxy.not_one", 78),
        ("http", http("407 Proxy Authentication Required"), "proxy.sign_in", 77),
        ("http", socks5(), "proxy.lost", 75),
    ],
)
def test_why_a_proxy_is_of_no_use(
    scheme: str, serve: Serve, finding: str, exit_status: int, examine: Examiner
) -> None:
    with closed_port() as port, beside(proxying(serve, NAMES)) as proxy:
        examined = examined_through(examine, proxy, scheme, port)
    examined.failed(finding, exit_status)
    assert examined.report.alternatives == ()


def test_a_wrong_password_for_the_proxy(examine: Examiner) -> None:
    with closed_port() as port, beside(proxying(socks5(), NAMES, ACCOUNT)) as proxy:
        examined = examined_through(examine, proxy, "socks5h", port, "tim:wrong")
    examined.failed("proxy.sign_in", 77)


def test_a_proxy_that_says_nothing_is_not_taken_for_the_server(examine: Examiner) -> None:
    with closed_port() as port, beside(proxying(http())) as proxy:
        configured(examine, host="mail.lab.example", port=port, proxy=proxy.place("socks5h"))
        examined = examine("main", timeout="0.5")
    examined.failed("proxy.silent", 75)


def test_of_several_addresses_the_one_that_the_proxy_reaches(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.lab.names import names

    names(monkeypatch, {"two.lab.example": ["127.9.9.9", "127.0.0.1"]})
    with serving(smtp("PIPELINING")) as place, beside(proxying(socks5())) as proxy:
        configured(examine, host="two.lab.example", port=place.port, proxy=proxy.place("socks5"))
        examined = examine("main")
    assert examined.result.exit_status == 0
    assert proxy.asked == [f"127.9.9.9:{place.port}", f"127.0.0.1:{place.port}"]


def test_there_is_no_proxy(examine: Examiner) -> None:
    with closed_port() as port:
        configured(examine, host="mail.lab.example", proxy=f"http://127.0.0.1:{port}")
        examine("main").failed("proxy.unreachable", 69)


def test_the_proxy_has_a_name_that_does_not_exist(examine: Examiner) -> None:
    configured(examine, host="mail.lab.example", proxy="http://nowhere.invalid:3128")
    examine("main").failed("proxy.unreachable", 69)


@pytest.mark.parametrize("is_a_url", [True, False])
def test_a_mailbox_server_at_a_socket(is_a_url: bool, examine: Examiner, tmp_path: Path) -> None:
    path = tmp_path / "lmtp"
    script = (*LHLO, Expect("QUIT"), Reply("221 bye"))
    with peer(script, path=path) as server:
        configured(examine, socket=str(path), protocol="lmtp")
        examined = examine(f"unix:{path}?protocol=lmtp&starttls=never" if is_a_url else "main")
    examined.is_ready()
    assert server.verbs == ["LHLO", "QUIT"]
    target = examined.report.target
    assert (target.host, target.port, target.via) == (str(path), 0, "socket")
    assert examined.stage("tcp").summary == str(path)
    assert examined.stage("ehlo").status is Status.OK


def test_a_server_that_does_not_know_lhlo(examine: Examiner, tmp_path: Path) -> None:
    path = tmp_path / "s"
    script = (Reply("220 x"), Expect("LHLO"), Reply("500 5.5.1 what?"), Expect("QUIT"))
    with peer(script, path=path) as server:
        configured(examine, socket=str(path), protocol="lmtp")
        examined = examine("main")
    assert examined.report.verdict == "fail"
    assert server.verbs[0] == "LHLO"


def test_why_a_socket_is_of_no_use(
    examine: Examiner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(examine, socket=str(tmp_path / "nothing"))
    examine("main").failed("socket.missing", 69)
    (tmp_path / "file").touch()
    configured(examine, socket=str(tmp_path / "file"))
    examine("main").failed("socket.refused", 69)


def test_a_socket_that_is_closed_to_this_user(
    examine: Examiner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_path: object) -> None:
        from nexomailer_cli.transport.unreachable import unopened

        raise unopened(str(tmp_path / "s"), PermissionError(13, "Permission denied"))

    # Root, who may run the tests, is denied nothing.
    monkeypatch.setattr("nexomailer_cli.probe.roundabout.open_unix", denied)
    configured(examine, socket=str(tmp_path / "s"))
    examine("main").failed("socket.denied", 69)
