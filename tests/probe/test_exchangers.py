"""Where the mail of a domain is taken, according to a name server that says so."""

from __future__ import annotations

import pytest

from nexomailer_cli.errors import TransportError
from nexomailer_cli.probe import dns_records
from nexomailer_cli.probe.exchangers import MOST, exchangers
from nexomailer_cli.smtp.outcome import Phase
from tests.support.dns_server import Zone, name_server


def found(zone: Zone, domain: str = "example.com") -> tuple[str, ...]:
    with name_server(zone) as resolver:
        return exchangers(domain, resolver)


def refusal(zone: Zone) -> TransportError:
    with pytest.raises(TransportError) as caught:
        found(zone)
    assert caught.value.phase == Phase.CONNECT
    assert "example.com" in str(caught.value)
    return caught.value


def test_the_preferred_exchanger_comes_first() -> None:
    records = ("20 b.example.net.", "10 A.example.net.", "20 a.example.org.")
    assert found({"example.com MX": records}) == (
        "a.example.net",
        "a.example.org",
        "b.example.net",
    )


def test_an_exchanger_with_two_preferences_is_asked_once() -> None:
    records = ("10 a.example.net.", "20 b.example.net.", "30 a.example.net.")
    assert found({"example.com MX": records}) == ("a.example.net", "b.example.net")


def test_a_domain_without_exchangers_takes_its_mail_itself() -> None:
    assert found({"example.com A": ("192.0.2.1",)}) == ("example.com",)


def test_a_domain_may_declare_that_it_takes_no_mail() -> None:
    error = refusal({"example.com MX": ("0 .",)})
    assert error.reason == "null-mx"


def test_no_mail_means_nothing_beside_an_exchanger() -> None:
    assert found({"example.com MX": ("0 .", "10 a.example.net.")}) == ("a.example.net",)


def test_nobody_makes_us_knock_at_a_hundred_doors() -> None:
    records = tuple(f"{n} mx{n}.example.net." for n in range(100))
    assert len(found({"example.com MX": records})) == MOST


def test_a_domain_that_does_not_exist() -> None:
    assert refusal({"example.org MX": ("0 .",)}).reason == "EAI_NONAME"


@pytest.mark.parametrize("failure", ["servfail", "refused", "nothing"])
def test_a_resolver_out_of_order_is_temporary(
    failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_records, "SECONDS", 0.2)
    assert refusal({"example.com MX": failure}).reason == "EAI_AGAIN"  # type: ignore[dict-item]


def test_what_dns_says_is_harmless_to_show() -> None:
    (host,) = found({"example.com MX": (r"10 a\027[31m.example.net.",)})
    assert host.isprintable()
