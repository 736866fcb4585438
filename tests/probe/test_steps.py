"""What the single steps make of what they see, where it takes more than one failing server."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nexomailer_cli.probe.examination import Wishes
from nexomailer_cli.probe.examine import examine
from nexomailer_cli.probe.report import Report
from nexomailer_cli.probe.stage import Status
from nexomailer_cli.smtp.auth import Credentials
from tests.probe.conftest import Neighbours
from tests.probe.test_examine import case, examined, stage
from tests.support import certificates
from tests.support.certificates import Chain
from tests.support.lab import handshakes
from tests.support.lab.names import names
from tests.support.lab.place import serving
from tests.support.lab.smtp import implicit, smtp, starttls

ENVELOPE = Wishes(sender="a@example.com", recipient="b@example.com", timeout=8)


@pytest.fixture(autouse=True)
def no_neighbours(neighbours: Neighbours) -> None:
    neighbours()


def found(report: Report) -> list[str]:
    return [each.id for each in report.findings]


# --- this machine and the network ---------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "oddity"),
    [
        ("tanstaaf ", "white space"),
        ("pässword", "not ASCII"),
        ("abcd efgh ijkl mnop", "app passwords"),
    ],
)
def test_what_is_odd_about_a_password_is_told_and_nothing_else_of_it(
    password: str, oddity: str
) -> None:
    report = examined(smtp("AUTH PLAIN"), credentials=Credentials("tim", password))
    assert found(report) == ["auth.secret_lint"]
    assert oddity in report.findings[0].evidence
    assert stage(report, "environment").status is Status.WARN
    assert report.auth.result == "accepted"
    assert password.strip() not in repr(report)


def test_proxies_are_named_and_their_passwords_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://tim:tanstaaf@127.0.0.1:9")
    report = examined(smtp())
    environment: Any = stage(report, "environment")
    assert "ALL_PROXY" in environment.data.variables
    assert "tanstaaf" not in repr(report)


def test_of_many_addresses_some_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, {"mail.test": [f"127.0.0.{number}" for number in range(1, 8)]})
    report = examined(smtp(), host="mail.test")
    dns: Any = stage(report, "dns")
    assert dns.summary.startswith("7 addresses: 127.0.0.1, ")
    assert dns.summary.endswith(" and 3 more")
    assert len(dns.data.addresses) == 7


def test_a_connection_that_was_cut_before_anybody_looked_is_no_dead_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Cut(socket.socket):
        def connect_ex(self, address: object, /) -> int:
            return errno.ECONNRESET

    system = SimpleNamespace(**{**vars(socket), "socket": Cut})
    monkeypatch.setattr("nexomailer_cli.transport.race.socket", system)
    assert found(examine(case(9))) == ["banner.reset"]


@pytest.mark.parametrize(
    ("slow", "lost", "finding"),
    [(0, (), "conn.slow"), (9999, ((0, 9999),), "tcp.packet_loss")],
)
def test_a_slow_connection_is_told_apart_from_a_lost_packet(
    slow: int, lost: Any, finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexomailer_cli.probe.step_network.SLOW_CONNECT_MS", slow)
    monkeypatch.setattr("nexomailer_cli.probe.step_network.RETRANSMISSION_MS", lost)
    report = examined(smtp())
    assert found(report) == [finding]
    assert (report.verdict, stage(report, "tcp").status) == ("warn", Status.WARN)


# --- SMTP ---------------------------------------------------------------------------------


def test_a_name_of_ours_that_is_none_is_not_said_to_anybody() -> None:
    with serving(smtp()) as place:
        report = examine(case(place.port, ehlo_name="a b\r\nMAIL FROM:<x>"))
    assert stage(report, "ehlo").status is Status.FAIL
    assert (place.heard, report.exit_code) == ([], 78)


def test_server_software_is_recognised() -> None:
    report = examined(smtp(banner="220 mail.test ESMTP Exim 4.97 Wed"))
    banner: Any = stage(report, "banner")
    assert banner.data.software == "Exim 4.97"


# --- the envelope -------------------------------------------------------------------------


def test_a_sender_alone_may_be_tried() -> None:
    wishes = Wishes(sender="", timeout=8)
    with serving(smtp()) as place:
        report = examine(case(place.port, wishes))
    assert place.heard[1:] == ["MAIL FROM:<>", "RSET", "QUIT"]
    assert stage(report, "envelope").summary == "MAIL FROM accepted, then RSET: nothing was sent"


@pytest.mark.parametrize("code", ["421 4.3.2 bye", "550 5.1.1 nobody"])
def test_a_recipient_that_is_refused_leaves_nothing_behind(code: str) -> None:
    with serving(smtp(RCPT=code)) as place:
        report = examine(case(place.port, ENVELOPE))
    envelope: Any = stage(report, "envelope")
    assert (envelope.data.mail.code, envelope.data.rcpt.code) == (250, int(code[:3]))
    assert envelope.summary == f"RCPT TO: {code[:9]}"
    assert place.verbs[3:] == ([] if code.startswith("421") else ["RSET", "QUIT"])
    assert report.ready.envelope is False


def test_what_a_server_makes_of_rset_changes_nothing() -> None:
    report = examined(smtp(RSET="500 what"), wishes=ENVELOPE)
    assert (report.verdict, report.ready.envelope) == ("ok", True)


@pytest.mark.parametrize("offered", [True, False])
def test_letters_of_other_scripts_need_an_extension(offered: bool) -> None:
    wishes = Wishes(sender="ä@example.com", recipient="b@example.com", timeout=8)
    with serving(smtp(*(["SMTPUTF8"] if offered else []))) as place:
        report = examine(case(place.port, wishes))
    if offered:
        assert place.heard[1] == "MAIL FROM:<ä@example.com> SMTPUTF8"
    else:
        assert place.verbs == ["EHLO", "QUIT"]
        assert found(report) == ["message.needs_smtputf8"]
    assert report.ready.envelope is offered


@pytest.mark.parametrize("sender", ["a@x.test> SIZE=1\r\nDATA", "a b@x.test"])
def test_an_address_that_is_none_does_not_reach_the_wire(sender: str) -> None:
    with serving(smtp()) as place:
        report = examine(case(place.port, Wishes(sender=sender, timeout=8)))
    assert place.verbs == ["EHLO", "QUIT"]
    assert stage(report, "envelope").status is Status.FAIL
    assert report.exit_code == 78


@pytest.mark.parametrize(
    ("keywords", "status", "fits"),
    [
        (("SIZE 1000",), Status.OK, True),
        (("SIZE 999",), Status.FAIL, False),
        (("SIZE 0",), Status.UNKNOWN, None),
        ((), Status.UNKNOWN, None),
    ],
)
def test_whether_a_size_passes_is_what_the_server_announces(
    keywords: tuple[str, ...], status: Status, fits: bool | None
) -> None:
    size: Any = stage(examined(smtp(*keywords), wishes=Wishes(size=1000, timeout=8)), "size")
    assert (size.status, size.data.fits) == (status, fits)


# --- TLS ----------------------------------------------------------------------------------


def test_a_name_for_the_certificate_that_is_none_is_no_crash(healthy: Chain) -> None:
    handler = implicit(healthy.server_context(), smtp())
    report = examined(
        handler, tls=healthy.client_context(), implicit_tls=True, servername="a" * 70 + ".test"
    )
    tls: Any = stage(report, "tls")
    assert (tls.status, tls.data) == (Status.FAIL, None)
    assert "is not a host name" in tls.summary


@pytest.fixture
def rsa(tmp_path: Path) -> Chain:
    return certificates.healthy_rsa(tmp_path, "127.0.0.1")


def lax(chain: Chain) -> Any:
    """A client that takes what OpenSSL would rather not."""
    context = chain.client_context()
    handshakes.old(context, "ALL")
    context.minimum_version = context.minimum_version.TLSv1
    return context


WEAKNESSES: dict[str, tuple[Any, str]] = {
    "a small group": (handshakes.weak_dh, "the key exchange is DH 1024"),
    "no forward secrecy": (
        lambda context, _: handshakes.old(context, "AES256-GCM-SHA384"),
        "AES256-GCM-SHA384 has no forward secrecy",
    ),
    "an old version": (
        lambda context, _: handshakes.retired(context),
        "TLSv1.1 was retired by RFC 8996",
    ),
    "CBC": (
        lambda context, _: handshakes.old(context, "ECDHE-RSA-AES256-SHA384"),
        "ECDHE-RSA-AES256-SHA384 is in CBC mode",
    ),
}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("name", WEAKNESSES)
def test_a_weak_connection_that_came_about_is_worth_a_warning(
    name: str, rsa: Chain, tmp_path: Path
) -> None:
    spoil, words = WEAKNESSES[name]
    server = spoil(rsa.server_context(), tmp_path)
    report = examined(starttls(server), tls=lax(rsa), wishes=Wishes(timeout=8))
    assert found(report) == ["tls.weak"]
    assert report.findings[0].evidence == words
    assert report.ready.encrypted is True


def test_where_nobody_looks_a_good_certificate_is_not_taken_apart(healthy: Chain) -> None:
    wishes = Wishes(timeout=8, thorough=False)
    handler = starttls(healthy.server_context())
    report = examined(handler, tls=healthy.client_context(), wishes=wishes)
    certificate: Any = stage(report, "certificate")
    assert certificate.status is Status.OK
    assert certificate.data.verified
    assert certificate.data.chain[0].key is None
    assert "days left" in certificate.summary


@pytest.mark.parametrize("is_strict", [True, False])
def test_what_only_strictness_complains_of_is_told_apart(is_strict: bool, tmp_path: Path) -> None:
    chain = certificates.without_key_identifiers(tmp_path, "127.0.0.1")
    handler = starttls(chain.server_context())
    context = chain.client_context(strict=is_strict)
    report = examined(handler, tls=context, wishes=Wishes(timeout=8))
    certificate: Any = stage(report, "certificate")
    assert certificate.data.verified is not is_strict
    assert certificate.data.trusted_otherwise is (True if is_strict else None)
    assert report.exit_code == (76 if is_strict else 0)
