"""`nexomailer test-connection` as people run it, against each real server.

What the doctor did is not asked of him: the servers' own logs count the commands.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from nexomailer_cli.cli.screen_schema import report_schema
from tests.servers.client import Client, address
from tests.servers.server import SECURITIES, SIZE_LIMIT, Server
from tests.servers.table import ANNOUNCED
from tests.support import certificates
from tests.support.run import Result, run_process

pytestmark = pytest.mark.servers

Note = Callable[[str, str], None]

WARNING = "auth.before_tls"
WRONG = "tanstaaf-PaRtIcUlAr"
COLUMNS = 80
ENVELOPE = ("--from", address("sender"), "--rcpt", address("anna"))
SKIPPED_WITHOUT_WISHES = {"envelope", "size"}
# The best of what they offer; the first once nexomailer speaks it.
BEST = ("SCRAM-SHA-256", "PLAIN")
# Sendmail sends its authority along, which others do not.
STRANGE = {"cert.unknown_issuer", "cert.untrusted_root_sent"}


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
        """Return what is wrong. What is only warned of is another test's matter."""
        found = [each["id"] for each in self.report["findings"]]
        return [each for each in found if each != WARNING]

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

    @property
    def is_warned_of(self) -> bool:
        """Whether it would take a password that anybody can read on the way."""
        shown = {"PLAIN", "LOGIN"} & set(self.server.mechanisms_in_clear)
        return self.security == "starttls" and bool(shown)

    def visit(
        self, *arguments: str, password: str = "", security: str = "", ca_file: Path | None = None
    ) -> Visit:
        """Examine the server as its account; `security` may be the wrong one for this door."""
        server = self.server
        before = len(server.settled_log())
        client = Client(server, self.folder, self.security)
        result = client.run(
            "test-connection",
            f"{server.host}:{client.port}",
            *("--security", security or self.security, "--user", server.username),
            *("--password-env", "PASSWORD", "--ca-file", str(ca_file or server.ca_file)),
            *arguments,
            PASSWORD=password or server.password,
            COLUMNS=str(COLUMNS),
        )
        assert (password or server.password) not in result.stdout.decode() + result.stderr
        log = server.settled_log()[before:]
        if "--json" in arguments:
            Draft202012Validator(json.loads(report_schema())).validate(result.json)
        assert server.is_idle(), log
        return Visit(result, log, server.read(log).commands)


@pytest.fixture(params=SECURITIES)
def doctor(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Doctor:
    return Doctor(server, request.param, tmp_path)


@pytest.fixture
def behind_tls(server: Server, tmp_path: Path) -> Doctor:
    """For what is the same by which way ever TLS began."""
    return Doctor(server, "implicit", tmp_path)


def test_a_server_that_is_in_order_is_ready_on_a_screen_of_80_columns(doctor: Doctor) -> None:
    visit = doctor.visit(*ENVELOPE, "--size", "900kB")
    screen = visit.result.stdout.decode()
    assert (visit.result.exit_status, visit.result.stderr) == (0, "")
    lines = screen.splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert "READY TO SEND" in lines
    steps = lines[: lines.index("READY TO SEND")]
    marks = {line[0] for line in steps if line.startswith(tuple("✓!✗·?"))}
    assert marks == ({"✓", "!"} if doctor.is_warned_of else {"✓"}), screen
    assert f"SIZE {SIZE_LIMIT}" in screen


def test_every_stage_is_in_order(doctor: Doctor, note: Note) -> None:
    visit = doctor.visit(*ENVELOPE, "--size", "900kB", "--json")
    assert (visit.result.exit_status, visit.ids) == (0, [])
    assert set(visit.statuses.values()) <= {"ok", "warn"}, visit.statuses
    warnings = [each["id"] for each in visit.report["findings"]]
    assert warnings == ([WARNING] if doctor.is_warned_of else [])
    assert set(visit.report["ready"].values()) == {True}
    sign_in = visit.report["auth"]
    assert sign_in["mechanism"] in BEST
    assert (sign_in["attempted"], sign_in["result"]) == (True, "accepted")
    assert sign_in["username"] == doctor.server.username
    assert visit.stage("tls")["version"] == "TLSv1.3"
    assert visit.stage("certificate")["verified"]
    note("probe", "✓")


def test_nothing_is_sent_but_the_envelope_is_tried(behind_tls: Doctor) -> None:
    visit = behind_tls.visit(*ENVELOPE, "--json")
    envelope = visit.stage("envelope")
    assert (envelope["mail"]["code"], envelope["rcpt"]["code"]) == (250, 250)
    tried = {name: visit.commands[name] for name in ("AUTH", "MAIL", "RCPT", "RSET", "QUIT")}
    assert set(tried.values()) == {1}, visit.log
    assert visit.commands.keys() & {"DATA", "BDAT"} == set()


def test_without_an_envelope_there_is_none(behind_tls: Doctor) -> None:
    visit = behind_tls.visit("--json")
    assert visit.result.exit_status == 0
    skipped = {name for name, status in visit.statuses.items() if status == "skip"}
    assert skipped == SKIPPED_WITHOUT_WISHES
    assert visit.commands.keys() & {"MAIL", "RCPT", "DATA", "BDAT"} == set()


def test_what_the_server_can_is_told(doctor: Doctor, note: Note) -> None:
    visit, server = doctor.visit("--json"), doctor.server
    can = visit.report["capabilities"]
    assert can["auth_after_tls"] == list(server.mechanisms)
    assert server.extensions | {"SIZE", "AUTH"} <= set(can["after_tls"])
    assert not (server.lacks | {"STARTTLS"}) & set(can["after_tls"])
    assert can["size_limit"] == SIZE_LIMIT
    if doctor.security == "starttls":
        assert set(can["auth_before_tls"]) == set(server.mechanisms_in_clear)
        assert "STARTTLS" in can["removed"]
    else:
        assert (can["before_tls"], can["added"], can["auth_before_tls"]) == (None, None, None)
    note(ANNOUNCED, ", ".join(can["after_tls"]))
    note("version", server.version())


def test_an_unknown_recipient_is_found_out(behind_tls: Doctor) -> None:
    visit = behind_tls.visit(*ENVELOPE[:2], "--rcpt", address("nobody"), "--json")
    assert (visit.result.exit_status, visit.ids) == (65, ["rcpt.unknown_user"])
    assert visit.stage("envelope")["rcpt"]["code"] == 550
    assert visit.commands["RCPT"] == 1


def test_a_message_that_is_too_large_is_found_out_without_it(behind_tls: Doctor) -> None:
    visit = behind_tls.visit("--size", "40MB", "--json")
    assert (visit.result.exit_status, visit.ids) == (65, ["message.too_large"])
    assert visit.stage("size") == {"asked": 40_000_000, "limit": SIZE_LIMIT, "fits": False}


def test_a_message_of_just_the_limit_fits(behind_tls: Doctor) -> None:
    visit = behind_tls.visit(*ENVELOPE, "--size", str(SIZE_LIMIT), "--json")
    assert visit.result.exit_status == 0
    assert visit.stage("size")["fits"]


def test_a_wrong_password_is_tried_once(behind_tls: Doctor) -> None:
    visit = behind_tls.visit("--json", password=WRONG)
    assert (visit.result.exit_status, visit.ids) == (77, ["auth.bad_credentials"])
    told = (visit.stage("auth")["reply"]["code"], visit.report["auth"]["result"])
    assert told == (535, "refused")
    assert visit.commands["AUTH"] == 1, visit.log


def test_an_authority_that_is_not_the_servers_gets_no_password(doctor: Doctor, note: Note) -> None:
    visit = doctor.visit("--json", ca_file=certificates.healthy(doctor.folder).authority)
    assert visit.result.exit_status == 76
    assert visit.ids[0] in STRANGE
    assert visit.report["ready"]["trusted"] is False
    assert not visit.report["auth"]["attempted"]
    assert visit.log or doctor.security == "implicit", "the server has seen nobody"
    assert "AUTH" not in visit.commands
    note("probe-refused", "✓")


@pytest.mark.parametrize("form", ["--json", "--no-color"])
def test_the_other_kind_of_tls_is_named(doctor: Doctor, note: Note, form: str) -> None:
    other, finding = {
        "starttls": ("implicit", "tls.plaintext_on_tls_port"),
        "implicit": ("starttls", "banner.tls_port"),
    }[doctor.security]
    visit = doctor.visit(form, "--timeout", "1", security=other)
    assert visit.result.exit_status == 78
    assert "AUTH" not in visit.commands
    port = doctor.server.ports[doctor.security]
    if form == "--json":
        assert visit.ids == [finding]
        assert visit.report["recommended"] == {"port": port, "security": doctor.security}
        note("probe-wrong-door", "✓")
        return
    screen = visit.result.stdout.decode()
    again = f"test-connection {doctor.server.host}:{port} --security {doctor.security}"
    assert again in screen, screen
    assert finding in screen


def test_the_refusals_of_a_server_can_be_explained(behind_tls: Doctor) -> None:
    refused = [
        (behind_tls.visit("--json", password=WRONG).stage("auth")["reply"], "auth.bad_credentials"),
        (
            behind_tls.visit("--rcpt", address("nobody"), "--json").stage("envelope")["rcpt"],
            "rcpt.unknown_user",
        ),
    ]
    for reply, finding in refused:
        words = " ".join(filter(None, [str(reply["code"]), reply["enhanced"], *reply["lines"]]))
        explained = run_process("explain", "--json", words, cwd=behind_tls.folder)
        assert explained.exit_status == 0, words
        assert [each["id"] for each in explained.json["findings"]] == [finding]


def test_what_is_sent_would_be_seen(client: Client) -> None:
    # Else the empty storage of the other tests would prove nothing.
    sent = client.send("--to", address("anna"))
    assert sent.outcome == (0, "accepted")
    assert len(client.server.taken()) == 1
    assert client.server.is_idle()
