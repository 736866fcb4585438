"""`nexomailer explain`: what was pasted is told in our words, and nothing else of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nexomailer_cli.probe.diagnosis import all_findings
from tests.support.run import CLOSED, TERMINAL, Result, run, run_process

FIELDS = [
    *("input", "id", "heading", "title", "meaning", "fix", "config", "temporary"),
    *("retry_after_s", "exit_code"),
]
APP_PASSWORD = "534-5.7.9 Application-specific password required.\n534 5.7.9 gsmtp"


def explained(*arguments: str, stdin: bytes | str = TERMINAL) -> Result:
    return run("explain", *arguments, stdin=stdin)


def found(*arguments: str, stdin: bytes | str = TERMINAL) -> list[str]:
    told = json.loads(explained(*arguments, "--json", stdin=stdin).stdout)
    return [each["id"] for each in told["findings"]]


def test_a_reply_is_told_with_its_cause_and_cure() -> None:
    result = explained("421 4.7.0 too many connections")
    assert (result.exit_status, result.stderr) == (0, "")
    assert result.stdout.decode() == (
        "421 4.7.0 too many connections\n"
        "The server is busy\n"
        "  Why: It, or the limit for your address, is full. It said “421 4.7.0 too many "
        "connections”. Wait some minutes.\n"
        "  Fix: Open fewer connections, such as providers.config.max_connections = 2, and let it "
        "wait: send --retry-for 15m\n"
        "  (banner.busy; temporary, mostly for 15 min)\n"
    )


def test_json_is_one_object_with_every_field() -> None:
    result = explained(APP_PASSWORD, "--json")
    told = result.json
    assert list(told) == ["schema", "findings", "exit_code"]
    assert told["schema"] == "nexomailer.explain/1"
    (finding,) = told["findings"]
    assert list(finding) == FIELDS
    assert finding["input"] == "534 5.7.9 Application-specific password required. gsmtp"
    assert finding["id"] == "auth.app_password_needed"
    assert finding["config"] == ["providers.config.auth.pass"]
    assert (finding["temporary"], finding["retry_after_s"], finding["exit_code"]) == (
        *(False, None),
        77,
    )


def test_words_without_quotation_marks_are_one_line() -> None:
    assert found("550", "5.1.1", "User", "unknown") == ["rcpt.unknown_user"]


def test_quoted_arguments_are_lines() -> None:
    assert found("550 5.1.1 no", "452 4.2.2 full") == ["rcpt.unknown_user", "rcpt.mailbox_full"]


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_a_log_may_be_piped_in(arguments: tuple[str, ...]) -> None:
    log = b"all well\nsaid: 550 5.1.1 no\r\n\xff\xfe connect: Connection refused\n"
    assert found(*arguments, stdin=log) == ["rcpt.unknown_user", "tcp.refused"]


def test_what_has_been_explained_is_not_explained_twice() -> None:
    told = explained("550 5.1.1 no", "550 5.1.1 nobody").stdout.decode()
    assert told.count("Fix:") == 1
    assert told.endswith("550 5.1.1 nobody\n  (as above: rcpt.unknown_user)\n")


def test_an_id_is_explained_without_any_evidence() -> None:
    told = explained("auth.app_password_needed").stdout.decode()
    assert told.startswith("The account needs an app password\n  Why: ")
    assert found("dns.slow", "unknown") == ["dns.slow", "unknown"]
    assert "mail can be sent all the same" in explained("dns.slow").stdout.decode()
    assert "  Why:" not in explained("auth.refused").stdout.decode()
    assert "not temporary" in explained("auth.refused").stdout.decode()
    assert "temporary, mostly for 1 h" in explained("auth.throttled").stdout.decode()


def test_the_list_has_every_id_with_its_heading() -> None:
    lines = explained("--list").stdout.decode().splitlines()
    findings = list(all_findings())
    assert [tuple(line.split(maxsplit=1)) for line in lines] == [
        (finding.id, finding.heading) for finding in findings
    ]
    assert found("--list") == [finding.id for finding in findings]


def test_what_is_known_beside_the_text_is_taken_into_account() -> None:
    assert found("550 5.7.1 no", "--phase", "auth") == ["auth.refused"]
    assert found("535 no", "--host", "smtp.gmail.com:587") == ["auth.google_bad_credentials"]
    assert found("timed out", "--phase", "connect", "--host", "a.test:25") == ["tcp.filtered_port"]
    told = json.loads(explained("535 no", "--json", "--host", "[2001:db8::1]:587").stdout)
    assert "[2001:db8::1]:587" in told["findings"][0]["title"]
    told = json.loads(explained("535 no", "--json", "--host", "2001:db8::1").stdout)
    assert "2001:db8::1 did" in told["findings"][0]["title"]


@pytest.mark.parametrize("text", ["hello", "250 2.0.0 Ok", "no.such.id", "auth.refused no.such"])
def test_where_nothing_is_recognised_the_status_says_so(text: str) -> None:
    result = explained(text)
    assert (result.exit_status, result.stdout) == (65, b"")
    assert "nothing was recognised" in result.stderr
    told = explained(text, "--json")
    assert told.exit_status == 65
    assert told.json["findings"] == []


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        ((), TERMINAL, "there is nothing to explain"),
        ((), CLOSED, "there is nothing to explain"),
        ((), b" \n", "the text is empty"),
        (("",), TERMINAL, "the text is empty"),
        (("535 no", "--phase", "sleep"), TERMINAL, "“sleep” is none of connect"),
    ],
)
def test_without_a_text_it_is_a_mistake(
    arguments: tuple[str, ...], stdin: bytes | str, words: str
) -> None:
    result = explained(*arguments, stdin=stdin)
    assert (result.exit_status, result.stdout) == (2, b"")
    assert words in result.stderr


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_secrets_of_a_transcript_are_told_to_nobody(form: tuple[str, ...]) -> None:
    transcript = (
        b" ~> AUTH PLAIN AGJvYgBodW50ZXIyLWlzLWxvbmc=\n"
        b"<~* 535 5.7.8 Error: authentication failed: AGJvYgBodW50ZXIyLWlzLWxvbmc=\n"
        b"smtp://bob:hunter2@mail.example.com: Connection refused\n"
    )
    result = explained(*form, stdin=transcript)
    assert result.exit_status == 0
    told = result.stdout.decode() + result.stderr
    assert "AGJvYgBodW50" not in told
    assert "hunter2" not in told
    assert "***" in told


def test_what_was_pasted_is_harmless_when_shown() -> None:
    told = explained("550 5.1.1 \x1b]0;pwned\x07 \u202e no").stdout.decode()
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert r"\x1b]0;pwned" in told


def test_a_log_without_end_is_read_up_to_a_limit() -> None:
    result = explained(stdin=b"550 5.1.1 no\n" + b"x" * 2_000_100)
    assert result.exit_status == 0
    assert "only the first 2 MB are read" in result.stderr


def test_it_works_as_a_process_of_its_own(tmp_path: Path) -> None:
    result = run_process("explain", stdin=b"S: 552 5.3.4 too big\n", cwd=tmp_path)
    assert (result.exit_status, result.stderr) == (0, "")
    assert "(mail.size; not temporary)" in result.stdout.decode()
    result = run_process("-q", "explain", "535 no", "--no-color", cwd=tmp_path)
    assert result.exit_status == 0
