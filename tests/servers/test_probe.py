"""`nexomailer test-connection` as people run it, against a real Postfix and a real Exim.

What the doctor did is not asked of him: the servers' own logs count the commands.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator

from nexomailer_cli.cli.screen_schema import report_schema
from tests.servers.exim import Exim
from tests.servers.postfix import Postfix
from tests.servers.server import DOMAIN, SIZE_LIMIT, Server
from tests.support import certificates
from tests.support.run import Result, run_process

pytestmark = pytest.mark.servers

WRONG = "tanstaaf-PaRtIcUlAr"
COLUMNS = 80
ENVELOPE = ("--from", f"sender@{DOMAIN}", "--rcpt", f"anna@{DOMAIN}")
SKIPPED_WITHOUT_WISHES = {"envelope", "size"}


@dataclass(frozen=True, slots=True)
class Visit:
    """One examination: what the command left behind, and what the server has to say of it."""

    result: Result
    log: str
    commands: Counter[str]

    @property
    def report(self) -> dict[str, Any]:
        return self.result.json

    @property
    def ids(self) -> list[str]:
        return [each["id"] for each in self.report["findings"]]

    @property
    def statuses(self) -> dict[str, str]:
        return {each["id"]: each["status"] for each in self.report["stages"]}

    def stage(self, name: str) -> Any:
        """Return the `data` of a stage."""
        return next(each["data"] for each in self.report["stages"] if each["id"] == name)


@dataclass(frozen=True, slots=True)
class Doctor:
    """The command, at one server; `security` is how that is to be met."""

    server: Server
    security: str
    folder: Path

    def visit(
        self, *arguments: str, password: str = "", security: str = "", ca_file: Path | None = None
    ) -> Visit:
        """Examine the server as its account."""
        server = self.server
        before = len(server.settled_log())
        result = run_process(
            "test-connection",
            f"{server.host}:{server.port}",
            *("--security", security or self.security, "--user", server.username),
            *("--password-env", "PASSWORD", "--ca-file", str(ca_file or server.ca_file)),
            *arguments,
            env={"PASSWORD": password or server.password, "COLUMNS": str(COLUMNS)},
            cwd=self.folder,
        )
        told = result.stdout.decode() + result.stderr
        assert "Traceback" not in told, told
        assert (password or server.password) not in told
        log = server.settled_log()[before:]
        if "--json" in arguments:
            Draft202012Validator(json.loads(report_schema())).validate(result.json)
        assert server.is_idle(), log
        return Visit(result, log, server.commands(log))


@pytest.fixture(params=["starttls", "implicit"], ids=["postfix", "exim"])
def doctor(request: pytest.FixtureRequest, tmp_path: Path) -> Doctor:
    name = "postfix" if request.param == "starttls" else "exim"
    return Doctor(request.getfixturevalue(name), request.param, tmp_path)


@pytest.fixture
def at_postfix(postfix: Postfix, tmp_path: Path) -> Doctor:
    return Doctor(postfix, "starttls", tmp_path)


@pytest.fixture
def at_exim(exim: Exim, tmp_path: Path) -> Doctor:
    return Doctor(exim, "implicit", tmp_path)


def test_a_server_that_is_in_order_is_ready_on_a_screen_of_80_columns(doctor: Doctor) -> None:
    visit = doctor.visit(*ENVELOPE, "--size", "900kB")
    screen = visit.result.stdout.decode()
    assert (visit.result.exit_status, visit.result.stderr) == (0, "")
    lines = screen.splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert "READY TO SEND" in lines
    steps = lines[: lines.index("READY TO SEND")]
    marks = {line[0] for line in steps if line.startswith(tuple("✓!✗·?"))}
    assert marks == {"✓"}, screen
    assert f"SIZE {SIZE_LIMIT}" in screen


def test_every_stage_is_in_order(doctor: Doctor) -> None:
    visit = doctor.visit(*ENVELOPE, "--size", "900kB", "--json")
    assert (visit.result.exit_status, visit.report["verdict"], visit.ids) == (0, "ok", [])
    assert set(visit.statuses.values()) == {"ok"}, visit.statuses
    assert set(visit.report["ready"].values()) == {True}
    assert visit.report["auth"] | {"secret_source": ""} == {
        "attempted": True,
        "mechanism": "PLAIN",
        "username": doctor.server.username,
        "secret_source": "",
        "result": "accepted",
    }
    assert visit.stage("tls")["version"] == "TLSv1.3"
    assert visit.stage("certificate")["verified"]


def test_nothing_is_sent_but_the_envelope_is_tried(doctor: Doctor) -> None:
    visit = doctor.visit(*ENVELOPE, "--json")
    envelope = visit.stage("envelope")
    assert (envelope["mail"]["code"], envelope["rcpt"]["code"]) == (250, 250)
    tried = {name: visit.commands[name] for name in ("AUTH", "MAIL", "RCPT", "RSET", "QUIT")}
    assert set(tried.values()) == {1}, visit.log
    assert visit.commands.keys() & {"DATA", "BDAT"} == set()


def test_without_an_envelope_there_is_none(doctor: Doctor) -> None:
    visit = doctor.visit("--json")
    assert visit.result.exit_status == 0
    skipped = {name for name, status in visit.statuses.items() if status == "skip"}
    assert skipped == SKIPPED_WITHOUT_WISHES
    assert visit.commands.keys() & {"MAIL", "RCPT", "DATA", "BDAT"} == set()


def test_what_postfix_can_changes_with_tls(at_postfix: Doctor) -> None:
    visit = at_postfix.visit("--json")
    can = visit.report["capabilities"]
    assert (can["added"], can["removed"]) == (["AUTH"], ["STARTTLS"])
    assert (can["auth_before_tls"], can["auth_after_tls"]) == ([], ["PLAIN", "LOGIN"])
    assert {"PIPELINING", "DSN", "SMTPUTF8", "CHUNKING", "8BITMIME"} <= set(can["after_tls"])
    assert can["size_limit"] == SIZE_LIMIT
    assert visit.stage("banner")["software"] == "Postfix"


def test_what_exim_can_is_known_after_tls_only(at_exim: Doctor) -> None:
    visit = at_exim.visit("--json")
    can = visit.report["capabilities"]
    assert (can["before_tls"], can["added"], can["auth_before_tls"]) == (None, None, None)
    assert can["auth_after_tls"] == ["PLAIN", "LOGIN"]
    assert {"PIPELINING", "SMTPUTF8", "CHUNKING", "8BITMIME"} <= set(can["after_tls"])
    assert not {"DSN", "STARTTLS"} & set(can["after_tls"])
    assert can["size_limit"] == SIZE_LIMIT
    assert visit.stage("banner")["software"].startswith("Exim ")


def test_an_unknown_recipient_is_found_out(doctor: Doctor) -> None:
    visit = doctor.visit(*ENVELOPE[:2], "--rcpt", f"nobody@{DOMAIN}", "--json")
    assert (visit.result.exit_status, visit.ids) == (65, ["rcpt.unknown_user"])
    assert visit.stage("envelope")["rcpt"]["code"] == 550
    assert visit.commands["RCPT"] == 1


def test_a_message_that_is_too_large_is_found_out_without_it(doctor: Doctor) -> None:
    visit = doctor.visit("--size", "2MB", "--json")
    assert (visit.result.exit_status, visit.ids) == (65, ["message.too_large"])
    assert visit.stage("size") == {"asked": 2_000_000, "limit": SIZE_LIMIT, "fits": False}


def test_a_message_of_just_the_limit_fits(doctor: Doctor) -> None:
    visit = doctor.visit(*ENVELOPE, "--size", str(SIZE_LIMIT), "--json")
    assert visit.result.exit_status == 0
    assert visit.stage("size")["fits"]


def test_a_wrong_password_is_tried_once(doctor: Doctor) -> None:
    visit = doctor.visit("--json", password=WRONG)
    assert (visit.result.exit_status, visit.ids) == (77, ["auth.bad_credentials"])
    assert (visit.stage("auth")["reply"]["code"], visit.report["auth"]["result"]) == (
        535,
        "refused",
    )
    assert visit.commands["AUTH"] == 1, visit.log
    assert visit.log.count("authenticator failed") + visit.log.count("SASL PLAIN") == 1


def test_an_authority_that_is_not_the_servers_gets_no_password(
    doctor: Doctor,
) -> None:
    visit = doctor.visit("--json", ca_file=certificates.healthy(doctor.folder).authority)
    assert (visit.result.exit_status, visit.ids) == (76, ["cert.unknown_issuer"])
    assert visit.report["ready"]["trusted"] is False
    assert not visit.report["auth"]["attempted"]
    assert visit.log, "the server has seen nobody"
    assert "AUTH" not in visit.commands


@pytest.mark.parametrize("form", ["--json", "--no-color"])
def test_tls_at_once_where_starttls_is_meant(at_postfix: Doctor, form: str) -> None:
    visit = at_postfix.visit(form, security="implicit")
    assert visit.result.exit_status == 78
    assert "AUTH" not in visit.commands
    check_recommendation(visit, form, at_postfix, "tls.plaintext_on_tls_port")


@pytest.mark.parametrize("form", ["--json", "--no-color"])
def test_starttls_where_tls_at_once_is_meant(at_exim: Doctor, form: str) -> None:
    visit = at_exim.visit(form, "--timeout", "1", security="starttls")
    assert visit.result.exit_status == 78
    assert visit.commands == Counter()
    check_recommendation(visit, form, at_exim, "banner.tls_port")


def check_recommendation(visit: Visit, form: str, doctor: Doctor, finding: str) -> None:
    """Assert that the mode which works on this port is named, in either form."""
    port = doctor.server.port
    if form == "--json":
        assert visit.ids == [finding]
        assert visit.report["recommended"] == {"port": port, "security": doctor.security}
        return
    screen = visit.result.stdout.decode()
    again = f"test-connection {doctor.server.host}:{port} --security {doctor.security}"
    assert again in screen, screen
    assert finding in screen


def test_the_refusals_of_a_server_can_be_explained(doctor: Doctor) -> None:
    refused = [
        (doctor.visit("--json", password=WRONG).stage("auth")["reply"], "auth.bad_credentials"),
        (
            doctor.visit("--rcpt", f"nobody@{DOMAIN}", "--json").stage("envelope")["rcpt"],
            "rcpt.unknown_user",
        ),
    ]
    for reply, finding in refused:
        words = " ".join(filter(None, [str(reply["code"]), reply["enhanced"], *reply["lines"]]))
        explained = run_process("explain", "--json", words, cwd=doctor.folder)
        assert explained.exit_status == 0, words
        assert [each["id"] for each in explained.json["findings"]] == [finding]


def test_what_is_sent_would_be_seen(at_exim: Doctor) -> None:
    # Else the empty queue of the other tests would prove nothing.
    exim = at_exim.server
    assert isinstance(exim, Exim)
    account = f"{quote(exim.username, safe='')}:{exim.password}"
    url = f"smtps://{account}@{exim.host}:{exim.port}?ca_file={exim.ca_file}"
    sent = run_process(
        *("send", "--from", exim.username, "--to", f"anna@{DOMAIN}", "--json"),
        *("--text", "Hello"),
        env={"NEXOMAILER_URL": url},
        cwd=at_exim.folder,
    )
    assert sent.exit_status == 0, sent
    assert not exim.is_idle()
    exim.empty_queue()
    assert exim.is_idle()
