"""TLS handshakes that fail, each for one reason; and those that only just succeed."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from tests.support.certificates import Chain
from tests.support.lab import handshakes
from tests.support.lab.examining import Examiner, patience
from tests.support.lab.place import Handler, serving
from tests.support.lab.records import TLS_1_0, TLS_1_2, after_hello, alert, server_hello
from tests.support.lab.smtp import close, hang, implicit, raw, smtp, starttls, upgrading

# What an OpenSSL server does is in ALERTS too where it says the same.
HANDSHAKES: dict[str, tuple[Handler, str, int]] = {
    "SMTP in clear": (
        smtp(banner="220 mail.example.org ESMTP Postfix"),
        "tls.plaintext_on_tls_port",
        78,
    ),
    # Who begins TLS speaks before a greeting that waits a while: smtp-server, Exim.
    "spoken to too soon": (
        raw(b"421 mail.example.org You talk too soon\r\n"),
        "tls.plaintext_on_tls_port",
        78,
    ),
    "out of step": (
        raw(b"554 SMTP synchronization error\r\n"),
        "tls.plaintext_on_tls_port",
        78,
    ),
    "busy in clear": (raw(b"421 4.7.0 too many connections\r\n"), "tls.busy_in_plaintext", 75),
    "refused in clear": (raw(b"554 5.7.1 go away\r\n"), "banner.rejected", 69),
    "HTTP": (after_hello(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")), "port.http", 76),
    "IMAP": (raw(b"* OK IMAP4rev1 ready\r\n"), "port.imap", 76),
    "POP3": (raw(b"+OK Dovecot ready.\r\n"), "port.pop3", 76),
    "SSH": (raw(b"SSH-2.0-OpenSSH_9.2p1\r\n"), "port.ssh", 76),
    "no RFC 5746": (server_hello(TLS_1_2), "tls.legacy_renegotiation", 76),
    "TLS 1.0 chosen": (server_hello(TLS_1_0), "tls.too_old", 76),
    "closed": (after_hello(close), "tls.closed_without_alert", 75),
    "silence": (hang, "tls.handshake_timeout", 75),
}
ALERTS = {
    40: "tls.handshake_failure",
    42: "tls.server_rejected_client",
    43: "tls.server_rejected_client",
    44: "tls.server_rejected_client",
    45: "tls.server_rejected_client",
    46: "tls.server_rejected_client",
    48: "tls.server_rejected_client",
    49: "tls.server_rejected_client",
    50: "tls.failed",
    70: "tls.too_old",
    71: "tls.handshake_failure",
    80: "tls.server_internal_error",
    112: "tls.sni_unrecognised",
    116: "tls.client_cert_required",
}


@pytest.mark.parametrize("name", HANDSHAKES)
def test_it_is_known_why_the_handshake_failed(name: str, trusting: Examiner) -> None:
    handler, finding, exit_status = HANDSHAKES[name]
    with serving(handler) as place:
        examined = trusting.signing_in(
            f"127.0.0.1:{place.port}", "--security", "implicit", timeout=patience(name)
        )
    examined.failed(finding, exit_status)
    assert "AUTH" not in place.verbs


@pytest.mark.parametrize(("number", "finding"), ALERTS.items())
def test_an_alert_is_read_off_the_wire(number: int, finding: str, examine: Examiner) -> None:
    with serving(alert(number)) as place:
        # An address would be another fault with alert 112.
        examined = examine(f"localhost:{place.port}", "-4", "--security", "implicit")
    examined.failed(finding, 76)
    assert examined.stage("tls").data.alert == number


@pytest.mark.parametrize("mode", ["implicit", "starttls"])
def test_tls_1_1_is_too_old(mode: str, trusting: Examiner, healthy: Chain) -> None:
    context = handshakes.retired(healthy.server_context())
    handler = implicit(context, smtp()) if mode == "implicit" else starttls(context)
    with serving(handler) as place:
        trusting(f"127.0.0.1:{place.port}", "--security", mode).failed("tls.too_old", 76)


def test_no_cipher_in_common(trusting: Examiner, healthy: Chain) -> None:
    with serving(starttls(handshakes.odd_cipher(healthy.server_context()))) as place:
        examined = trusting(f"127.0.0.1:{place.port}", "--security", "starttls")
    examined.failed("tls.handshake_failure", 76)


def test_diffie_hellman_with_1024_bits(examine: Examiner, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    leaf.configure_cert(context)
    with serving(implicit(handshakes.weak_dh(context, tmp_path), smtp())) as place:
        examined = examine(
            f"127.0.0.1:{place.port}",
            *("--security", "implicit", "--ca-file", str(tmp_path / "ca.pem")),
        )
    examined.failed("tls.weak_dh", 76)


def test_a_server_that_does_not_know_the_name(trusting: Examiner, healthy: Chain) -> None:
    context = handshakes.knows_no_name(healthy.server_context())
    with serving(implicit(context, smtp())) as place:
        trusting(f"localhost:{place.port}", "-4", "--security", "implicit").failed(
            "tls.sni_unrecognised", 76
        )


def test_an_address_cannot_say_which_certificate_is_meant(trusting: Examiner) -> None:
    with serving(alert(112)) as place:
        examined = trusting(f"127.0.0.1:{place.port}", "--security", "implicit")
    examined.failed("target.ip_no_sni", 78)


@pytest.mark.parametrize("mode", ["implicit", "starttls"])
def test_a_client_certificate_is_missed_after_the_handshake(
    mode: str, trusting: Examiner, healthy: Chain
) -> None:
    # With TLS 1.3 the handshake succeeds, and the alert is the answer to the next read.
    context = handshakes.mutual(healthy.server_context(), healthy.authority)
    handler = implicit(context, smtp()) if mode == "implicit" else starttls(context)
    with serving(handler) as place:
        examined = trusting.signing_in(f"127.0.0.1:{place.port}", "--security", mode)
    examined.failed("tls.client_cert_required", 76)
    assert "AUTH" not in place.verbs


def test_a_client_certificate_is_missed_in_tls_1_2(trusting: Examiner, healthy: Chain) -> None:
    context = handshakes.old(healthy.server_context(), "ECDHE-ECDSA-AES256-GCM-SHA384")
    handshakes.mutual(context, healthy.authority)
    with serving(implicit(context, smtp())) as place:
        examined = trusting(f"127.0.0.1:{place.port}", "--security", "implicit")
    assert examined.worst.id in ("tls.handshake_failure", "tls.client_cert_required")
    assert "providers.config.tls.cert_file" in examined.worst.meaning + examined.worst.fix


@pytest.mark.parametrize("first", ["220 peer.test ESMTP", "421 peer.test You talk too soon"])
def test_the_port_that_speaks_plain_text_is_tried_with_starttls(
    trusting: Examiner, healthy: Chain, first: str
) -> None:
    hasty = after_hello(raw(f"{first}\r\n".encode()))
    with serving(hasty, starttls(healthy.server_context(), "AUTH PLAIN")) as place:
        examined = trusting(f"127.0.0.1:{place.port}", "--security", "implicit")
    examined.failed("tls.plaintext_on_tls_port", 78)
    assert examined.stage("tls").data.first_bytes.startswith(first)
    assert examined.report.recommended is not None
    assert (examined.report.recommended.port, examined.report.recommended.security) == (
        place.port,
        "starttls",
    )


def test_a_second_round_for_another_group_is_seen(trusting: Examiner, healthy: Chain) -> None:
    with serving(starttls(handshakes.other_group(healthy.server_context()))) as place:
        examined = trusting(f"127.0.0.1:{place.port}", "--security", "starttls")
    examined.is_ready()
    tls = examined.stage("tls").data
    assert (tls.version, tls.group, tls.hello_retry) == ("TLSv1.3", "P-384", True)


def test_a_cipher_in_cbc_mode_is_worth_a_warning(trusting: Examiner, healthy: Chain) -> None:
    with serving(starttls(handshakes.cbc(healthy.server_context()))) as place:
        examined = trusting(f"127.0.0.1:{place.port}", "--security", "starttls")
    examined.warned("tls.weak")


def test_tls_that_breaks_off_after_the_handshake_is_a_lost_connection(
    trusting: Examiner, healthy: Chain
) -> None:
    handler = smtp("STARTTLS", STARTTLS=upgrading(healthy.server_context(), EHLO=close))
    with serving(handler) as place:
        examined = trusting(f"127.0.0.1:{place.port}", "--security", "starttls")
    examined.failed("ehlo.closed", 75)
