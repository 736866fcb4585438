"""Certificates that are not to be trusted, each for one reason, and no password for any of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support import certificates
from tests.support.certificates import Chain
from tests.support.lab.examining import SECRET, Examined, Examiner
from tests.support.lab.names import names
from tests.support.lab.place import serving
from tests.support.lab.smtp import implicit, smtp, starttls
from tests.support.providers import configure, provider

# OpenSSL's code, and the finding.
FAULTY: dict[str, tuple[int | None, str]] = {
    "expired": (10, "cert.expired"),
    "intermediate_expired": (10, "cert.intermediate_expired"),
    "not_yet_valid": (9, "cert.not_yet_valid"),
    "wrong_name": (62, "cert.hostname_mismatch"),
    "self_signed": (18, "cert.self_signed"),
    "root_sent": (19, "cert.untrusted_root_sent"),
    "missing_intermediate": (20, "cert.missing_intermediate"),
    "unknown_authority": (20, "cert.unknown_issuer"),
    "intercepted": (20, "cert.intercepted"),
    "weak_key": (66, "cert.weak_key"),
    "weak_signature": (None, "cert.weak_signature"),
    "for_clients": (26, "cert.wrong_purpose"),
}
# What Python asks for from 3.13 on; before, nothing is wrong.
STRICT: dict[str, tuple[int, str]] = {
    "without_key_identifiers": (85, "cert.strict_aki"),
    "constraints_not_critical": (89, "cert.strict_basic_constraints"),
    "without_key_usage": (92, "cert.strict_key_usage"),
    "root_not_strict": (89, "cert.strict_basic_constraints"),
}
WARNED = {"common_name_only": "cert.cn_only", "expires_soon": "cert.expires_soon"}


def made(name: str, folder: Path, host: str = "localhost") -> Chain:
    return getattr(certificates, name)(folder, host)  # type: ignore[no-any-return]


def look_at(chain: Chain, examine: Examiner, *arguments: str) -> Examined:
    """Examine a server with that chain, and see that it gets no password for it."""
    with serving(starttls(chain.server_context(), "AUTH PLAIN")) as place:
        family = () if chain.host == "127.0.0.1" else ("-4",)
        examined = examine.signing_in(
            f"{chain.host}:{place.port}",
            *("--security", "starttls", "--ca-file", str(chain.authority)),
            *(*family, *arguments),
        )
    trusted = examined.report.ready.trusted is True
    assert ("AUTH" in place.verbs) is trusted
    return examined


@pytest.mark.parametrize("name", FAULTY)
def test_it_is_known_what_is_wrong_with_a_certificate(
    name: str, examine: Examiner, tmp_path: Path
) -> None:
    code, finding = FAULTY[name]
    examined = look_at(made(name, tmp_path), examine)
    examined.failed(finding, 76)
    data = examined.stage("certificate").data
    assert data.verified is False
    assert len(data.chain) > 0
    assert code in (None, data.verify_code)


@pytest.mark.parametrize("name", STRICT)
@pytest.mark.parametrize("python", [(3, 12), (3, 13)], ids=["3.12", "3.13"])
def test_what_only_newer_pythons_refuse_is_told_apart(
    python: tuple[int, int],
    name: str,
    examine: Examiner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nexomailer_cli.transport.tls.sys", SimpleNamespace(version_info=python))
    code, finding = STRICT[name]
    examined = look_at(made(name, tmp_path), examine)
    if python < (3, 13):
        assert examined.report.exit_code == 0, examined.ids
        return
    examined.failed(finding, 76)
    assert examined.stage("certificate").data.verify_code == code
    assert examined.stage("certificate").data.trusted_otherwise is True


@pytest.mark.parametrize("name", WARNED)
def test_a_certificate_that_is_good_for_now_is_worth_a_warning(
    name: str, examine: Examiner, tmp_path: Path
) -> None:
    look_at(made(name, tmp_path), examine).warned(WARNED[name])


def test_the_name_matters_even_where_all_else_is_right(examine: Examiner, tmp_path: Path) -> None:
    examined = look_at(made("wrong_name", tmp_path), examine)
    found = examined.failed("cert.hostname_mismatch", 76)
    assert examined.stage("certificate").data.trusted_otherwise is True
    assert "hoster.example" not in found.fix + found.heading


def test_all_that_is_wrong_is_told_at_once(examine: Examiner, tmp_path: Path) -> None:
    # OpenSSL complains of the name alone, and of being self-signed alone.
    examined = look_at(made("expired_and_wrong_name", tmp_path), examine)
    assert {"cert.expired", "cert.hostname_mismatch"} <= {
        each.id for each in examined.report.findings
    }
    examined = look_at(made("self_signed_with_weak_key", tmp_path), examine)
    assert {"cert.weak_key", "cert.self_signed"} <= {each.id for each in examined.report.findings}
    examined = look_at(made("self_signed_expired_and_wrong_name", tmp_path), examine)
    assert {"cert.expired", "cert.hostname_mismatch", "cert.self_signed"} <= {
        each.id for each in examined.report.findings
    }


def test_an_address_is_not_in_the_certificate(examine: Examiner, tmp_path: Path) -> None:
    examined = look_at(made("names_no_address", tmp_path, "127.0.0.1"), examine)
    examined.failed("cert.ip_mismatch", 76)


def test_a_dot_at_the_end_of_the_name_does_no_harm(
    examine: Examiner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {"mail.lab.test.": ["127.0.0.1"]})
    chain = made("healthy", tmp_path, "mail.lab.test")
    with serving(starttls(chain.server_context())) as place:
        examined = examine(
            f"mail.lab.test.:{place.port}",
            *("--security", "starttls", "--ca-file", str(chain.authority)),
        )
    examined.is_ready()
    assert examined.stage("tls").data.sni == "mail.lab.test"


def test_no_authority_is_known_to_this_machine(
    examine: Examiner, tmp_path: Path, healthy: Chain
) -> None:
    nothing = str(tmp_path / "nothing")
    examine = Examiner(tmp_path, env={"SSL_CERT_FILE": nothing, "SSL_CERT_DIR": nothing})
    with serving(implicit(healthy.server_context(), smtp())) as place:
        examined = examine(f"127.0.0.1:{place.port}", "--security", "implicit")
    examined.failed("cert.no_trust_store", 76)


def test_verification_that_is_switched_off_costs_the_password(
    examine: Examiner, tmp_path: Path
) -> None:
    with serving(starttls(made("expired", tmp_path).server_context(), "AUTH PLAIN")) as place:
        configure(tmp_path, provider("main", place.port, auth={"user": "tim", "pass": SECRET}))
        examined = examine("main", "--insecure")
    assert "AUTH" not in place.verbs
    assert {"cert.not_verified", "cert.expired"} <= {each.id for each in examined.report.findings}
    assert examined.report.ready.trusted is not True
