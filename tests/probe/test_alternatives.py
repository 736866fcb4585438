"""Other connections to the same host: what is made of what they see."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from nexomailer_cli.probe import alternatives
from nexomailer_cli.probe.alternatives import (
    everything_is_silent,
    look_around,
    passes_leniently,
    passes_without_name,
    try_starttls,
    waits_for_tls,
)
from nexomailer_cli.probe.examination import Case, Examination, Wishes
from nexomailer_cli.probe.report import Alternative, Origins, Recommended, Target
from nexomailer_cli.smtp.auth import Credentials
from nexomailer_cli.transport.resolving import Address, Resolved
from nexomailer_cli.transport.terms import Terms
from tests.probe.conftest import Neighbours
from tests.support import certificates
from tests.support.certificates import Chain
from tests.support.lab.place import Handler, Place, Wire, serving
from tests.support.lab.ports import black_hole, closed_port
from tests.support.lab.records import alert
from tests.support.lab.smtp import close, hang, implicit, raw, smtp, starttls, then

PATIENCE = 8.0
SHORT = 0.2
GO = "220 2.0.0 go ahead"


def exam_of(
    port: int, *, timeout: float = PATIENCE, looks: bool = True, **terms: Any
) -> Examination:
    """Return an examination that knows where the server is, and nothing else yet."""
    host = "127.0.0.1"
    origins = Origins(host="argument", port="argument", security="argument")
    target = Target(
        input=host, host=host, ascii_host=host, port=port, security="starttls", source=origins
    )
    about: dict[str, Any] = {"host": host, "credentials": Credentials("tim", "tanstaaf"), **terms}
    exam = Examination(
        Case(
            target=target,
            terms=Terms(port=port, **about),
            wishes=Wishes(timeout=timeout, alternatives=looks),
        )
    )
    exam.resolved = Resolved((Address(socket.AF_INET, (host, port)),))
    return exam


@pytest.fixture
def usual_ports(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Serve what is given as if on a neighbouring port, and return what is seen there."""
    stack = ExitStack()

    def seen(handler: Handler, *, begins_with_tls: bool = False, **more: Any) -> Alternative:
        place = stack.enter_context(serving(handler))
        monkeypatch.setattr(alternatives, "NEIGHBOURS", (place.port,))
        if begins_with_tls:
            monkeypatch.setattr(alternatives, "IMPLICIT_TLS_PORTS", (place.port,))
        exam = exam_of(1, **more)
        look_around(exam)
        assert "AUTH" not in place.verbs
        (alternative,) = exam.alternatives
        assert (exam.recommended is not None) is bool(alternative.certificate)
        return alternative

    with stack:
        yield seen


IN_CLEAR: dict[str, tuple[Handler, str]] = {
    "SMTP": (smtp("SIZE 1000"), "smtp"),
    "SMTP that refuses EHLO": (smtp(EHLO="550 no"), "smtp"),
    "SMTP that hangs up": (smtp(EHLO=close), "smtp"),
    "SMTP that talks nonsense later": (smtp(EHLO="whatever"), "smtp"),
    "something else": (raw(b"* OK IMAP4rev1\r\n"), "other"),
    "silence": (hang, "nothing"),
    "a hang-up": (close, "nothing"),
    "STARTTLS that is refused": (smtp("STARTTLS", STARTTLS="454 later"), "smtp+starttls"),
    "STARTTLS that goes wrong": (
        smtp("STARTTLS", STARTTLS=then(GO, close)),
        "smtp+starttls",
    ),
}


@pytest.mark.parametrize("name", IN_CLEAR)
def test_it_is_known_what_a_port_speaks(name: str, usual_ports: Any, healthy: Chain) -> None:
    handler, speaks = IN_CLEAR[name]
    timeout = SHORT if name == "silence" else PATIENCE
    alternative = usual_ports(handler, tls=healthy.client_context(), timeout=timeout)
    assert (alternative.speaks, alternative.result) == (speaks, "open")
    assert (alternative.certificate, alternative.security) == (None, "starttls")


WITH_TLS: dict[str, tuple[Handler, str, bool | None]] = {
    "SMTP in clear": (smtp(), "smtp", None),
    "something else in clear": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "other", None),
    "silence": (hang, "nothing", None),
    "a hang-up": (close, "nothing", None),
    "an alert": (alert(40), "tls", False),
}


@pytest.mark.parametrize("name", WITH_TLS)
def test_it_is_known_what_speaks_where_tls_should(
    name: str, usual_ports: Any, healthy: Chain
) -> None:
    handler, speaks, certificate = WITH_TLS[name]
    timeout = SHORT if name == "silence" else PATIENCE
    context = healthy.client_context()
    alternative = usual_ports(handler, begins_with_tls=True, tls=context, timeout=timeout)
    assert (alternative.speaks, alternative.certificate) == (speaks, certificate)
    assert alternative.security == "implicit"


@pytest.mark.parametrize("begins_with_tls", [True, False])
def test_a_port_with_a_good_certificate_is_recommended(
    begins_with_tls: bool, usual_ports: Any, healthy: Chain
) -> None:
    context = healthy.server_context()
    handler = implicit(context, smtp()) if begins_with_tls else starttls(context)
    alternative = usual_ports(
        handler, begins_with_tls=begins_with_tls, tls=healthy.client_context()
    )
    assert alternative.speaks == ("tls" if begins_with_tls else "smtp+starttls")
    assert (alternative.tls_version, alternative.certificate) == ("TLSv1.3", True)


@pytest.mark.parametrize("begins_with_tls", [True, False])
def test_a_port_with_a_bad_certificate_is_not(
    begins_with_tls: bool, usual_ports: Any, healthy: Chain
) -> None:
    context = healthy.server_context()
    handler = implicit(context, smtp()) if begins_with_tls else starttls(context)
    alternative = usual_ports(
        handler,
        begins_with_tls=begins_with_tls,
        tls=healthy.client_context(),
        servername="other.example",
    )
    assert alternative.speaks == ("tls" if begins_with_tls else "smtp+starttls")
    assert alternative.certificate is False


def test_where_nothing_is_verified_nothing_is_recommended(usual_ports: Any, healthy: Chain) -> None:
    context = healthy.client_context()
    context.check_hostname = False
    context.verify_mode = context.verify_mode.CERT_NONE
    alternative = usual_ports(starttls(healthy.server_context()), tls=context)
    assert (alternative.tls_version, alternative.certificate) == ("TLSv1.3", None)


def test_without_tls_of_ours_there_is_none_to_look_at(usual_ports: Any, healthy: Chain) -> None:
    alternative = usual_ports(starttls(healthy.server_context()), tls=None)
    assert (alternative.speaks, alternative.tls_version) == ("smtp+starttls", None)


# --- which ports --------------------------------------------------------------------------


def test_the_neighbours_are_looked_at_all_at_once(neighbours: Neighbours) -> None:
    everybody = threading.Barrier(4, timeout=PATIENCE)

    def greet(wire: Wire) -> None:
        everybody.wait()
        wire.say("220 hi")

    with ExitStack() as stack:
        ports = [stack.enter_context(serving(greet)).port for _ in range(4)]
        neighbours(*ports)
        exam = exam_of(1)
        look_around(exam)
    assert [(each.port, each.speaks) for each in exam.alternatives] == [
        (port, "smtp") for port in ports
    ]


def test_a_known_service_has_neighbours_of_its_own() -> None:
    assert {2465, 2587} <= set(alternatives._neighbours("smtp.resend.com."))
    assert alternatives._neighbours("smtp.example.com") == alternatives.NEIGHBOURS


def test_a_port_is_looked_at_once(neighbours: Neighbours) -> None:
    with serving(smtp()) as own, serving(smtp()) as other:
        neighbours(own.port, other.port)
        exam = exam_of(own.port)
        look_around(exam)
        look_around(exam)
        assert (own.connections, other.connections) == (0, 1)
    assert len(exam.alternatives) == 1


def test_nothing_is_looked_at_where_that_is_not_wished(neighbours: Neighbours) -> None:
    with serving(smtp()) as other:
        neighbours(other.port)
        exam = exam_of(1, looks=False)
        look_around(exam)
        assert (other.connections, exam.alternatives) == (0, [])


def test_what_cannot_be_reached_is_told_with_its_reason(neighbours: Neighbours) -> None:
    with closed_port() as closed, black_hole() as silent:
        neighbours(closed, silent)
        exam = exam_of(1, timeout=SHORT)
        look_around(exam)
    assert [(each.result, each.speaks) for each in exam.alternatives] == [
        ("refused", None),
        ("silent", None),
    ]


def test_the_first_that_works_is_recommended(neighbours: Neighbours, healthy: Chain) -> None:
    handler = starttls(healthy.server_context())
    with serving(smtp()) as bad, serving(handler) as good, serving(handler) as better:
        neighbours(bad.port, good.port, better.port)
        exam = exam_of(1, tls=healthy.client_context())
        look_around(exam)
    assert exam.recommended == Recommended(port=good.port, security="starttls")


def test_a_hostile_neighbour_holds_nobody_up(
    neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alternatives, "SECONDS", SHORT)

    def dribble(wire: Wire) -> None:
        while True:
            wire.send(b"2")
            time.sleep(SHORT / 20)

    with serving(dribble) as place:
        neighbours(place.port)
        exam = exam_of(1)
        start = time.monotonic()
        look_around(exam)
        assert time.monotonic() - start < PATIENCE
        assert not [each for each in threading.enumerate() if "look" in each.name]
    assert [each.speaks for each in exam.alternatives] == ["nothing"]


# --- this port in another way -------------------------------------------------------------


@pytest.mark.parametrize("waits", [True, False])
def test_a_silent_port_may_wait_for_tls(waits: bool, healthy: Chain) -> None:
    handler = implicit(healthy.server_context(), smtp()) if waits else hang
    with serving(handler) as place:
        exam = exam_of(
            place.port, tls=healthy.client_context(), timeout=PATIENCE if waits else SHORT
        )
        assert waits_for_tls(exam) is waits
    recommended = Recommended(port=place.port, security="implicit")
    assert exam.recommended == (recommended if waits else None)
    assert len(exam.alternatives) == waits


def test_a_port_that_was_met_with_tls_may_want_to_begin_in_clear(healthy: Chain) -> None:
    with serving(starttls(healthy.server_context())) as place:
        exam = exam_of(place.port, tls=healthy.client_context(), implicit_tls=True)
        try_starttls(exam)
    assert exam.recommended == Recommended(port=place.port, security="starttls")


@pytest.mark.parametrize(
    ("handlers", "is_silent"),
    [((hang, hang), True), ((hang, smtp()), False), ((hang,), False), ((), False)],
)
def test_silence_everywhere_is_silence_of_two_at_least(
    handlers: tuple[Handler, ...], is_silent: bool, neighbours: Neighbours
) -> None:
    with ExitStack() as stack:
        neighbours(*[stack.enter_context(serving(each)).port for each in handlers])
        assert everything_is_silent(exam_of(1, timeout=SHORT)) is is_silent


# --- the certificate in another way -------------------------------------------------------


def certified(place: Place, chain: Chain, **terms: Any) -> Examination:
    return exam_of(place.port, tls=chain.client_context(), **terms)


@pytest.mark.parametrize("begins_with_tls", [True, False])
def test_only_the_name_may_be_wrong(begins_with_tls: bool, healthy: Chain) -> None:
    context = healthy.server_context()
    handler = implicit(context, smtp()) if begins_with_tls else starttls(context)
    with serving(handler) as place:
        exam = certified(place, healthy, servername="other.example", implicit_tls=begins_with_tls)
        assert passes_without_name(exam) is True
    assert exam.terms.tls is not None
    assert exam.terms.tls.check_hostname
    assert exam.alternatives == []


def test_or_the_name_is_not_all_that_is_wrong(tmp_path_factory: pytest.TempPathFactory) -> None:
    chain = certificates.expired(tmp_path_factory.mktemp("expired"))
    with serving(starttls(chain.server_context())) as place:
        assert passes_without_name(certified(place, chain)) is False


def test_only_the_letter_of_the_standard_may_be_hurt(
    healthy: Chain,
) -> None:
    with serving(starttls(healthy.server_context())) as place:
        exam = certified(place, healthy)
        assert passes_leniently(exam) is True
    assert exam.terms.tls is not None
    assert exam.terms.tls.verify_flags & ssl.VERIFY_X509_STRICT


def test_where_nobody_answers_any_more_nothing_was_found_out(healthy: Chain) -> None:
    with serving(close) as place:
        assert passes_without_name(certified(place, healthy)) is None
