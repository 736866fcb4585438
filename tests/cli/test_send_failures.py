"""The first provider fails in every way there is: is the second one asked, and what is told?"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from nexomailer_cli.transport import retry
from tests.support.beside import peer
from tests.support.providers import configure, provider
from tests.support.run import Result, run
from tests.support.script import (
    GOODBYE,
    Close,
    Content,
    Dribble,
    Expect,
    Hang,
    Part,
    Peer,
    Raw,
    Reply,
    Reset,
    Script,
    Step,
    Upgrade,
    ehlo,
    greeting,
    transaction,
)

GOOD: Script = (*greeting(), *transaction(), *GOODBYE)
ENVELOPE: Script = (
    *(Expect("MAIL"), Reply("250 ok"), Expect("RCPT"), Reply("250 ok")),
    *(Expect("DATA"), Reply("354 go on")),
)
LOGIN = {"auth": {"user": "tim", "pass": "tanstaaf"}}
BODY = ("--to", "b@b.test", "--text", "x")


def refused(phase: str, reply: str) -> Script:
    """A session in which one command gets `reply`."""
    if phase == "greeting":
        return (Reply(reply),)
    if phase == "auth":
        return (*greeting("AUTH PLAIN"), Expect("AUTH"), Reply(reply), Hang())
    if phase == "rcpt":
        return (
            *(*greeting(), Expect("MAIL"), Reply("250 ok")),
            *(Expect("RCPT"), Reply(reply), *GOODBYE),
        )
    if phase == "mail":
        return (*greeting(), Expect("MAIL"), Reply(reply), *GOODBYE)
    return (*greeting(), *transaction(**{phase: reply}), Hang())


class Two:
    """Two providers in one configuration, `main` before `backup`."""

    def __init__(self, folder: Path, main: Peer, backup: Peer) -> None:
        self.folder, self.main, self.backup = folder, main, backup

    def send(self, *arguments: str) -> Result:
        return run("send", *BODY, *arguments, cwd=self.folder)


@contextmanager
def two(
    folder: Path,
    *first: Script,
    then: Script = GOOD,
    tls: ssl.SSLContext | None = None,
    config: dict[str, Any] | None = None,
) -> Iterator[Two]:
    with ExitStack() as stack:
        main = stack.enter_context(peer(*first, tls=tls))
        backup = stack.enter_context(peer(then))
        configure(folder, provider("main", main, **config or {}), provider("backup", backup))
        yield Two(folder, main, backup)


# What the first provider does -> phase and verdict of its attempt, and how often it is asked.
# The second one is used, and the mail accepted.
HANDED_ON: dict[str, tuple[Script, str, str, int]] = {
    "554 greeting": (refused("greeting", "554 no"), "greeting", "failed", 1),
    "421 greeting": (refused("greeting", "421 busy"), "greeting", "failed", 1),
    "cut greeting": ((Close(),), "greeting", "failed", 1),
    "554 ehlo": (
        (Reply("220 hi"), Expect("EHLO"), Reply("554 no"), Hang()),
        *("ehlo", "failed", 1),
    ),
    "535 auth": (refused("auth", "535 5.7.8 wrong"), "auth", "failed", 1),
    "454 auth": (refused("auth", "454 4.7.0 later"), "auth", "failed", 1),
    "421 auth": (refused("auth", "421 4.7.0 later"), "auth", "failed", 1),
    "451 mail": (refused("mail", "451 4.3.0 later"), "mail", "deferred", 1),
    "sender refused": (refused("mail", "550 5.7.60 not yours"), "mail", "rejected", 1),
    "421 mail": (
        (*greeting(), Expect("MAIL"), Reply("421 4.3.2 bye"), Close()),
        *("mail", "deferred", 3),
    ),
    "relay denied": (refused("rcpt", "554 5.7.1 Relay access denied"), "rcpt", "failed", 1),
    "451 end": (
        (*greeting(), *transaction(end="451 4.3.0 later"), *GOODBYE),
        *("end", "deferred", 1),
    ),
    "cut before content": ((*greeting(), *ENVELOPE, Close()), "content", "failed", 3),
    "cut amid content": ((*greeting(), *ENVELOPE, Part(40), Reset()), "content", "failed", 3),
}


@pytest.mark.parametrize("case", HANDED_ON)
def test_what_another_provider_can_do_better_is_handed_on(tmp_path: Path, case: str) -> None:
    script, phase, verdict, sessions = HANDED_ON[case]
    config = LOGIN if "auth" in case else {}
    big = "line\n" * 2_000_000 if case.startswith("cut") and "content" in case else "x"
    (tmp_path / "body").write_text(big)
    with two(tmp_path, script, config=config) as servers:
        result = servers.send("--json", "--text", "@body")
    report = result.json
    assert (result.exit_status, report["status"], report["provider"]) == (0, "accepted", "backup")
    assert (servers.main.connections, servers.backup.connections) == (sessions, 1)
    first, last = report["attempts"][0], report["attempts"][-1]
    assert len(report["attempts"]) == sessions + 1
    assert (first["provider"], first["verdict"]) == ("main", verdict)
    assert first["phase"] == phase
    assert (last["provider"], last["verdict"], last["code"]) == ("backup", "accepted", 250)
    assert report["queue_id"] == "4F2A"
    assert report["error"] is None


# What the first provider does -> exit status, status, code, error. The second is not asked.
SETTLED: dict[str, tuple[Script, int, str, int | None, str]] = {
    "unknown user": (
        refused("rcpt", "550 5.1.1 nobody"),
        *(65, "rejected", 550, "rcpt.unknown_user"),
    ),
    "greylisted": (
        refused("rcpt", "450 4.2.0 greylisted"),
        *(75, "deferred", 450, "rcpt.greylisted"),
    ),
    "spam": (
        (*greeting(), *transaction(end="554 5.7.1 spam message rejected"), *GOODBYE),
        *(65, "rejected", 554, "message.spam"),
    ),
    "cut after content": (
        (*greeting(), *ENVELOPE, Content(), Close()),
        *(4, "unknown", None, "conn.lost_after_content"),
    ),
    "reset after content": (
        (*greeting(), *ENVELOPE, Content(), Reset()),
        *(4, "unknown", None, "conn.lost_after_content"),
    ),
    "nonsense after content": (
        (*greeting(), *ENVELOPE, Content(), Reply("what?")),
        *(4, "unknown", None, "conn.lost_after_content"),
    ),
}


@pytest.mark.parametrize("case", SETTLED)
def test_what_is_settled_is_not_handed_on(tmp_path: Path, case: str) -> None:
    script, status, word, code, identity = SETTLED[case]
    with two(tmp_path, script) as servers:
        result = servers.send("--json")
    report = result.json
    assert (result.exit_status, report["status"]) == (status, word)
    assert (servers.main.connections, servers.backup.connections) == (1, 0)
    (recipient,) = report["recipients"]
    assert recipient["address"] == "b@b.test"
    assert (recipient["verdict"], recipient["code"]) == (word, code)
    assert report["error"]["id"] == identity
    assert report["error"]["fix"]


def test_one_of_two_recipients_is_refused(tmp_path: Path) -> None:
    script = (*greeting(), *transaction(rcpt=("250 ok", "550 5.1.1 nobody")), *GOODBYE)
    with two(tmp_path, script) as servers:
        report = servers.send("--json", "--to", "c@c.test").json
    assert (report["exit_code"], report["status"], report["provider"]) == (3, "partial", "main")
    assert [(each["address"], each["verdict"]) for each in report["recipients"]] == [
        ("b@b.test", "accepted"),
        ("c@c.test", "rejected"),
    ]
    assert report["error"]["id"] == "rcpt.unknown_user"
    assert servers.backup.connections == 0


def test_a_server_that_refuses_connections_is_passed_over(tmp_path: Path) -> None:
    with closed_port() as port, peer(GOOD) as backup:
        configure(tmp_path, provider("main", port), provider("backup", backup))
        report = run("send", "--json", *BODY, cwd=tmp_path).json
    assert (report["exit_code"], report["provider"]) == (0, "backup")
    assert (report["attempts"][0]["phase"], report["attempts"][0]["code"]) == ("connect", None)


@contextmanager
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


STARTTLS: Script = (*greeting("STARTTLS"), Expect("STARTTLS"), Reply("220 go"), Upgrade())


def test_a_certificate_that_is_not_trusted_is_passed_over_and_told(
    tmp_path: Path, server_tls: ssl.SSLContext
) -> None:
    with two(
        tmp_path, (*STARTTLS, Hang()), tls=server_tls, config={"starttls": "required"}
    ) as servers:
        result = servers.send()
    assert result.exit_status == 0
    assert "main (127.0.0.1:" in result.stderr
    assert "tls failed" in result.stderr
    assert "warning: main: " in result.stderr
    assert "accepted by backup, queued as 4F2A" in result.stderr


def test_a_wrong_password_is_tried_once_and_named_loudly(tmp_path: Path) -> None:
    with two(tmp_path, refused("auth", "535 5.7.8 wrong"), config=LOGIN) as servers:
        result = servers.send("-q")
    assert result.exit_status == 0
    assert servers.main.verbs.count("AUTH") == 1
    assert result.stderr.startswith("warning: main: ")
    assert "\n  Fix: " in result.stderr


def test_no_failover_leaves_it_at_the_first(tmp_path: Path) -> None:
    with two(tmp_path, refused("mail", "451 4.3.0 later")) as servers:
        result = servers.send("--json", "--no-failover")
    assert (result.json["exit_code"], result.json["status"]) == (75, "deferred")
    assert servers.backup.connections == 0


def test_all_refuse_the_sender(tmp_path: Path) -> None:
    no = refused("mail", "550 5.7.60 not yours")
    with two(tmp_path, no, then=no) as servers:
        report = servers.send("--json").json
    assert (report["exit_code"], report["status"]) == (65, "rejected")
    assert [each["provider"] for each in report["attempts"]] == ["main", "backup"]
    assert report["provider"] is None


def test_a_message_too_large_for_all_is_refused_before_its_content(tmp_path: Path) -> None:
    small = (*greeting("SIZE 1000"), *GOODBYE)
    (tmp_path / "body").write_text("line\n" * 1000)
    with two(tmp_path, small, then=small) as servers:
        report = servers.send("--json", "--text", "@body").json
    assert (report["exit_code"], report["error"]["id"]) == (65, "message.too_large")
    assert "MAIL" not in (*servers.main.verbs, *servers.backup.verbs)


def test_a_message_too_large_for_one_goes_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "body").write_text("line\n" * 1000)
    with two(tmp_path, (*greeting("SIZE 1000"), *GOODBYE)) as servers:
        report = servers.send("--json", "--text", "@body").json
    assert (report["exit_code"], report["provider"]) == (0, "backup")


def test_a_secret_that_fails_does_not_keep_mail_from_the_next(tmp_path: Path) -> None:
    auth = {"auth": {"user": "tim", "pass": {"command": ["false"]}}}
    with two(tmp_path, GOOD, config=auth) as servers:
        result = servers.send()
    assert (result.exit_status, servers.main.connections) == (0, 0)
    assert "warning: main: What is configured for" in result.stderr
    assert "config check" in result.stderr


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ({"command": ["false"]}, "exited with status 1"),
        ({"command": ["true"]}, "what true printed is empty"),
        ({"command": ["no-such-program"]}, "no-such-program"),
        ({"env": "NOWHERE"}, "NOWHERE is not set"),
        ({"file": "no/such/file"}, "no/such/file"),
        ({"prompt": True}, "no terminal"),
    ],
)
def test_a_secret_that_cannot_be_had_is_a_matter_of_configuration(
    tmp_path: Path, secret: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexomailer_cli.config.secrets.terminal_prompt", lambda: None)
    with peer(GOOD) as server:
        configure(tmp_path, provider("main", server, auth={"user": "tim", "pass": secret}))
        result = run("send", *BODY, cwd=tmp_path)
    assert (result.exit_status, server.connections) == (78, 0)
    assert words in result.stderr


def test_a_password_file_loses_its_line_end_and_its_mode_is_told(tmp_path: Path) -> None:
    (tmp_path / "smtp.pass").write_text("tanstaaf\n")
    (tmp_path / "smtp.pass").chmod(0o644)
    script = (*greeting("AUTH PLAIN"), Expect("AUTH PLAIN AHRpbQB0YW5zdGFhZg=="), Reply("235 ok"))
    auth = {"user": "tim", "pass": {"file": "smtp.pass"}}
    with peer((*script, *transaction(), *GOODBYE)) as server:
        configure(tmp_path, provider("main", server, auth=auth))
        result = run("send", *BODY, cwd=tmp_path)
    assert result.exit_status == 0
    assert result.stderr.startswith("warning: ")
    assert "smtp.pass" in result.stderr


HASTY = {"connection_timeout": "200ms", "socket_timeout": "200ms"}
FLOOD = b"250-" + b"x" * 70_000 + b"\r\n"

# What a lone server does -> configuration, exit status, error.
HOSTILE: dict[str, tuple[Script, dict[str, Any], int, str]] = {
    "nonsense": ((Reply("hello there"), Hang()), {}, 76, "proto.not_smtp"),
    "http": ((Reply("HTTP/1.1 400 Bad Request"), Hang()), {}, 76, "port.http"),
    "flood": ((Reply("220 hi"), Expect("EHLO"), Raw(FLOOD * 40), Hang()), {}, 76, "proto.too_long"),
    "lines without end": (
        (Reply("220 hi"), Expect("EHLO"), Raw(b"250-x\r\n" * 50_000), Hang()),
        *({}, 76, "proto.too_long"),
    ),
    "dribbled greeting": ((Dribble("220 " + "x" * 200),), HASTY, 75, "banner.timeout"),
    "silent greeting": ((Hang(),), HASTY, 75, "banner.timeout"),
    "silent after mail": ((*greeting(), Expect("MAIL"), Hang()), HASTY, 75, "conn.timeout"),
    "silent after content": (
        (*greeting(), *ENVELOPE, Content(), Hang()),
        *(HASTY, 4, "conn.lost_after_content"),
    ),
    "surplus after ehlo": (
        (
            *(Reply("220 hi"), Expect("EHLO")),
            *(Raw(b"250 hi\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n"), Hang()),
        ),
        *({}, 76, "proto.surplus"),
    ),
    "250 for 354": (
        (*greeting(), *ENVELOPE[:-1], Reply("250 ok"), Hang()),
        *({}, 76, "proto.not_smtp"),
    ),
    "no starttls": (
        (*greeting("AUTH PLAIN"), Hang()),
        *({"starttls": "required", **LOGIN}, 69, "starttls.not_offered"),
    ),
    "no auth": ((*greeting(), Hang()), LOGIN, 78, "auth.not_offered"),
    "421 everywhere": ((Reply("421 4.3.2 closing"),), {}, 75, "banner.busy"),
    "sign-in refused": (refused("auth", "535 5.7.8 no"), LOGIN, 77, "auth.bad_credentials"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_server_gets_a_finding(tmp_path: Path, case: str) -> None:
    script, config, status, identity = HOSTILE[case]
    with peer(script) as server:
        configure(tmp_path, provider("main", server, **config))
        report = run("send", "--json", *BODY, cwd=tmp_path).json
    assert (report["exit_code"], report["error"]["id"]) == (status, identity)
    assert report["recipients"][0]["verdict"] in ("deferred", "unknown")
    assert server.contents == [] or report["status"] == "unknown"


def test_auth_that_is_offered_only_before_tls_is_not_used(
    tmp_path: Path, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    before = greeting("STARTTLS", "AUTH PLAIN")
    script: list[Step] = [*before, Expect("STARTTLS"), Reply("220 go"), Upgrade(), *ehlo(), Hang()]
    with peer(script, tls=server_tls) as server:
        configure(tmp_path, provider("main", server, tls={"ca_file": ca_file}, **LOGIN))
        report = run("send", "--json", *BODY, cwd=tmp_path).json
    assert (report["exit_code"], report["error"]["id"]) == (78, "auth.not_offered")
    assert report["attempts"][0]["tls"].startswith("TLSv1.")
    assert "AUTH" not in server.verbs


def test_words_injected_before_tls_end_the_session(
    tmp_path: Path, server_tls: ssl.SSLContext, ca_file: str
) -> None:
    injected = Raw(b"220 go\r\n250-evil.test\r\n250 AUTH PLAIN\r\n")
    script = (*greeting("STARTTLS"), Expect("STARTTLS"), injected, Upgrade(), Hang())
    with peer(script, tls=server_tls) as server:
        configure(tmp_path, provider("main", server, tls={"ca_file": ca_file}, **LOGIN))
        report = run("send", "--json", *BODY, cwd=tmp_path).json
    assert (report["exit_code"], report["error"]["id"]) == (76, "starttls.injected_plaintext")
    assert server.verbs == ["EHLO", "STARTTLS"]


HOSTILE_WORDS = "550 5.1.1 \x1b]0;pwned\x07[bold]hi[/foo] [link=http://x]\u202e\x9b31m"


@pytest.mark.parametrize("options", [(), ("-v",), ("--json", "-v")])
def test_what_a_server_says_does_nothing_to_a_terminal(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with peer(refused("rcpt", HOSTILE_WORDS)) as server:
        configure(tmp_path, provider("main", server))
        result = run("send", *BODY, *options, cwd=tmp_path)
    assert result.exit_status == 65
    shown = result.stderr + result.stdout.decode()
    assert "[bold]hi[/foo] [link=http://x]" in shown
    assert "\\x1b]0;pwned\\x07" in shown
    assert shown.replace("\n", "").isprintable()


def test_what_a_server_says_is_no_markup_on_a_terminal_of_colours(tmp_path: Path) -> None:
    with peer(refused("rcpt", "550 [red]no[/red]")) as server:
        configure(tmp_path, provider("main", server))
        assert "[red]no[/red]" in run("send", *BODY, cwd=tmp_path).stderr


def test_the_deadline_is_for_all_providers_together(tmp_path: Path) -> None:
    silent = (Hang(),)
    with two(tmp_path, silent, then=silent) as servers:
        report = servers.send("--json", "--deadline", "300ms").json
    assert (report["exit_code"], report["error"]["id"]) == (75, "deadline.passed")
    assert sum(each["elapsed_ms"] for each in report["attempts"]) < 2000
    assert servers.backup.connections == 0


def test_the_deadline_of_the_configuration_holds_too(tmp_path: Path) -> None:
    with peer((Hang(),)) as server:
        defaults = {"from": "a@a.test", "deadline": "200ms"}
        configure(tmp_path, provider("main", server), defaults=defaults)
        assert run("send", *BODY, cwd=tmp_path).exit_status == 75


def test_what_may_pass_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.01)
    with peer(refused("mail", "451 4.3.0 later"), GOOD) as server:
        configure(tmp_path, provider("main", server))
        result = run("send", *BODY, "--retry-for", "5s", cwd=tmp_path)
    assert (result.exit_status, server.connections) == (0, 2)
    assert "mail deferred" in result.stderr
    assert "trying again in 0 s for 1 recipient\n" in result.stderr
    assert "accepted by main" in result.stderr


def test_a_window_that_is_too_short_is_no_second_try(tmp_path: Path) -> None:
    with peer(refused("rcpt", "450 4.2.0 greylisted")) as server:
        configure(tmp_path, provider("main", server))
        result = run("send", *BODY, "--retry-for", "1", cwd=tmp_path)
    assert (result.exit_status, server.connections) == (75, 1)
    assert "trying again" not in result.stderr


def test_retrying_is_switched_off_over_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_SECONDS", 0.01)
    with peer(refused("mail", "451 4.3.0 later")) as server:
        defaults = {"from": "a@a.test", "retry_for": "5s"}
        configure(tmp_path, provider("main", server), defaults=defaults)
        assert run("send", *BODY, "--retry-for", "0", cwd=tmp_path).exit_status == 75
    assert server.connections == 1


def test_a_standing_header_that_no_message_may_have_is_the_configurations_fault(
    tmp_path: Path,
) -> None:
    configure(tmp_path, provider("main", 1), defaults={"headers": {"Bcc": "x@x.test"}})
    for arguments in (("send", *BODY, "--from", "a@a.test", "--dry-run"), ("config", "check")):
        result = run(*arguments, cwd=tmp_path)
        assert result.exit_status == 78
        assert "defaults.headers.Bcc" in result.stderr


def test_a_value_that_is_no_text_is_refused() -> None:
    result = run("send", *BODY, "--from", "a@a.test", "--dry-run", "--var", "a=\udcff")
    assert (result.exit_status, result.stdout) == (2, b"")
    assert "--var: the value of a is not UTF-8 text" in result.stderr
