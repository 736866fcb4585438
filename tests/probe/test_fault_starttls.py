"""STARTTLS that is missing, masked, refused, forged or broken off."""

from __future__ import annotations

import pytest

from tests.probe.conftest import Neighbours
from tests.support.certificates import Chain
from tests.support.lab.examining import Examiner, patience
from tests.support.lab.place import Handler, Wire, serving
from tests.support.lab.records import after_hello
from tests.support.lab.smtp import Answer, close, hang, implicit, raw, reset, smtp, starttls, then

GO = "220 2.0.0 Ready to start TLS"


def offering(answer: Answer, *keywords: str) -> Handler:
    """A server that offers STARTTLS, and does `answer`."""
    return smtp("PIPELINING", "STARTTLS", *keywords, STARTTLS=answer)


STARTTLS: dict[str, tuple[Handler, str, int]] = {
    "not offered": (smtp("PIPELINING", "SIZE 10240000"), "starttls.not_offered", 69),
    "nothing offered": (smtp(), "starttls.not_offered", 69),
    "masked by a Cisco": (
        smtp("PIPELINING", "XXXXXXXA", "8BITMIME"),
        "middlebox.starttls_masked",
        69,
    ),
    "rewritten by an antivirus": (
        offering("500 Unsupported command."),
        "starttls.antivirus_500",
        69,
    ),
    "not implemented": (offering("502 5.5.1 Not implemented"), "starttls.antivirus_500", 69),
    "broken key, Postfix": (
        offering("454 4.7.0 TLS not available due to local problem"),
        "starttls.temporary",
        75,
    ),
    "broken key, Exim": (offering("454 TLS currently unavailable"), "starttls.temporary", 75),
    "refused": (offering("554 5.7.0 no"), "starttls.refused", 69),
    "a reply instead of TLS": (
        offering(then(GO, after_hello(raw(b"250 2.0.0 and now?\r\n")))),
        "starttls.reply_instead_of_tls",
        76,
    ),
    "plain text behind the reply": (
        offering(raw(b"220 2.0.0 Ready\r\n250 injected\r\n")),
        "starttls.injected_plaintext",
        76,
    ),
    "closed": (offering(then(GO, after_hello(close))), "starttls.closed", 75),
    "closed instead of an answer": (offering(close), "starttls.closed", 75),
    "reset": (offering(then(GO, after_hello(reset))), "starttls.reset", 75),
    "silence": (offering(then(GO, hang)), "starttls.hang", 75),
    "silence instead of an answer": (offering(hang), "starttls.hang", 75),
}


@pytest.mark.parametrize("name", STARTTLS)
def test_it_is_known_why_tls_did_not_begin(name: str, trusting: Examiner) -> None:
    handler, finding, exit_status = STARTTLS[name]
    with serving(handler) as place:
        examined = trusting.signing_in(
            f"127.0.0.1:{place.port}", "--security", "starttls", timeout=patience(name)
        )
    examined.failed(finding, exit_status)
    assert "AUTH" not in place.verbs
    assert examined.report.ready.encrypted is not True
    assert examined.report.auth.attempted is False


def test_starttls_inside_tls_is_not_asked_for(trusting: Examiner, healthy: Chain) -> None:
    # Postfix and Exim refuse it with 554 5.5.1 and 454, which are in evidence.txt.
    inside = smtp("STARTTLS", STARTTLS="554 5.5.1 Error: TLS already active")
    with serving(implicit(healthy.server_context(), inside)) as place:
        trusting(f"127.0.0.1:{place.port}", "--security", "implicit").is_ready()
    assert "STARTTLS" not in place.verbs


def test_already_tls_is_told_where_a_server_says_so(trusting: Examiner) -> None:
    refusal = offering("554 5.5.1 Error: TLS already active")
    with serving(refusal) as place:
        examined = trusting(f"127.0.0.1:{place.port}", "--security", "starttls")
    examined.failed("starttls.already_tls", 78)


def test_what_is_offered_before_tls_is_forgotten_after_it(
    trusting: Examiner, healthy: Chain
) -> None:
    with serving(starttls(healthy.server_context(), "AUTH PLAIN", "SIZE 2000000")) as place:
        examined = trusting(f"127.0.0.1:{place.port}", "--security", "starttls")
    examined.is_ready()
    assert examined.report.capabilities.added == ("AUTH",)
    assert examined.report.capabilities.removed == ("STARTTLS",)
    assert examined.report.capabilities.size_limit == 2000000


INJECTED = b"220 2.0.0 Ready\r\n250 injected\r\n"


@pytest.mark.parametrize(
    ("answer", "is_recommended"),
    [("220 2.0.0 Ready", True), ("454 TLS currently unavailable", False), (INJECTED, False)],
    ids=["agrees", "refuses", "injects"],
)
def test_a_neighbour_is_recommended_only_where_tls_begins_cleanly(
    answer: str | bytes,
    is_recommended: bool,
    trusting: Examiner,
    healthy: Chain,
    neighbours: Neighbours,
) -> None:
    def begin(wire: Wire) -> None:
        wire.send(answer if isinstance(answer, bytes) else f"{answer}\r\n".encode())
        wire.upgrade(healthy.server_context())
        wire.hang()

    with serving(smtp()) as place, serving(offering(begin)) as other:
        neighbours(other.port)
        examined = trusting(f"127.0.0.1:{place.port}", "--security", "starttls")
    examined.failed("starttls.not_offered", 69)
    (seen,) = examined.report.alternatives
    assert seen.speaks == "smtp+starttls"
    assert (examined.report.recommended is not None) is is_recommended
