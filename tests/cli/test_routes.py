"""Mail through proxies, to Unix sockets and by LMTP; and which provider is for whom."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_bulk import LETTER as BULK_LETTER
from tests.cli.test_bulk import report
from tests.support.beside import beside, peer
from tests.support.moody import moody
from tests.support.providers import configure, provider
from tests.support.proxies import http, proxying, socks5
from tests.support.run import Result, run
from tests.support.script import (
    GOODBYE,
    Content,
    Expect,
    Hang,
    Oblige,
    Reply,
    Script,
    Upgrade,
    ehlo,
    greeting,
    transaction,
)

NAMES = {"mail.test": "127.0.0.1"}
ACCOUNT, SECRET = "tim:tanstaaf", "tanstaaf"
LETTER = ("send", "--to", "r1@b.test, r2@b.test, r3@b.test", "--text", "x")
ONE = ("send", "--to", "r1@b.test", "--text", "x")


def lmtp(*recipients: str, content: tuple[str, ...] = ()) -> Script:
    """Answer RCPT and then the content, each of them for every recipient."""
    return (
        *(Reply("220 box.test LMTP"), Expect("LHLO"), Reply("250 box.test")),
        *(Expect("MAIL FROM:"), Reply("250 ok")),
        *(step for each in recipients for step in (Expect("RCPT TO:"), Reply(each))),
        *(Expect("DATA"), Reply("354 go on"), Content()),
        *map(Reply, content),
        *GOODBYE,
    )


def by_lmtp(folder: Path, port: int, **config: Any) -> None:
    configure(folder, provider("box", port, protocol="lmtp", **config))


# --- LMTP --------------------------------------------------------------------------------------


def test_each_recipient_of_a_mailbox_server_has_its_own_verdict(tmp_path: Path) -> None:
    script = lmtp(
        *("250 ok", "550 5.1.1 no such user", "250 ok"),
        content=("250 2.0.0 <r1@b.test> saved", "452 4.2.2 <r3@b.test> quota exceeded"),
    )
    with peer(script) as server:
        by_lmtp(tmp_path, server.port)
        result = run(*LETTER, "--json", cwd=tmp_path)
    assert result.exit_status == 3, result.stderr
    told = {each["address"]: (each["verdict"], each["code"]) for each in result.json["recipients"]}
    assert told == {
        "r1@b.test": ("accepted", 250),
        "r2@b.test": ("rejected", 550),
        "r3@b.test": ("deferred", 452),
    }
    assert result.json["attempts"][0]["port"] == server.port


def test_who_got_no_answer_is_unknown_and_not_sent_to_again(tmp_path: Path) -> None:
    script = lmtp("250 ok", "250 ok", "250 ok", content=("250 saved",))[:-2]
    with peer(script) as server, peer((Oblige(),)) as second:
        configure(tmp_path, provider("box", server, protocol="lmtp"), provider("spare", second))
        result = run(*LETTER, "--json", cwd=tmp_path)
    assert result.exit_status == 4
    verdicts = [each["verdict"] for each in result.json["recipients"]]
    assert verdicts == ["accepted", "unknown", "unknown"]
    assert second.connections == 0


def test_starttls_is_followed_by_another_lhlo(
    tmp_path: Path, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    script = (
        *(Reply("220 box.test LMTP"), Expect("LHLO"), Reply("250-box.test\n250 STARTTLS")),
        *(Expect("STARTTLS"), Reply("220 go"), Upgrade()),
        *lmtp("250 ok", content=("250 saved",))[1:],
    )
    with peer(script, tls=server_tls) as server:
        by_lmtp(tmp_path, server.port, tls={"ca_file": ca_file, "servername": "localhost"})
        result = run(*ONE, cwd=tmp_path)
    assert result.exit_status == 0, result.stderr
    assert server.verbs[:3] == ["LHLO", "STARTTLS", "LHLO"]


def test_a_server_that_does_not_know_lhlo_is_not_greeted_otherwise(tmp_path: Path) -> None:
    script = (Reply("220 x"), Expect("LHLO"), Reply("502 5.5.1 what?"), Hang())
    with peer(script) as server:
        by_lmtp(tmp_path, server.port)
        result = run(*ONE, cwd=tmp_path)
    assert result.exit_status != 0
    assert server.verbs == ["LHLO"]


def test_bulk_fills_mailboxes_at_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "lmtp"
    rows = "ann@b.test,Ann\nbob@b.test,Bob\ncid@b.test,Cid\n"
    (tmp_path / "people.csv").write_text(f"email,name\n{rows}")
    one = lmtp("250 ok", content=("250 saved",))
    script = (
        *one[:-2],
        *(Expect("MAIL"), Reply("250 ok"), Expect("RCPT"), Reply("250 ok")),
        *(Expect("DATA"), Reply("354 go"), Content(), Reply("550 5.2.1 mailbox disabled")),
        *(Expect("RSET"), Reply("250 ok"), *one[3:-2], *GOODBYE),
    )
    with peer(script, path=path) as server:
        config = {"socket": str(path), "protocol": "lmtp", "max_connections": 1}
        configure(tmp_path, {"name": "box", "config": config})
        result = run("bulk", "people.csv", *BULK_LETTER, "--yes", "--json", cwd=tmp_path)
    assert result.exit_status == 3, result.stderr
    found = report(result)
    assert (found["accepted"], found["rejected"]) == (2, 1)
    assert server.verbs[0] == "LHLO"


# --- Unix sockets ------------------------------------------------------------------------------


def test_a_url_may_lead_to_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "out"
    script = (*greeting("STARTTLS"), *transaction(), *GOODBYE)
    with peer(script, path=path):
        env = {"NEXOMAILER_URL": f"unix:{path}?from=a%40a.test"}
        result = run(*ONE, "-v", "--json", env=env, cwd=tmp_path)
    assert result.exit_status == 0, result.stderr
    attempt = result.json["attempts"][0]
    assert (attempt["host"], attempt["port"], attempt["tls"]) == (str(path), None, None)


def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "out"
    configure(tmp_path, {"name": "box", "config": {"socket": str(path)}})
    result = run(*ONE, cwd=tmp_path)
    assert result.exit_status == 69
    assert f"box ({path}): connect failed" in result.stderr
    assert f"There is no Unix socket {path}" in result.stderr


# --- proxies -----------------------------------------------------------------------------------


def behind(folder: Path, proxy: Any, port: int, **config: Any) -> None:
    tables = {"host": "mail.test", "port": port, "proxy": proxy, **config}
    configure(folder, {"name": "main", "config": tables})


@pytest.mark.parametrize("scheme", ["socks5h", "http"])
def test_a_message_goes_through_a_proxy_and_its_password_nowhere_else(
    tmp_path: Path, scheme: str, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    serve = http() if scheme == "http" else socks5()
    script = (
        *(*greeting("STARTTLS"), Expect("STARTTLS"), Reply("220 go"), Upgrade()),
        *(*ehlo("AUTH PLAIN"), Expect("AUTH PLAIN"), Reply("235 ok")),
        *(*transaction(), *GOODBYE),
    )
    with peer(script, tls=server_tls) as server, beside(proxying(serve, NAMES, ACCOUNT)) as proxy:
        url = proxy.place(scheme, "tim:${PROXY_PASS}")
        tls = {"ca_file": ca_file, "servername": "localhost"}
        auth = {"user": "me", "pass": "x"}
        behind(tmp_path, url, server.port, tls=tls, auth=auth)
        result = run(*ONE, "-v", "--debug", "--json", env={"PROXY_PASS": SECRET}, cwd=tmp_path)
    assert result.exit_status == 0, result.stderr
    assert proxy.asked == [f"mail.test:{server.port}"]
    assert proxy.logins == [ACCOUNT]
    shown = result.stdout.decode() + result.stderr
    assert SECRET not in shown
    assert base64.b64encode(ACCOUNT.encode()).decode().rstrip("=") not in shown


def test_a_certificate_is_held_against_the_server_s_name(
    tmp_path: Path, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    # The certificate is for 127.0.0.1, which is where the proxy is, and not for mail.test.
    script = (*greeting("STARTTLS"), Expect("STARTTLS"), Reply("220 go"), Upgrade(), Hang())
    with peer(script, tls=server_tls) as server, beside(proxying(http(), NAMES)) as proxy:
        behind(tmp_path, proxy.place("http"), server.port, tls={"ca_file": ca_file})
        result = run(*ONE, cwd=tmp_path)
    assert result.exit_status == 76
    assert "certificate" in result.stderr


def test_no_password_leaves_in_clear_because_the_proxy_is_near(tmp_path: Path) -> None:
    with peer(greeting("AUTH PLAIN")) as server, beside(proxying(http(), NAMES)) as proxy:
        auth = {"user": "me", "pass": "x"}
        behind(tmp_path, proxy.place("http"), server.port, auth=auth)
        result = run(*ONE, cwd=tmp_path)
    assert result.exit_status == 69
    assert server.verbs == ["EHLO"]


@pytest.mark.parametrize("where", ["env", "file", "command"])
def test_a_proxy_may_be_kept_elsewhere(tmp_path: Path, where: str) -> None:
    with (
        peer((*greeting(), *transaction(), *GOODBYE)) as server,
        beside(proxying(socks5(), NAMES, ACCOUNT)) as proxy,
    ):
        url = proxy.place("socks5h", ACCOUNT)
        (tmp_path / "proxy").write_text(f"{url}\n")
        (tmp_path / "proxy").chmod(0o600)
        command = [sys.executable, "-c", f"print({url!r})"]
        way = {"env": "ALL_PROXY", "file": "proxy", "command": command}[where]
        behind(tmp_path, {where: way}, server.port)
        result = run(*ONE, env={"ALL_PROXY": url}, cwd=tmp_path)
    assert (result.exit_status, result.stderr) == (0, "")
    assert proxy.logins == [ACCOUNT]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "environment variable ALL_PROXY is not set"),
        (f"ftp://{ACCOUNT}@h:1", "begins with none of socks5://, socks5h:// and http://"),
    ],
)
def test_a_proxy_that_is_kept_elsewhere_and_wrong_is_told_without_it(
    tmp_path: Path, value: str, words: str
) -> None:
    behind(tmp_path, {"env": "ALL_PROXY"}, 25)
    result = run(*ONE, env={"ALL_PROXY": value} if value else {}, cwd=tmp_path)
    assert result.exit_status == 78
    assert words in result.stderr
    assert SECRET not in result.stderr


def test_a_proxy_is_shown_without_its_password(tmp_path: Path) -> None:
    path = configure(tmp_path, provider("main", 25, proxy=f"socks5h://{ACCOUNT}@127.0.0.1:9050"))
    path.chmod(0o644)
    shown = run("config", "show", "--json", cwd=tmp_path)
    config = json.loads(shown.stdout)["providers"][0]["config"]
    assert config["proxy"] == "socks5h://tim:***@127.0.0.1:9050"
    assert "holds a password that others can read" in shown.stderr
    assert SECRET not in shown.stdout.decode() + shown.stderr


def test_bulk_goes_through_a_proxy_on_every_connection(tmp_path: Path) -> None:
    rows = "".join(f"r{n}@b.test,N{n}\n" for n in range(200))
    (tmp_path / "people.csv").write_text(f"email,name\n{rows}")
    with beside(moody()) as server, beside(proxying(http(), NAMES)) as proxy:
        behind(tmp_path, proxy.place("http"), server.port, max_messages=50)
        result = run("bulk", "people.csv", *BULK_LETTER, "--yes", "--json", cwd=tmp_path)
    assert result.exit_status == 0, result.stderr
    assert set(server.accepted.values()) == {1}
    assert server.accepted.total() == 200
    assert len(proxy.asked) >= 4


def test_a_proxy_that_is_down_leads_to_the_next_provider(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    with peer((*greeting(), *transaction(), *GOODBYE)) as server:
        first = provider("main", 25, proxy=f"http://127.0.0.1:{unused_tcp_port}")
        configure(tmp_path, first, provider("spare", server))
        result = run(*ONE, cwd=tmp_path)
    assert result.exit_status == 0
    assert "the proxy: cannot connect to" in result.stderr


def test_what_is_for_proxies_is_not_loaded_without_one(tmp_path: Path) -> None:
    configure(tmp_path, provider("main", 25))
    code = (
        "import sys; from nexomailer_cli.cli.run import run;"
        "run(['send', '--to', 'a@b.test', '--text', 'x']);"
        "print([m for m in sys.modules if 'socks' in m or 'tunnel' in m])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


# --- whose provider ----------------------------------------------------------------------------


def shops(folder: Path, *ports: int) -> None:
    """Configure one provider for everybody and one for the shop, which comes second."""
    everybody, ours = ports
    shop = provider("shop", ours)
    configure(folder, provider("main", everybody), {**shop, "from_addresses": ["*@shop.test"]})


@pytest.mark.parametrize(
    ("author", "taker"),
    [("a@shop.test", "shop"), ("Shop <A@Shop.Test>", "shop"), ("a@x.test", "main")],
)
@pytest.mark.parametrize("is_raw", [False, True])
def test_the_author_decides_about_the_provider(
    tmp_path: Path, author: str, taker: str, is_raw: bool
) -> None:
    script = (*greeting(), *transaction(), *GOODBYE)
    message = f"From: {author}\nSubject: x\n\nx\n".encode()
    composed = ("--from", author, "--text", "x", "--envelope-from", "bounces@else.test")
    with peer(script) as main, peer(script) as shop:
        shops(tmp_path, main.port, shop.port)
        arguments = ("--raw", "-") if is_raw else composed
        result = run(
            *("send", "--to", "b@b.test", "--json", *arguments), stdin=message, cwd=tmp_path
        )
    assert result.exit_status == 0, result.stderr
    assert result.json["provider"] == taker
    assert (main.connections, shop.connections) == ((0, 1) if taker == "shop" else (1, 0))


def test_who_takes_anybody_s_mail_stands_in_for_who_is_for_this_author(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    with peer((*greeting(), *transaction(), *GOODBYE)) as main:
        shops(tmp_path, main.port, unused_tcp_port)
        result = run(*ONE, "--from", "a@shop.test", "--json", cwd=tmp_path)
    assert result.exit_status == 0
    assert [each["provider"] for each in result.json["attempts"]] == ["shop", "main"]


def test_an_author_that_no_provider_is_for(tmp_path: Path) -> None:
    configure(tmp_path, {**provider("shop", 25), "from_addresses": ["*@shop.test"]})
    result = run(*ONE, "--from", "a@x.test", cwd=tmp_path)
    assert result.exit_status == 78
    assert "no provider is for mail from a@x.test" in result.stderr


def test_whoever_names_a_provider_gets_it(tmp_path: Path) -> None:
    with peer((*greeting(), *transaction(), *GOODBYE)) as shop:
        shops(tmp_path, 25, shop.port)
        result = run(*ONE, "--from", "a@x.test", "--provider", "shop", cwd=tmp_path)
    assert result.exit_status == 0


def bulk_from(folder: Path, sender: str, *arguments: str) -> Result:
    rows = "ann@b.test,shop.test\nbob@b.test,x.test\n"
    (folder / "people.csv").write_text(f"email,domain\n{rows}")
    letter = ("--from", sender, "--subject", "x", "--text", "x\n")
    return run("bulk", "people.csv", *letter, "--yes", "--json", *arguments, cwd=folder)


def test_the_author_of_a_run_decides_too(tmp_path: Path) -> None:
    with beside(moody()) as main, beside(moody()) as shop:
        shops(tmp_path, main.port, shop.port)
        result = bulk_from(tmp_path, "a@shop.test")
    assert result.exit_status == 0, result.stderr
    assert (main.accepted.total(), shop.accepted.total()) == (0, 2)


def test_a_run_whose_rows_belong_to_different_providers_is_refused(tmp_path: Path) -> None:
    with beside(moody()) as main, beside(moody()) as shop:
        shops(tmp_path, main.port, shop.port)
        result = bulk_from(tmp_path, "a@{{ domain }}")
        assert result.exit_status == 2
        assert "which different providers are for" in result.stderr
        assert (main.accepted.total(), shop.accepted.total()) == (0, 0)
        named = bulk_from(tmp_path, "a@{{ domain }}", "--provider", "main")
    assert named.exit_status == 0, named.stderr
    assert main.accepted.total() == 2


@pytest.mark.parametrize("strategy", ["round-robin", "weighted"])
def test_a_spare_is_no_equal_of_the_others_in_a_run(tmp_path: Path, strategy: str) -> None:
    rows = "".join(f"r{n}@b.test,N{n}\n" for n in range(300))
    (tmp_path / "people.csv").write_text(f"email,name\n{rows}")
    with beside(moody()) as one, beside(moody()) as two, beside(moody()) as spare:
        configure(
            tmp_path,
            {**provider("one", one.port), "priority": 1},
            {**provider("two", two.port), "priority": 1},
            {**provider("spare", spare.port), "priority": 2},
            failover={"strategy": strategy},
        )
        result = run("bulk", "people.csv", *BULK_LETTER, "--yes", "--json", cwd=tmp_path)
    assert result.exit_status == 0, result.stderr
    assert one.accepted.total() + two.accepted.total() == 300
    assert min(one.accepted.total(), two.accepted.total()) > 50
    assert spare.accepted.total() == 0
    assert set(report(result)["providers"]) == {"one", "two"}


# --- versions of IP ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["send", "bulk"])
def test_one_version_of_ip_may_be_asked_for(tmp_path: Path, command: str) -> None:
    (tmp_path / "people.csv").write_text("email,name\na@b.test,A\n")
    letter = ONE if command == "send" else ("bulk", "people.csv", *BULK_LETTER, "--yes")
    with peer((*greeting(), *transaction(), *GOODBYE)) as server:
        configure(tmp_path, {"name": "main", "config": {"host": "localhost", "port": server.port}})
        assert run(*letter, "-4", cwd=tmp_path).exit_status == 0
        both = run(*letter, "-4", "-6", cwd=tmp_path)
    assert both.exit_status == 2
    assert "-4 and -6 do not go together" in both.stderr


def test_the_version_that_does_not_lead_there_is_not_used(tmp_path: Path) -> None:
    with peer((*greeting(), Hang())) as server:
        configure(tmp_path, {"name": "main", "config": {"host": "localhost", "port": server.port}})
        result = run(*ONE, "-6", "--json", cwd=tmp_path)
    assert result.exit_status != 0
    assert server.connections == 0
    assert json.loads(result.stdout)["status"] == "failed"
