"""What other programs print is understood, and what a client said is not repeated."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexomailer_cli.probe import wordings
from nexomailer_cli.probe.diagnosis import Evidence, diagnose
from nexomailer_cli.probe.reading import clues
from nexomailer_cli.probe.recognition import concealed, recognise
from nexomailer_cli.smtp.outcome import Phase
from tests.probe.test_diagnosis import CASES, HARMFUL

SECRET = "AGJvYgBodW50ZXIyLWlzLWxvbmc="
TABLE = tomllib.loads(Path(wordings.__file__).with_name("wordings.toml").read_text("utf-8"))
PRINTED = [
    line.split(maxsplit=1)
    for line in Path(__file__).with_name("printed.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


def ids(text: str, **known: str) -> list[str]:
    return [each.finding.id for each in recognise(text, **known)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("expected", "text"), PRINTED)
def test_what_programs_print_is_understood(expected: str, text: str) -> None:
    assert ids(text.replace("⏎", "\n")) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        *("", "\n\n", "hello", "250 2.0.0 Ok: queued as 4F2A", "220 mail.example.com ESMTP"),
        *("took 452 ms", "delay=452 ms", "port 587", "HTTP/1.1 404 Not Found", "354 go ahead"),
        *("C: AUTH PLAIN ***", "334 VXNlcm5hbWU6", "Mail from: Bob", "5 messages sent: 450 s"),
    ],
)
def test_where_nothing_failed_nothing_is_found(text: str) -> None:
    assert ids(text) == []


def test_the_phase_comes_from_the_command_that_was_answered() -> None:
    transcript = """\
   0.022 S: 220 mail.example.com ESMTP
   0.022 C: EHLO b.test
   0.024 S: 250-mail.example.com
   0.024 S: 250 PIPELINING
   0.034 C: MAIL FROM:<a@b.test> SIZE=246
   0.034 C: RCPT TO:<c@d.test>
   0.034 C: RCPT TO:<e@d.test>
   0.034 C: DATA
   0.035 S: 250 2.1.0 Ok
   0.035 S: 550 5.0.0 no
   0.035 S: 250 2.1.5 Ok
   0.035 S: 354 go
   0.036 S: 554 5.0.0 not like this
   0.041 C: QUIT
"""
    assert ids(transcript) == ["rcpt.refused", "message.refused"]


def test_a_reply_to_sign_in_may_take_several_steps() -> None:
    transcript = f"""\
 -> EHLO b.test
<-  250 AUTH LOGIN
 -> AUTH LOGIN
<-  334 VXNlcm5hbWU6
 -> Ym9i
<-  334 UGFzc3dvcmQ6
 -> {SECRET}
<** 550 5.7.1 no
"""
    (found,) = recognise(transcript)
    assert found.finding.id == "auth.refused"
    assert found.input == "550 5.7.1 no"


def test_a_connection_lost_belongs_to_the_command_without_an_answer() -> None:
    lost = "C: EHLO b.test\nS: 250 ok\nC: AUTH PLAIN x\nConnection unexpectedly closed"
    assert ids(lost) == ["auth.closed"]
    content = "C: DATA\nS: 354 go\nConnection timed out"
    assert ids(content) == ["conn.lost_after_content"]


def test_our_own_quotation_marks_are_not_part_of_a_reply() -> None:
    (found,) = recognise("550 5.1.1 no\n  Why: It said “550 5.1.1 no”.")
    assert found.input == "550 5.1.1 no"


def test_the_same_line_counts_once_and_different_ones_each() -> None:
    log = "550 5.1.1 <a@b.test> no\n550 5.1.1 <a@b.test> no\n550 5.1.1 <c@b.test> no"
    assert ids(log) == ["rcpt.unknown_user", "rcpt.unknown_user"]


def test_what_is_known_beside_the_text_counts() -> None:
    assert ids("550 5.7.1 no") == ["reply.refused"]
    assert ids("550 5.7.1 no", phase="auth") == ["auth.refused"]
    assert ids("535 no", host="smtp.gmail.com") == ["auth.google_bad_credentials"]


# Of a bare reply nobody can say more than these do, unless they know what it answered.
UNPLACED = {"reply.refused", "reply.temporary", "proto.out_of_step", "conn.closing"}
MISTAKEN = {
    ("banner.rejected", "rcpt.ip_reputation"),  # the same cause, and the same cure
    ("ehlo.localhost_refused", "rcpt.greylisted"),  # 450 4.7.1, which is mostly that
}


@pytest.mark.parametrize(
    ("expected", "text", "host"),
    [
        (expected, " ".join(filter(None, (str(seen.code), seen.enhanced, seen.text))), seen.host)
        for expected, seen in CASES
        if seen.code and seen.code >= 400 and not seen.reason
    ],
)
def test_without_its_phase_a_reply_means_the_same_or_nothing_certain(
    expected: str, text: str, host: str
) -> None:
    (found,) = ids(text, host=host)
    assert found in UNPLACED | {expected} or (expected, found) in MISTAKEN


@pytest.mark.parametrize(
    "text",
    [
        f"C: AUTH PLAIN {SECRET}\nS: 535 5.7.8 no",
        f"smtp: AUTH PLAIN {SECRET} -> 535 5.7.8 no",
        f"535 5.7.8 you said {SECRET}",
        f"535 5.7.8 AUTH PLAIN {SECRET}",
        f"connect to smtp://bob:{SECRET}@mail.example.com: Connection refused",
        f"{{user: 'bob', pass: '{SECRET}'}} Error: connect ECONNREFUSED",
        f"535 5.7.8 password={SECRET} is wrong",
        f'535 5.7.8 "access_token": "{SECRET}"',
        f"535 5.7.8 Bearer {SECRET} expired",
        f"send: 'AUTH LOGIN'\nreply: b'334 x'\nsend: '{SECRET}'\nreply: b'535 5.7.8 no'",
    ],
)
def test_secrets_in_what_was_pasted_are_not_repeated(text: str) -> None:
    found = recognise(text)
    assert found
    assert SECRET.rstrip("=") not in str(found)


@pytest.mark.parametrize(
    "text",
    [
        "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
        "see https://support.google.com/mail/?p=InvalidSecondFactor5b1f17b1804b1 - gsmtp",
        "Password: see the manual".replace(": ", " "),
        "<b1f17b1804b1f17b1804@mail.example.com>: Relay access denied",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert concealed(text) == text


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.lists(st.sampled_from([
    "535-5.7.8 no", "535 x", "C: DATA", "S: 354", "\x1b[2J550 no", "(550, b'x", ": 450 ", "{host}",
    "[SSL: ]", "timeout", "\n", "\u202e", "self-signed certificate", "AUTH PLAIN", "X509_",
])).map("\n".join))  # fmt: skip
def test_any_text_is_read_to_its_end_and_made_harmless(text: str) -> None:
    for found in recognise(text):
        assert not HARMFUL.search(found.input + found.finding.meaning + found.finding.title)


def test_a_hostile_line_is_read_in_no_time() -> None:
    for line in (
        "535 " * 50_000,
        "a" * 100_000,
        "=" * 100_000,
        "certificate is valid for " * 9_000,
    ):
        assert len(list(clues(line))) <= 1


def test_the_wordings_are_bounded_and_lead_to_phases_that_exist() -> None:
    for row in (*TABLE["wording"], *TABLE["place"]):
        assert not re.search(r"(?<!\\)[.)\]]([*+]|\{\d+,\})", row["text"]), row
        assert row.get("phase", Phase.TLS) in set(Phase)
    assert all("reason" in row or "code" in row for row in TABLE["wording"])


def test_no_wording_leads_nowhere() -> None:
    for row in TABLE["wording"]:
        assert set(row) <= {"text", "reason", "code", "phase"}
        # What stands for a group of the pattern is tried by example, above.
        seen = Evidence(row.get("phase", Phase.MAIL), row.get("reason", ""), row.get("code"))
        assert "\\" in seen.reason or diagnose(seen).id not in ("unknown", "tls.failed"), row
