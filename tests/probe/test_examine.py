"""The order of an examination: which step comes when, what is left out, how long it took."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from nexomailer_cli.probe import step_auth, step_envelope, step_network, step_smtp, step_tls
from nexomailer_cli.probe.examination import Case, Wishes, is_public_name
from nexomailer_cli.probe.examine import SLOW_MS, examine
from nexomailer_cli.probe.report import Origins, Report, Target
from nexomailer_cli.probe.stage import AnyStage, Status
from nexomailer_cli.probe.wire import Wire
from nexomailer_cli.smtp.auth import Credentials
from nexomailer_cli.transport.terms import Terms
from tests.probe.conftest import Neighbours
from tests.support.certificates import Chain
from tests.support.lab.place import Handler, Place, serving
from tests.support.lab.ports import closed_port
from tests.support.lab.smtp import Late, hang, implicit, smtp, starttls

ARRIVAL = ["target", "environment", "dns", "tcp"]
BUSINESS = ["auth", "envelope", "size", "quit"]
STARTTLS = [*ARRIVAL, "banner", "ehlo", "starttls", "tls", "certificate", "ehlo_tls", *BUSINESS]
IMPLICIT = [*ARRIVAL, "tls", "certificate", "banner", "ehlo", *BUSINESS]
IN_CLEAR = [*ARRIVAL, "banner", "ehlo", *BUSINESS]
PASSWORD = "tanstaaf-PaRtIcUlAr"
CREDENTIALS = Credentials("tim@example.com", PASSWORD)
EVERYTHING = Wishes(
    sender="a@example.com", recipient="b@example.com", size=1000, timeout=8, transcript=True
)


@pytest.fixture(autouse=True)
def no_neighbours(neighbours: Neighbours) -> None:
    neighbours()


def case(port: int, wishes: Wishes = EVERYTHING, **terms: Any) -> Case:
    origins = Origins(host="argument", port="argument", security="argument")
    target = Target(
        input="x",
        host="127.0.0.1",
        ascii_host="127.0.0.1",
        port=port,
        security="none",
        source=origins,
    )
    about: dict[str, Any] = {"host": "127.0.0.1", "requires_tls": bool(terms.get("tls"))}
    return Case(target=target, terms=Terms(port=port, **about | terms), wishes=wishes)


def examined(handler: Handler, *, wishes: Wishes = EVERYTHING, **terms: Any) -> Report:
    with serving(handler) as place:
        return examine(case(place.port, wishes, **terms))


def order(report: Report) -> list[str]:
    return [each.id for each in report.stages]


def stage(report: Report, name: str) -> AnyStage:
    return next(each for each in report.stages if each.id == name)


# --- the order ----------------------------------------------------------------------------


def test_with_starttls_the_server_is_met_twice(healthy: Chain) -> None:
    handler = starttls(healthy.server_context(), "AUTH PLAIN", "SIZE 2000")
    report = examined(handler, tls=healthy.client_context(), credentials=CREDENTIALS)
    assert order(report) == STARTTLS
    assert {each.status for each in report.stages} == {Status.OK}, report.stages
    assert report.ready == structs.replace(
        report.ready,
        connect=True,
        encrypted=True,
        trusted=True,
        authenticated=True,
        envelope=True,
    )
    assert (report.verdict, report.exit_code) == ("ok", 0)


def test_with_tls_from_the_first_byte_the_certificate_comes_before_the_greeting(
    healthy: Chain,
) -> None:
    handler = implicit(healthy.server_context(), smtp("SIZE 2000"))
    report = examined(handler, tls=healthy.client_context(), implicit_tls=True)
    assert order(report) == IMPLICIT
    assert report.capabilities.before_tls is None
    assert report.capabilities.after_tls == ("SIZE",)


def test_without_tls_nothing_of_it_is_mentioned() -> None:
    report = examined(smtp("SIZE 2000"))
    assert order(report) == IN_CLEAR
    assert (report.ready.encrypted, report.ready.trusted) == (False, None)


def test_starttls_that_need_not_be_and_is_not_offered_is_told(healthy: Chain) -> None:
    report = examined(smtp(), tls=healthy.client_context(), requires_tls=False)
    assert order(report) == [*ARRIVAL, "banner", "ehlo", "starttls", *BUSINESS]
    assert stage(report, "starttls").status is Status.INFO
    assert report.ready.encrypted is False
    assert stage(report, "quit").status is Status.OK


def test_the_listener_hears_of_every_stage_as_it_ends() -> None:
    heard: list[AnyStage] = []
    with serving(smtp("SIZE 2000")) as place:
        report = examine(case(place.port), heard.append)
    assert tuple(heard) == report.stages


def test_a_listener_that_fails_leaves_no_connection_open() -> None:
    def fail(_: AnyStage) -> None:
        if wires:
            raise BrokenPipeError

    wires: list[Wire] = []
    with serving(smtp()) as place:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Wire, "note_reply", lambda wire, _: wires.append(wire))
            with pytest.raises(BrokenPipeError):
                examine(case(place.port), fail)
        assert wires[0]._sock.fileno() == -1


# --- what is left out ---------------------------------------------------------------------


def test_after_a_failure_every_stage_names_the_one_that_failed() -> None:
    with closed_port() as port:
        report = examine(case(port))
    assert stage(report, "tcp").status is Status.FAIL
    rest = report.stages[4:]
    assert {(each.status, each.reason) for each in rest} == {(Status.SKIP, "tcp")}
    assert order(report) == IN_CLEAR
    assert report.ready.connect is False


def test_with_starttls_to_come_the_stages_of_tls_are_left_out_by_name(healthy: Chain) -> None:
    report = examined(smtp(banner="554 no"), tls=healthy.client_context())
    assert order(report) == STARTTLS
    assert {each.reason for each in report.stages[5:]} == {"banner"}


def test_what_nobody_asked_for_is_left_out_with_a_word() -> None:
    report = examined(smtp("AUTH PLAIN"), wishes=Wishes(timeout=8))
    reasons = {each.id: each.reason for each in report.stages if each.status is Status.SKIP}
    assert reasons == {
        "auth": "nobody was named; the server offers PLAIN",
        "envelope": "needs --from and --rcpt",
        "size": "needs --size",
    }
    assert report.transcript is None


@pytest.mark.parametrize(
    ("code", "parts"), [("535 5.7.8 no", Status.OK), ("421 4.3.2 bye", Status.SKIP)]
)
def test_a_refusal_is_parted_from_politely_unless_the_server_hung_up(
    code: str, parts: Status
) -> None:
    report = examined(smtp("AUTH PLAIN", AUTH=code), credentials=CREDENTIALS)
    assert [each.status for each in report.stages[-4:]] == [
        Status.FAIL,
        Status.SKIP,
        Status.SKIP,
        parts,
    ]


def test_a_server_that_takes_its_leave_in_silence_is_no_worse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(step_envelope, "GOODBYE_SECONDS", 0.1)
    report = examined(smtp(QUIT=hang), wishes=Wishes(timeout=8))
    assert stage(report, "quit").status is Status.INFO
    assert (report.verdict, report.exit_code) == ("ok", 0)


# --- time ---------------------------------------------------------------------------------


def test_the_times_of_the_stages_follow_each_other() -> None:
    report = examined(smtp("SIZE 2000"))
    ends = 0.0
    for each in report.stages:
        if each.status is Status.SKIP:
            assert (each.start_ms, each.duration_ms) == (None, None)
            continue
        assert each.start_ms is not None
        assert each.duration_ms is not None
        assert each.start_ms >= ends - 0.2  # rounded
        ends = each.start_ms + each.duration_ms
    assert report.duration_ms >= ends - 0.2


def test_the_time_in_which_the_server_thinks_is_told_apart() -> None:
    report = examined(smtp("SIZE 2000", EHLO=Late("250 peer.test", 0.1)))
    thinking, local = stage(report, "ehlo"), stage(report, "environment")
    assert thinking.server_ms is not None
    assert thinking.duration_ms is not None
    assert thinking.rtt_ms is not None
    assert 90 < thinking.server_ms <= thinking.duration_ms
    assert thinking.rtt_ms == stage(report, "tcp").rtt_ms
    assert (local.server_ms, local.rtt_ms) == (None, None)


def test_of_a_handshake_every_round_trip_is_taken_off(healthy: Chain) -> None:
    handler = implicit(healthy.server_context(), smtp())
    report = examined(handler, tls=healthy.client_context(), implicit_tls=True)
    shaken = stage(report, "tls")
    assert shaken.server_ms is not None
    assert shaken.duration_ms is not None
    assert shaken.server_ms <= shaken.duration_ms
    assert stage(report, "certificate").server_ms is None


SLOW: dict[str, tuple[str, str]] = {
    "ehlo": ("EHLO", "250-peer.test\n250-STARTTLS\n250 AUTH PLAIN"),
    "starttls": ("STARTTLS", "454 4.7.0 later"),
    "auth": ("AUTH", "235 2.7.0 ok"),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_answer_is_worth_a_warning_and_a_slow_failure_is_a_failure(
    name: str, monkeypatch: pytest.MonkeyPatch, healthy: Chain
) -> None:
    monkeypatch.setitem(SLOW_MS, name, 20)
    verb, words = SLOW[name]
    handler = smtp("STARTTLS", "AUTH PLAIN", **{verb: Late(words, 0.06)})
    terms: dict[str, Any] = {"credentials": CREDENTIALS}
    if name == "starttls":
        terms = {"tls": healthy.client_context()}
    report = examined(handler, **terms)
    slow = [each.stage for each in report.findings if each.id == "conn.slow"]
    assert slow == ([] if name == "starttls" else [name])
    assert stage(report, name).status is (Status.FAIL if name == "starttls" else Status.WARN)


# --- Ctrl-C -------------------------------------------------------------------------------

STEPS: dict[str, tuple[Any, str]] = {
    "dns": (step_network, "resolve"),
    "tcp": (step_network, "race"),
    "banner": (step_smtp, "_greeting"),
    "ehlo": (step_smtp, "_said"),
    "starttls": (step_tls, "StarttlsData"),
    "tls": (step_tls, "_negotiated"),
    "certificate": (step_tls, "_chain"),
    "auth": (step_auth, "_exchange"),
    "envelope": (step_envelope, "_ask"),
    "size": (step_envelope, "SizeData"),
    "quit": (step_envelope, "QuitData"),
}


@pytest.mark.parametrize("name", STEPS)
def test_ctrl_c_ends_the_examination_and_not_the_report(
    name: str, monkeypatch: pytest.MonkeyPatch, healthy: Chain
) -> None:
    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(*STEPS[name], pressed)
    handler = starttls(healthy.server_context(), "AUTH PLAIN", "SIZE 2000")
    report = examined(handler, tls=healthy.client_context(), credentials=CREDENTIALS)
    assert order(report) == STARTTLS[: STARTTLS.index(name)]
    assert (report.exit_code, report.verdict, report.findings) == (130, "unknown", ())
    assert report.ready.envelope is (True if name in ("size", "quit") else None)
    assert report.ready.connect is (None if name in ("dns", "tcp") else True)
    gc.collect()  # what is still open is a ResourceWarning now


def test_ctrl_c_during_the_sign_in_leaves_open_what_came_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask = Wire.ask

    def asked(wire: Wire, line: bytes, *others: Any, **more: Any) -> Any:
        reply = ask(wire, line, *others, **more)
        if line.startswith(b"AUTH"):
            raise KeyboardInterrupt
        return reply

    monkeypatch.setattr(Wire, "ask", asked)
    report = examined(smtp("AUTH PLAIN"), credentials=CREDENTIALS)
    assert (report.auth.attempted, report.auth.mechanism, report.auth.result) == (
        True,
        "PLAIN",
        None,
    )
    assert report.ready.authenticated is None


# --- the password -------------------------------------------------------------------------


def told_of_auth(
    handler: Callable[..., Handler], wishes: Wishes = EVERYTHING, **terms: Any
) -> tuple[Report, Place]:
    with serving(handler()) as place:
        report = examine(case(place.port, wishes, credentials=CREDENTIALS, **terms))
    return report, place


def in_clear() -> Handler:
    return smtp("AUTH PLAIN")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_may_have_the_password_in_clear(host: str) -> None:
    report, place = told_of_auth(in_clear, host=host, ip_version=4)
    assert report.auth.result == "accepted"
    assert place.verbs.count("AUTH") == 1


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it look as if the connection left this machine."""
    monkeypatch.setattr(Wire, "is_loopback", False)


@pytest.mark.parametrize("allowed", [False, True])
def test_nobody_else_may_even_where_sending_would(
    allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(monkeypatch)
    report, place = told_of_auth(in_clear, allow_plaintext_auth=allowed)
    assert "AUTH" not in place.verbs
    assert stage(report, "auth").status is (Status.UNKNOWN if allowed else Status.FAIL)
    assert report.ready.authenticated is (None if allowed else False)


@pytest.mark.parametrize("allowed", [False, True])
def test_nor_may_a_server_that_proves_nothing(
    allowed: bool, monkeypatch: pytest.MonkeyPatch, healthy: Chain
) -> None:
    elsewhere(monkeypatch)
    context = healthy.client_context()
    context.check_hostname = False
    context.verify_mode = context.verify_mode.CERT_NONE
    report, place = told_of_auth(
        lambda: starttls(healthy.server_context(), "AUTH PLAIN"),
        tls=context,
        allow_plaintext_auth=allowed,
    )
    assert "AUTH" not in place.verbs
    assert report.auth.attempted is False
    assert report.ready.trusted is False


def test_insecure_means_no_password_anywhere() -> None:
    wishes = structs.replace(EVERYTHING, insecure=True)
    report, place = told_of_auth(in_clear, wishes)
    assert "AUTH" not in place.verbs
    assert stage(report, "auth").reason == "--insecure never sends a password"


ECHOES = {
    "a reply": "235 {plain}",
    "a refusal": "535 5.7.8 you said {password} or {plain}",
    "no SMTP": "AUTH PLAIN {plain}",
    "behind the reply": "235 ok\n250 {plain}",
    "a challenge": "334 {plain}",
    "a challenge that is none": "334 AUTH PLAIN {plain} {password}",
}


@pytest.mark.parametrize("name", ECHOES)
def test_a_password_that_the_server_echoes_is_nowhere_in_the_report(name: str) -> None:
    plain = "AHRpbUBleGFtcGxlLmNvbQB0YW5zdGFhZi1QYVJ0SWNVbEFy"
    words = ECHOES[name].format(plain=plain, password=PASSWORD)
    report, place = told_of_auth(lambda: smtp("AUTH PLAIN", AUTH=words))
    assert place.heard[1] == f"AUTH PLAIN {plain}"
    assert place.verbs.count("AUTH") == 1
    shown = repr(report)
    assert PASSWORD not in shown
    assert plain[:12] not in shown


def test_an_echo_in_a_later_answer_is_nowhere_either() -> None:
    report, _ = told_of_auth(lambda: smtp("AUTH PLAIN", RCPT=f"550 {PASSWORD}"))
    assert stage(report, "envelope").notes == ("***",)
    assert PASSWORD not in repr(report)


# --- names --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "is_public"),
    [
        ("smtp.gmail.com", True),
        ("smtp.gmail.com.", True),
        ("localhost", False),
        ("mail.localhost", False),
        ("box.local", False),
        ("127.0.0.1", False),
        ("[::1]", False),
        ("2001:db8::1.2.3.4", False),
    ],
)
def test_a_public_name_is_one_that_leads_elsewhere(host: str, is_public: bool) -> None:
    assert is_public_name(host) is is_public
