"""Mail by LMTP into a real Dovecot, and through real proxies to a real Postfix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from tests.servers import proxies
from tests.servers.conftest import demand, running
from tests.servers.dovecot import FULL, PROGRAMS, Dovecot
from tests.servers.postfix import Postfix
from tests.servers.server import DOMAIN, MAILBOXES, free_port
from tests.support.run import Result, run_process

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("routes")]

SENDER = f"Änne <aenne@{DOMAIN}>"


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    demand(*PROGRAMS)
    with running(lambda folder: Dovecot(folder, free_port())) as server:
        yield server


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    demand(*Postfix.programs())
    with running(Postfix) as server:
        yield server


def configured(folder: Path, **config: Any) -> None:
    file = folder / "nexomailer.toml"
    file.touch(0o600)
    defaults = {"from": SENDER}
    file.write_text(tomli_w.dumps({"defaults": defaults, "providers": [{"config": config}]}))


def box(dovecot: Dovecot, way: str) -> dict[str, Any]:
    if way == "socket":
        return {"socket": str(dovecot.socket), "protocol": "lmtp"}
    tls = {"ca_file": str(dovecot.ca_file), "servername": "localhost"}
    starttls = "required" if way == "tls" else "never"
    place = {"host": "127.0.0.1", "port": dovecot.port, "starttls": starttls}
    return {**place, "protocol": "lmtp", "tls": tls}


WAYS = ["socket", "port", "tls"]


@pytest.mark.parametrize("way", WAYS)
def test_each_mailbox_has_its_own_verdict(dovecot: Dovecot, way: str, tmp_path: Path) -> None:
    configured(tmp_path, **box(dovecot, way))
    mailboxes = ("anna", "nobody", FULL, "bert")
    to = ", ".join(f"{mailbox}@{DOMAIN}" for mailbox in mailboxes)
    result = run_process("send", "--to", to, "--text", ".\n..x", "--json", "-v", cwd=tmp_path)
    assert result.exit_status == 3, result.stderr + dovecot.log
    told = [(each["verdict"], each["code"]) for each in result.json["recipients"]]
    assert told == [("accepted", 250), ("rejected", 550), ("rejected", 552), ("accepted", 250)]
    assert sorted(dovecot.taken()) == ["anna", "bert"]
    assert bool(result.json["attempts"][0]["tls"]) is (way == "tls")


@pytest.mark.parametrize("way", WAYS)
def test_a_run_fills_every_mailbox_once(dovecot: Dovecot, way: str, tmp_path: Path) -> None:
    configured(tmp_path, **box(dovecot, way))
    rows = [f"{MAILBOXES[n % 4]}@{DOMAIN},{n}" for n in range(200)]
    (tmp_path / "people.csv").write_text("\n".join(["email,number", *rows, ""]))
    result = run_process(
        *("bulk", "people.csv", "--subject", "Nr. {{ number }}", "--text", "x\n"),
        *("--key", "number", "--dedupe", "keep", "--yes", "--connections", "3"),
        cwd=tmp_path,
    )
    assert result.exit_status == 0, result.stderr + dovecot.log
    taken = dovecot.taken()
    assert {mailbox: len(messages) for mailbox, messages in taken.items()} == dict.fromkeys(
        MAILBOXES[:4], 50
    )


@pytest.mark.parametrize("way", WAYS)
def test_the_doctor_greets_it_rightly(dovecot: Dovecot, way: str, tmp_path: Path) -> None:
    configured(tmp_path, **box(dovecot, way))
    known = ("--from", f"a@{DOMAIN}", "--rcpt", f"anna@{DOMAIN}")
    result = run_process("test-connection", *known, "--json", cwd=tmp_path)
    assert result.exit_status == 0, result.stdout.decode()
    unknown = ("--from", f"a@{DOMAIN}", "--rcpt", f"nobody@{DOMAIN}")
    result = run_process("test-connection", *unknown, "--json", cwd=tmp_path)
    assert result.exit_status == 65


# --- proxies -----------------------------------------------------------------------------------


@pytest.fixture(params=["http", "socks5h", "socks5"])
def proxy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    demand(*proxies.PROGRAMS)
    with proxies.running(request.param, tmp_path) as place:
        yield request.param, place


def through(folder: Path, postfix: Postfix, proxy: tuple[str, str], password: str) -> None:
    scheme, place = proxy
    configured(
        folder,
        host="localhost",
        port=postfix.ports["starttls"],
        ip_version=4,
        proxy=f"{scheme}://{proxies.USER}:{password}@{place}",
        auth={"user": postfix.username, "pass": postfix.password},
        tls={"ca_file": str(postfix.ca_file)},
    )


def send(folder: Path) -> Result:
    to = f"anna@{DOMAIN}"
    return run_process("send", "--to", to, "--text", "x", "-v", "--json", cwd=folder)


def test_a_message_goes_through_a_real_proxy(
    postfix: Postfix, proxy: tuple[str, str], tmp_path: Path
) -> None:
    postfix.taken()
    through(tmp_path, postfix, proxy, proxies.PASSWORD)
    result = send(tmp_path)
    assert result.exit_status == 0, result.stderr
    assert result.json["attempts"][0]["tls"].startswith("TLSv1")
    assert len(postfix.taken()) == 1
    shown = result.stdout.decode() + result.stderr
    assert proxies.PASSWORD not in shown
    examined = run_process("test-connection", "--json", cwd=tmp_path)
    assert examined.exit_status == 0, examined.stdout.decode()


def test_a_real_proxy_refuses_a_wrong_password(
    postfix: Postfix, proxy: tuple[str, str], tmp_path: Path
) -> None:
    through(tmp_path, postfix, proxy, "wrong")
    result = send(tmp_path)
    assert result.exit_status == 77, result.stderr
    assert result.json["error"]["id"] == "proxy.sign_in"
