"""Servers that do harm on purpose: they keep us waiting, repeat secrets, and paint the screen."""

from __future__ import annotations

import base64
import time

import pytest

from tests.support.certificates import Chain
from tests.support.lab.examining import HASTY, SECRET, Examiner
from tests.support.lab.place import Wire, serving
from tests.support.lab.smtp import Answer, announced, close, endless, hang, smtp, starttls

IN_CLEAR = ("--security", "none")
PAINT = "\x1b[2J\x1b]0;owned\x07[bold red]PAID[/] \u202e\u2066 \x9b31m"


def painted(result: bytes) -> set[str]:
    return set(result.decode()) & {"\x1b", "\x07", "\x9b", "\u202e", "\u2066"}


def test_octets_that_trickle_in_are_not_waited_for_one_by_one(examine: Examiner) -> None:
    def trickle(wire: Wire) -> None:
        while True:
            wire.send(b"2")
            time.sleep(0.05)

    begun = time.monotonic()
    with serving(smtp(banner=trickle)) as place:
        examined = examine(f"127.0.0.1:{place.port}", *IN_CLEAR, timeout=HASTY)
    examined.failed("banner.timeout", 75)
    assert time.monotonic() - begun < 5


def test_continued_lines_that_never_end_are_cut_off(examine: Examiner) -> None:
    with serving(smtp("AUTH PLAIN", AUTH=endless(b"535-5.7.8 no\r\n"))) as place:
        examined = examine.signing_in(f"127.0.0.1:{place.port}", *IN_CLEAR)
    examined.failed("proto.too_long", 76)


def test_challenges_without_end_are_given_up(examine: Examiner) -> None:
    def ask_again(wire: Wire) -> None:
        while True:
            wire.say("334 VXNlcm5hbWU6")
            wire.line()

    with serving(smtp("AUTH LOGIN", AUTH=ask_again)) as place:
        examined = examine.signing_in(f"127.0.0.1:{place.port}", *IN_CLEAR)
    examined.failed("proto.not_smtp", 76)
    assert place.verbs.count("AUTH") == 1


def repeating(code: str) -> Answer:
    """Answer AUTH with the password, in clear and as it was sent."""

    def repeat(wire: Wire) -> None:
        sent = wire.place.heard[-1].split()[-1]
        wire.say(f"{code}-you said {sent}\n{code}-that is {SECRET}\n{code} {sent}{SECRET}")
        wire.line()

    return repeat


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("code", ["535", "235", "454"])
def test_a_server_that_repeats_the_password_is_not_quoted(
    code: str, mechanism: str, examine: Examiner
) -> None:
    answers: Answer = repeating(code)
    if mechanism == "LOGIN":

        def asked(wire: Wire) -> None:
            for challenge in ("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"):
                wire.say(challenge)
                wire.line()
            repeating(code)(wire)  # type: ignore[operator]

        answers = asked
    with serving(smtp(f"AUTH {mechanism}", AUTH=answers)) as place:
        target = f"127.0.0.1:{place.port}"
        # `check_harmless` looks for the password in all that is written.
        examined = examine.signing_in(target, *IN_CLEAR, "-v")
    assert "***" in examined.result.stderr
    assert base64.b64encode(SECRET.encode()).decode() not in examined.result.stderr
    assert examined.report.auth.attempted


def test_extensions_cannot_paint_the_screen(examine: Examiner) -> None:
    keywords = (PAINT, f"AUTH {PAINT}", f"SIZE {PAINT}", "X" * 400, "SIZE 9" + "9" * 300)
    with serving(smtp(*keywords)) as place:
        examined = examine(f"127.0.0.1:{place.port}", *IN_CLEAR, "-v")
    assert examined.report.exit_code == 0, examined.ids
    assert not painted(examined.result.stdout + examined.result.stderr.encode())


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT"])
def test_refusals_cannot_paint_the_screen(command: str, examine: Examiner) -> None:
    with serving(smtp(**{command: f"550 {PAINT}"})) as place:
        examined = examine(
            f"127.0.0.1:{place.port}",
            *(*IN_CLEAR, "-v", "--from", "a@example.com", "--rcpt", "b@example.com"),
        )
    assert examined.report.verdict == "fail"
    assert not painted(examined.result.stdout + examined.result.stderr.encode())


@pytest.mark.parametrize(
    "parting", [close, hang, "500 no", "221"], ids=["closes", "is silent", "refuses", "agrees"]
)
def test_how_a_server_takes_leave_is_no_fault(
    parting: Answer, trusting: Examiner, healthy: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexomailer_cli.probe.step_envelope.GOODBYE_SECONDS", 0.2)
    with serving(starttls(healthy.server_context(), QUIT=parting)) as place:
        trusting(f"127.0.0.1:{place.port}", "--security", "starttls").is_ready()


def test_many_extensions_are_no_trouble(examine: Examiner) -> None:
    with serving(smtp(*(f"X{number}" for number in range(60)))) as place:
        examined = examine(f"127.0.0.1:{place.port}", *IN_CLEAR)
    assert len(examined.stage("ehlo").data.extensions) == 60


def test_the_second_answer_to_ehlo_may_contradict_the_first(
    trusting: Examiner, healthy: Chain
) -> None:
    refused = starttls(healthy.server_context(), EHLO="550 5.7.1 not you")
    with serving(refused) as place:
        trusting(f"127.0.0.1:{place.port}", "--security", "starttls").failed("ehlo.refused", 69)


def test_what_is_announced_is_what_is_shown(examine: Examiner) -> None:
    words = announced("SIZE 1000", "AUTH PLAIN LOGIN", "LIMITS RCPTMAX=20 MAILMAX=5")
    with serving(smtp(EHLO=words)) as place:
        examined = examine(f"127.0.0.1:{place.port}", *IN_CLEAR)
    seen = examined.report.capabilities
    assert seen.before_tls == ("AUTH", "LIMITS", "SIZE")
    assert seen.auth_before_tls == ("PLAIN", "LOGIN")
    assert seen.size_limit == 1000
    assert seen.limits == {"RCPTMAX": 20, "MAILMAX": 5}


def test_ipv6_is_a_target_like_any_other(examine: Examiner) -> None:
    with serving(smtp(), address="::1") as place:
        examined = examine(f"[::1]:{place.port}", *IN_CLEAR)
    assert examined.report.exit_code == 0, examined.ids
    assert examined.stage("tcp").data.winner == "::1"
    assert place.heard[0] == "EHLO [IPv6:::1]"
