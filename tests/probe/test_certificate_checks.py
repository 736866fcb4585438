"""Every fault of a chain is found beside OpenSSL's one, over real handshakes."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from nexomailer_cli.probe.certificate import built_chain, examined, received_chain
from nexomailer_cli.probe.certificate_checks import Verdict, problems, trusts_somebody, warnings
from nexomailer_cli.probe.certificate_faults import CertificateProblem
from nexomailer_cli.probe.diagnosis import Evidence, diagnose
from tests.support import certificates
from tests.support.certificates import Chain
from tests.support.shaking import Shaken, shake_hands

# What each chain amounts to, OpenSSL's code first. `strict` is on, as in Python 3.13.
EXPECTED: dict[str, tuple[int, tuple[str, ...]]] = {
    "expired": (10, ("X509_10",)),
    "expired_and_wrong_name": (62, ("X509_62", "X509_10")),
    "intermediate_expired": (10, ("cert-intermediate-expired",)),
    "not_yet_valid": (9, ("X509_9",)),
    "expires_soon": (0, ("cert-expires-soon",)),
    "wrong_name": (62, ("X509_62",)),
    "names_no_address": (64, ("X509_64",)),
    "self_signed": (18, ("X509_18",)),
    "self_signed_expired_and_wrong_name": (18, ("X509_18", "X509_62", "X509_10")),
    "unknown_authority": (20, ("X509_20",)),
    "root_sent": (19, ("X509_19",)),
    "missing_intermediate": (20, ("cert-missing-intermediate",)),
    "intercepted": (20, ("X509_20",)),
    "weak_key": (66, ("X509_66",)),
    "self_signed_with_weak_key": (66, ("X509_18", "X509_66")),
    "weak_signature": (68, ("X509_68",)),
    "common_name_only": (0, ("cert-cn-only",)),
    "for_clients": (26, ("X509_26",)),
    "without_key_identifiers": (85, ("X509_85",)),
    "constraints_not_critical": (89, ("X509_89",)),
    "without_key_usage": (92, ("X509_92",)),
    "without_subject_key": (86, ("X509_86",)),
    "root_not_strict": (89, ("X509_89", "X509_92")),
}


def host_of(name: str) -> str:
    return "127.0.0.1" if name == "names_no_address" else "localhost"


def shaken(chain: Chain, host: str = "localhost", *, strict: bool = True) -> Shaken:
    return shake_hands(chain.server_context(), chain.client_context(strict=strict), host)


def verdict(seen: Shaken, host: str = "localhost") -> Verdict:
    return Verdict(host=host, code=seen.code, message=seen.message, built=built_chain(seen.tls))


def found(seen: Shaken, host: str = "localhost") -> tuple[CertificateProblem, ...]:
    return problems(received_chain(seen.tls), verdict(seen, host), datetime.now(UTC))


def reasons(found: tuple[CertificateProblem, ...]) -> tuple[str, ...]:
    return tuple(each.reason for each in found)


def unverified(host: str = "localhost") -> Verdict:
    return Verdict(host=host, code=None)


@pytest.mark.parametrize("name", certificates.FAULTY)
def test_all_that_is_wrong_is_said(name: str, tmp_path: Path) -> None:
    chain, host = certificates.FAULTY[name](tmp_path), host_of(name)
    seen = shaken(chain, host)
    assert received_chain(seen.tls) == chain.der
    assert (seen.code, reasons(found(seen, host))) == EXPECTED[name]


@pytest.mark.parametrize("name", certificates.FAULTY)
def test_the_chain_as_sent_is_enough_to_explain_the_complaint(name: str, tmp_path: Path) -> None:
    chain, host = certificates.FAULTY[name](tmp_path), host_of(name)
    asked = structs.replace(verdict(shaken(chain, host), host), built=())
    seen = reasons(problems(chain.der, asked, datetime.now(UTC)))
    # What is wrong with a root that only we have is not to be seen; OpenSSL's word stays.
    assert seen == (("X509_89",) if name == "root_not_strict" else EXPECTED[name][1])


def test_a_healthy_chain_has_no_problem(tmp_path: Path) -> None:
    seen = shaken(certificates.healthy(tmp_path))
    assert (seen.code, found(seen)) == (0, ())


@pytest.mark.parametrize(
    "name", ["without_key_identifiers", "constraints_not_critical", "without_key_usage"]
)
def test_without_strictness_the_same_chain_passes(name: str, tmp_path: Path) -> None:
    chain = certificates.FAULTY[name](tmp_path)
    assert found(shaken(chain, strict=False)) == ()
    lenient = structs.replace(verdict(shaken(chain)), passes_leniently=True)
    seen = problems(chain.der, lenient, datetime.now(UTC))
    assert [each.detail.endswith("accepted where that is not demanded") for each in seen] == [True]


def test_laxity_is_no_problem_where_nobody_insists(tmp_path: Path) -> None:
    chain = certificates.constraints_not_critical(tmp_path)
    stranger = Verdict(host="localhost", code=20, strict=False)
    assert reasons(problems(chain.der, stranger, datetime.now(UTC))) == ("X509_20",)


def test_a_wrong_name_and_an_expired_certificate_are_both_told(tmp_path: Path) -> None:
    name, date = found(shaken(certificates.expired_and_wrong_name(tmp_path)))
    assert name.detail == "it names elsewhere.example"
    assert date.detail.startswith("0 (O=nexomailer tests, CN=elsewhere.example) was valid until 2")


def test_an_interceptor_is_known_by_its_name(tmp_path: Path) -> None:
    (seen,) = found(shaken(certificates.intercepted(tmp_path)))
    assert seen.detail == "issuer: O=Zscaler Inc., CN=Zscaler Intermediate Root CA"
    assert diagnose(Evidence("tls", seen.reason, text=seen.detail)).id == "cert.intercepted"


def test_a_host_that_is_named_like_an_interceptor_is_none(tmp_path: Path) -> None:
    host = "mail.norton.example"
    (seen,) = found(shaken(certificates.self_signed(tmp_path, host), host), host)
    assert diagnose(Evidence("tls", seen.reason, text=seen.detail)).id == "cert.self_signed"


@pytest.mark.parametrize("name", ["unknown_authority", "missing_intermediate", "root_sent"])
def test_without_authorities_that_alone_is_the_trouble(name: str, tmp_path: Path) -> None:
    chain = certificates.FAULTY[name](tmp_path)
    alone = structs.replace(verdict(shaken(chain)), trusts_somebody=False)
    seen = problems(chain.der, alone, datetime.now(UTC))
    assert reasons(seen) == ("cert-no-trust-store",)


def test_a_self_signed_certificate_remains_one_without_authorities(tmp_path: Path) -> None:
    chain = certificates.self_signed(tmp_path)
    alone = structs.replace(verdict(shaken(chain)), trusts_somebody=False)
    seen = problems(chain.der, alone, datetime.now(UTC))
    assert reasons(seen) == ("cert-no-trust-store", "X509_18")


@pytest.mark.parametrize("code", [7, 23, 24, 51])
def test_what_only_openssl_knows_comes_first(code: int, tmp_path: Path) -> None:
    chain = certificates.expired(tmp_path)
    asked = Verdict(host="localhost", code=code, message="what it \x1b says")
    first, second = problems(chain.der, asked, datetime.now(UTC))
    assert first == CertificateProblem(f"X509_{code}", "what it \\x1b says")
    assert second.reason == "X509_10"


def test_a_certificate_that_nobody_needs_does_no_harm(tmp_path: Path) -> None:
    needed, surplus = certificates.wrong_name(tmp_path), certificates.expired(tmp_path)
    sent = needed.der + surplus.der[:1]
    built = built_chain(shaken(needed).tls)
    asked = Verdict(host="localhost", code=62, built=built)
    assert reasons(problems(sent, asked, datetime.now(UTC))) == ("X509_62",)


def test_openssl_acquits_of_what_it_has_looked_at(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    weak = certificates.weak_key(tmp_path)
    assert reasons(problems(weak.der, Verdict(host="localhost", code=10), now)) == ("X509_10",)
    wrong = certificates.wrong_name(tmp_path)
    assert reasons(problems(wrong.der, Verdict(host="localhost", code=10), now)) == ("X509_10",)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("healthy", ()),
        ("self_signed", ("X509_18",)),
        ("expired_and_wrong_name", ("X509_62", "X509_10")),
        ("unknown_authority", ()),  # nobody knows whether it is trusted
        ("weak_key", ("X509_66",)),
        ("without_key_usage", ()),
    ],
)
def test_where_nothing_is_verified_only_the_obvious_is_said(
    name: str, expected: tuple[str, ...], tmp_path: Path
) -> None:
    factory = certificates.FAULTY.get(name, certificates.healthy)
    assert reasons(problems(factory(tmp_path).der, unverified(), datetime.now(UTC))) == expected


@pytest.mark.parametrize(
    ("hours_left", "expected"),
    [(14 * 24 + 1, ()), (14 * 24 - 1, ("cert-expires-soon",)), (1, ("cert-expires-soon",))],
)
def test_soon_is_within_two_weeks(
    hours_left: int, expected: tuple[str, ...], tmp_path: Path
) -> None:
    expiry = datetime.now(UTC) + timedelta(days=certificates.HEALTHY_DAYS[1])
    chain = examined(certificates.healthy(tmp_path).der, expiry - timedelta(hours=hours_left))
    assert reasons(warnings(chain)) == expected


@pytest.mark.parametrize("name", certificates.FAULTY)
def test_every_problem_has_a_finding_of_its_own(name: str, tmp_path: Path) -> None:
    for each in found(shaken(certificates.FAULTY[name](tmp_path), host_of(name)), host_of(name)):
        if each.reason.startswith("X509"):
            finding = diagnose(Evidence("tls", each.reason, text=each.detail))
            assert finding.id.startswith("cert.") and finding.id != "cert.untrusted"


@pytest.mark.parametrize(
    "host", ["220 mail.example ESMTP", "554 5.7.1 go", "* OK IMAP4rev1", "HTTP/1.1 400", "XXXXXXXA"]
)
def test_the_names_in_a_certificate_choose_no_other_finding(host: str, tmp_path: Path) -> None:
    asked = Verdict(host="localhost", code=18)
    for each in problems(certificates.self_signed(tmp_path, host).der, asked, datetime.now(UTC)):
        alone, quoted = (Evidence("tls", each.reason, text=text) for text in ("", each.detail))
        assert diagnose(alone).id == diagnose(quoted).id


def test_what_cannot_be_read_is_a_problem_unless_openssl_could(tmp_path: Path) -> None:
    good, now = certificates.healthy(tmp_path).der, datetime.now(UTC)
    seen = problems((b"\x30\x03no", good[1]), unverified(), now)
    assert seen == (CertificateProblem("X509_UNREADABLE", "1 of 2 certificates cannot be read"),)
    assert problems((b"",), Verdict(host="localhost", code=0), now) == ()
    wrong = Verdict(host="localhost", code=62)
    assert problems((b"",), wrong, now) == (CertificateProblem("X509_62", ""),)
    complaint = Verdict(host="localhost", code=20, message="unable to get local issuer")
    assert problems((), complaint, now) == (
        CertificateProblem("X509_20", "unable to get local issuer"),
    )
    assert problems((), unverified(), now) == ()


@given(st.lists(st.binary(max_size=300), max_size=3), st.none() | st.integers(0, 100))
def test_any_bytes_can_be_judged(chain: list[bytes], code: int | None) -> None:
    asked = Verdict(host="mail.example.org", code=code, message="words")
    seen = problems(tuple(chain), asked, datetime.now(UTC))
    assert bool(seen) is (bool(code) or (code is None and bool(chain)))


def test_an_empty_store_trusts_nobody(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    assert not trusts_somebody(context)
    assert not trusts_somebody(context, directory=str(tmp_path))
    (tmp_path / "0a1b2c3d.0").touch()
    assert trusts_somebody(context, directory=str(tmp_path))
    chain = certificates.healthy(tmp_path)
    assert trusts_somebody(chain.client_context())
