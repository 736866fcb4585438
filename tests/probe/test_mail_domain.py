"""From a mail domain to where its people submit their mail."""

from __future__ import annotations

import sys

import pytest

from nexomailer_cli.config.presets import find_preset
from nexomailer_cli.errors import TransportError, UsageError
from nexomailer_cli.probe import dns_records
from nexomailer_cli.probe.mail_domain import Submission, submission_of
from tests.support.dns_server import Zone, name_server

TLS, STARTTLS = "_submissions._tcp.example.com SRV", "_submission._tcp.example.com SRV"


def found(zone: Zone, domain: str = "example.com") -> Submission:
    with name_server(zone) as resolver:
        return submission_of(domain, resolver)


def test_a_known_service_needs_no_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    preset = find_preset("gmail")
    assert preset is not None
    found = submission_of("googlemail.com")
    assert (found.host, found.port, found.is_implicit) == (preset.host, preset.port, True)
    assert found.origin == "preset:gmail"


def test_what_the_domain_announces_is_used() -> None:
    submission = found({STARTTLS: ("0 1 587 mail.example.com.",)})
    assert submission == Submission("mail.example.com", 587, False, "srv")


def test_tls_from_the_first_byte_is_preferred() -> None:
    zone: Zone = {STARTTLS: ("0 1 587 a.example.com.",), TLS: ("9 1 465 b.example.com.",)}
    assert found(zone) == Submission("b.example.com", 465, True, "srv")


def test_priority_comes_before_weight() -> None:
    records = ("1 9 465 c.example.com.", "0 1 465 b.example.com.", "0 5 4650 a.example.com.")
    assert found({TLS: records}).port == 4650


def test_a_lone_dot_says_that_there_is_no_such_service() -> None:
    zone: Zone = {TLS: ("0 0 0 .",), STARTTLS: ("0 1 587 mail.example.com.",)}
    assert found(zone).port == 587


def test_where_nothing_is_announced_the_hint_says_what_else_there_is() -> None:
    with pytest.raises(UsageError, match=r"the people of example\.com") as caught:
        found({"example.com A": ("192.0.2.1",)})
    assert "--mx" in caught.value.hint
    assert "smtp.example.com:587" in caught.value.hint


def test_a_resolver_out_of_order_is_not_taken_for_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dns_records, "SECONDS", 0.2)
    with pytest.raises(TransportError) as caught:
        found({TLS: "servfail"})
    assert caught.value.reason == "EAI_AGAIN"


@pytest.mark.parametrize(
    ("host", "origin", "belongs"),
    [
        ("example.com", "srv", True),
        ("mail.example.com", "srv", True),
        ("mail.example.net", "srv", False),
        ("evilexample.com", "srv", False),
        ("smtp.gmail.com", "preset:gmail", True),
    ],
)
def test_only_the_domain_itself_may_be_given_a_password(
    host: str, origin: str, belongs: bool
) -> None:
    assert Submission(host, 465, True, origin).belongs_to("example.com") is belongs
