"""Sign-in that is refused, in the words of real servers; and one attempt only, whatever they say.

The words are those of `evidence.txt`, where they lead to a finding as values; here they come
over a connection. Those with a condition that no loopback can meet stay there alone.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nexomailer_cli.probe.diagnosis import Evidence, diagnose
from nexomailer_cli.probe.examine import SLOW_MS
from nexomailer_cli.probe.stage import Status
from nexomailer_cli.smtp.reply import parse_reply
from tests.support import certificates
from tests.support.certificates import Chain
from tests.support.lab.examining import HASTY, PATIENT, SECRET, USER, Examined, Examiner
from tests.support.lab.names import names
from tests.support.lab.place import Place, serving
from tests.support.lab.smtp import Answer, Late, close, hang, reset, smtp, starttls, upgrading
from tests.support.providers import configure, provider

# The resolver of a test leads it to this machine, where it does not belong.
AWAY = "mail.lab.example"
EVIDENCE = Path(__file__).with_name("evidence.txt")


class Refusal(NamedTuple):
    """What a server says to a command, and the finding that it leads to.

    `host` is where the line says whose server it is.
    """

    finding: str
    words: str
    host: str

    def exit_status(self, phase: str) -> int:
        """Return what the table says; the finding is in `evidence.txt`."""
        reply = parse_reply(int(self.words[:3]), (self.words[4:],))
        seen = Evidence(phase, "", reply.code, reply.enhanced, reply.text, self.host)
        return diagnose(seen).exit_status


_LINE = re.compile(r"(?P<id>\S+) +(?P<phase>\w+)(?: @(?P<host>\S+):\d+)? (?P<words>[245]\d\d .+)")


def refusals(phase: str) -> list[Any]:
    """Return the replies of `evidence.txt` that end a phase."""
    lines = EVIDENCE.read_text("utf-8").splitlines()
    found = [line for line in map(_LINE.fullmatch, lines) if line and line["phase"] == phase]
    return [
        pytest.param(
            Refusal(line["id"], line["words"], line["host"] or ""), id=f"{line['id']}-{number}"
        )
        for number, line in enumerate(found)
    ]


# As MAIL has it, which `evidence.txt` has from the end of the content.
THROTTLED = (
    Refusal("mail.bounce_throttle", "550 5.2.251 Sender throttled due to continuous errors", ""),
    Refusal(
        "mail.bounce_throttle",
        "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
        "",
    ),
)


def told(place: Place) -> list[str]:
    """Return the AUTH commands that a server was given."""
    return [line for line in place.heard if line.upper().startswith("AUTH")]


@pytest.mark.parametrize("refusal", refusals("auth"))
def test_it_is_known_why_a_sign_in_was_refused(
    refusal: Refusal, examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = refusal.host or AWAY
    names(monkeypatch, {host: ["127.0.0.1"]})
    chain = certificates.healthy(examine.folder, host)
    handler = starttls(chain.server_context(), "AUTH PLAIN LOGIN CRAM-MD5", AUTH=refusal.words)
    with serving(handler) as place:
        examined = examine.signing_in(
            f"{host}:{place.port}",
            *("--security", "starttls", "--ca-file", str(chain.authority)),
        )
    examined.failed(refusal.finding, refusal.exit_status("auth"))
    assert len(told(place)) == 1
    assert examined.report.auth.result == "refused"
    assert examined.report.ready.authenticated is False


@pytest.mark.parametrize("refusal", [*refusals("mail"), *THROTTLED])
def test_it_is_known_why_a_sender_was_refused(refusal: Refusal, examine: Examiner) -> None:
    _envelope(examine, "mail", refusal, MAIL=refusal.words)


@pytest.mark.parametrize("refusal", refusals("rcpt"))
def test_it_is_known_why_a_recipient_was_refused(refusal: Refusal, examine: Examiner) -> None:
    _envelope(examine, "rcpt", refusal, RCPT=refusal.words)


def _envelope(examine: Examiner, phase: str, refusal: Refusal, **answers: Answer) -> None:
    with serving(smtp("8BITMIME", "SIZE 9999999", **answers)) as place:
        examined = examine(
            f"127.0.0.1:{place.port}",
            *("--security", "none", "--from", "a@example.com", "--rcpt", "b@example.net"),
        )
    examined.failed(refusal.finding, refusal.exit_status(phase))
    assert not {"DATA", "BDAT"} & set(place.verbs)


@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
@pytest.mark.parametrize("end", [close, reset], ids=["closed", "reset"])
def test_the_envelope_breaks_off(end: Answer, command: str, examine: Examiner) -> None:
    with serving(smtp(**{command: end})) as place:
        examined = examine(
            f"127.0.0.1:{place.port}",
            *("--security", "none", "--from", "a@example.com", "--rcpt", "b@example.net"),
        )
    examined.failed("conn.lost", 75)


def sign_in(examine: Examiner, *keywords: str, **answers: Answer) -> tuple[Examined, Place]:
    """Sign in on loopback in clear, where a password may be sent."""
    with serving(smtp(*keywords, **answers)) as place:
        examined = examine.signing_in(f"127.0.0.1:{place.port}", "--security", "none")
    return examined, place


def test_a_reply_of_several_lines_is_read_as_one(examine: Examiner) -> None:
    google = (
        "535-5.7.8 Username and Password not accepted. For more information, go to\n"
        "535 5.7.8  https://support.google.com/mail/?p=BadCredentials a1-2.3 - gsmtp"
    )
    examined, place = sign_in(examine, "AUTH LOGIN PLAIN", AUTH=google)
    examined.failed("auth.google_bad_credentials", 77)
    assert len(told(place)) == 1


def test_a_refusal_in_the_middle_of_login_is_a_refusal(examine: Examiner) -> None:
    challenges = ("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "535 5.7.8 Error: authentication failed")
    examined, place = sign_in(examine, "AUTH LOGIN", AUTH=challenges)
    examined.failed("auth.bad_credentials", 77)
    assert len(told(place)) == 1


@pytest.mark.parametrize(
    ("end", "finding", "timeout"),
    [(close, "auth.closed", PATIENT), (hang, "conn.timeout", HASTY)],
    ids=["closed", "silence"],
)
def test_the_sign_in_breaks_off(end: Answer, finding: str, timeout: str, examine: Examiner) -> None:
    with serving(smtp("AUTH PLAIN", AUTH=end)) as place:
        examined = examine.signing_in(
            f"127.0.0.1:{place.port}", "--security", "none", timeout=timeout
        )
    examined.failed(finding, 75)
    assert len(told(place)) == 1
    assert examined.report.auth.result == "failed"


def test_a_sign_in_that_takes_long_is_worth_a_warning(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SLOW_MS, "auth", 50)
    with serving(smtp("AUTH PLAIN", AUTH=Late("235 2.7.0 welcome", 0.1))) as place:
        examined = examine.signing_in(f"127.0.0.1:{place.port}", "--security", "none")
    examined.warned("conn.slow")


def test_no_sign_in_is_offered(examine: Examiner) -> None:
    examined, place = sign_in(examine, "SIZE 1000000")
    examined.failed("auth.not_offered", 78)
    assert not told(place)


def test_no_way_of_signing_in_fits_a_password(examine: Examiner) -> None:
    examined, place = sign_in(examine, "AUTH XOAUTH2 GSSAPI NTLM")
    examined.failed("auth.no_common_mechanism", 78)
    assert not told(place)


def test_sign_in_is_offered_after_tls_only(examine: Examiner, healthy: Chain) -> None:
    with serving(starttls(healthy.server_context(), "AUTH PLAIN")) as place:
        examined = examine.signing_in(f"127.0.0.1:{place.port}", "--security", "none")
    examined.failed("auth.only_after_tls", 78)
    assert not told(place)


def test_a_server_that_invites_passwords_in_clear_is_worth_a_warning(
    trusting: Examiner, healthy: Chain
) -> None:
    handler = smtp(
        "STARTTLS",
        "AUTH PLAIN LOGIN",
        STARTTLS=upgrading(healthy.server_context(), "AUTH PLAIN LOGIN"),
    )
    with serving(handler) as place:
        examined = trusting.signing_in(f"127.0.0.1:{place.port}", "--security", "starttls")
    examined.warned("auth.before_tls")
    assert examined.report.auth.result == "accepted"
    assert place.verbs.index("AUTH") > place.verbs.index("STARTTLS")


def test_a_password_with_a_space_around_it_is_worth_a_warning(examine: Examiner) -> None:
    with serving(smtp("AUTH PLAIN")) as place:
        clumsy = Examiner(examine.folder, env={"CLUMSY": f"{SECRET} "})
        examined = clumsy(
            f"127.0.0.1:{place.port}",
            *("--security", "none", "--user", USER, "--password-env", "CLUMSY"),
        )
    assert "auth.secret_lint" in [each.id for each in examined.report.findings], examined.ids
    assert examined.report.exit_code == 0


def test_a_password_in_a_url_is_worth_a_warning_and_not_repeated(
    trusting: Examiner, healthy: Chain
) -> None:
    with serving(starttls(healthy.server_context(), "AUTH PLAIN")) as place:
        url = f"smtp://tim:{SECRET}@127.0.0.1:{place.port}"
        trusting(url, "--security", "starttls").warned("target.password_in_url")
    assert len(told(place)) == 1


def test_no_password_goes_in_clear_to_another_machine(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {AWAY: ["127.0.0.1"]})
    with serving(smtp("AUTH PLAIN")) as place:
        examined = examine.signing_in(f"{AWAY}:{place.port}", "--security", "none")
    examined.failed("auth.plaintext_refused", 78)
    assert not told(place)


def test_a_password_that_is_not_there_is_told_without_keeping_from_the_rest(
    examine: Examiner, healthy: Chain
) -> None:
    with serving(starttls(healthy.server_context(), "AUTH PLAIN")) as place:
        configure(
            examine.folder,
            provider(
                "main",
                place.port,
                auth={"user": USER, "pass": "${NOWHERE}"},
                tls={"ca_file": str(healthy.authority)},
            ),
        )
        examined = examine("main")
    examined.failed("config.unusable", 78)
    assert examined.report.ready.trusted is True
    assert not told(place)


def test_no_password_goes_to_a_server_that_proves_nothing_whatever_is_agreed_on(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {AWAY: ["127.0.0.1"]})
    chain = certificates.self_signed(examine.folder, AWAY)
    with serving(starttls(chain.server_context(), "AUTH PLAIN")) as place:
        main = provider(
            "main",
            place.port,
            auth={"user": USER, "pass": SECRET},
            tls={"reject_unauthorized": False},
            allow_plaintext_auth=True,
        )
        main["config"]["host"] = AWAY
        configure(examine.folder, main)
        examined = examine("main")
    assert "cert.not_verified" in [each.id for each in examined.report.findings]
    assert examined.stage("auth").status is Status.UNKNOWN
    assert not told(place)


def test_mail_in_clear_is_worth_a_warning(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if the connection left this machine.
    monkeypatch.setattr("nexomailer_cli.probe.wire._is_loopback", lambda _: False)
    with serving(smtp()) as place:
        examined = examine(f"127.0.0.1:{place.port}", "--security", "none")
    examined.warned("conn.unencrypted")
    assert examined.report.ready.encrypted is False


def test_the_error_of_oauth_is_decoded(examine: Examiner, healthy: Chain) -> None:
    error = b'{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}'
    answers = (
        f"334 {base64.b64encode(error).decode()}",
        "535-5.7.8 Username and Password not accepted. For more information, go to\n"
        "535 5.7.8  https://support.google.com/mail/?p=BadCredentials a1-2.3 - gsmtp",
    )
    offer = "AUTH LOGIN PLAIN XOAUTH2"
    with serving(starttls(healthy.server_context(), offer, AUTH=answers)) as place:
        configure(
            examine.folder,
            provider(
                "main",
                place.port,
                auth={"type": "oauth2", "user": USER, "access_token": SECRET},
                tls={"ca_file": str(healthy.authority)},
            ),
        )
        examined = examine("main")
    examined.failed("auth.xoauth2_rejected", 77)
    assert len(told(place)) == 1
    explanation = examined.stage("auth").data.explanation
    assert "400" in explanation
    assert "https://mail.google.com/" in explanation


def test_a_message_that_is_too_large_for_the_server(examine: Examiner) -> None:
    with serving(smtp("SIZE 1000000")) as place:
        target = f"127.0.0.1:{place.port}"
        refused = examine(target, "--security", "none", "--size", "1000001")
        fits = examine(target, "--security", "none", "--size", "1000000")
    refused.failed("message.too_large", 65)
    assert refused.stage("size").data.fits is False
    assert fits.report.exit_code == 0
    assert fits.stage("size").data.fits is True
    assert "DATA" not in place.verbs


def test_nothing_is_sent_when_everything_is_in_order(trusting: Examiner, healthy: Chain) -> None:
    with serving(starttls(healthy.server_context(), "AUTH PLAIN", "8BITMIME")) as place:
        examined = trusting.signing_in(
            f"127.0.0.1:{place.port}",
            *("--security", "starttls", "--from", "a@example.com", "--rcpt", "b@example.net"),
        )
    examined.is_ready()
    assert place.verbs == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "RSET", "QUIT"]
    assert examined.report.ready.envelope is True
