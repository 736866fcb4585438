"""Which hosts a certificate is for, so far as we explain it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from nexomailer_cli.probe.certificate import examined
from nexomailer_cli.probe.certificate_name import is_address, is_for
from nexomailer_cli.probe.stage_data import Certificate
from tests.support import certificates
from tests.support.shaking import shake_hands


@pytest.mark.parametrize(
    ("name", "host", "expected"),
    [
        ("mail.example.org", "mail.example.org", True),
        ("mail.example.org", "MAIL.Example.ORG.", True),
        ("mail.example.org", "example.org", False),
        ("*.example.org", "mail.example.org", True),
        ("*.example.org", "xn--bcher-kva.example.org", True),
        ("*.example.org", "a.b.example.org", False),
        ("*.example.org", "example.org", False),
        ("*.example.org", ".example.org", False),
        ("*.org", "example.org", False),
        ("m*.example.org", "mail.example.org", False),
        ("mail.*.org", "mail.example.org", False),
        ("*", "localhost", False),
        ("xn--bcher-kva.example", "bücher.example", True),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", True),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("mail.example.org", "ü" * 300, False),
        ("192.0.2.7", "192.0.2.7", False),  # a DNS name is no address
        ("", "", True),
    ],
)
def test_names_are_compared_label_by_label(name: str, host: str, expected: bool) -> None:
    assert is_for(of(dns_names=(name,)), host) is expected


@pytest.mark.parametrize("host", ["2001:db8::1", "[2001:DB8:0::1]", "2001:db8::1%eth0"])
def test_addresses_are_compared_by_value(host: str) -> None:
    assert is_address(host)
    assert is_for(of(ip_addresses=("2001:db8::1",)), host)
    assert not is_for(of(ip_addresses=("2001:db8::2",)), host)


def test_the_common_name_counts_only_where_there_are_no_dns_names() -> None:
    assert is_for(of(common_name="mail.example.org"), "mail.example.org")
    assert not is_for(of(common_name="127.0.0.1"), "127.0.0.1")
    both = of(common_name="mail.example.org", dns_names=("smtp.example.org",))
    assert not is_for(both, "mail.example.org")
    assert not is_for(of(common_name=""), "mail.example.org")


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("mail.example.org", "mail.example.org"),
        ("mail.example.org", "www.example.org"),
        ("*.example.org", "mail.example.org"),
        ("*.example.org", "a.b.example.org"),
        ("*.example.org", "example.org"),
        ("m*.example.org", "mail.example.org"),
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.8"),
        ("2001:db8::1", "2001:db8:0:0::1"),
        ("*.org", "example.org"),
    ],
)
def test_openssl_is_of_the_same_opinion(name: str, host: str, tmp_path: Path) -> None:
    chain = certificates.healthy(tmp_path, name)
    (leaf, _) = examined(chain.der, datetime.now(UTC))
    seen = shake_hands(chain.server_context(), chain.client_context(), host)
    assert seen.code in (0, 62, 64)
    assert is_for(leaf, host) is (seen.code == 0)


def of(
    *,
    common_name: str | None = None,
    dns_names: tuple[str, ...] = (),
    ip_addresses: tuple[str, ...] = (),
) -> Certificate:
    return Certificate(
        position=0,
        subject={} if common_name is None else {"CN": common_name},
        issuer={},
        dns_names=dns_names,
        ip_addresses=ip_addresses,
        not_before="2026-01-01T00:00:00Z",
        not_after="2027-01-01T00:00:00Z",
        days_left=100,
        self_issued=False,
        serial="01",
        sha256="00",
    )
