"""`nexomailer sendmail`: called as cron, git, mutt and PHP do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nexomailer_cli.sandbox.reception import Captured
from tests.cli.conftest import Post, parsed
from tests.support.beside import peer
from tests.support.providers import FROM, configure, provider
from tests.support.run import CLOSED, environment, run
from tests.support.script import GOODBYE, greeting, transaction

MESSAGE = b"From: a@a.test\nTo: b@b.test, c@c.test\nBcc: d@d.test\nSubject: x\n\nx\n.\ny\n"


def sent(post: Post, *arguments: str, stdin: bytes = MESSAGE) -> Captured:
    before = len(post.sandbox.captured)
    result = run("sendmail", *arguments, stdin=stdin, env=post.env, cwd=post.folder)
    assert (result.exit_status, result.stdout) == (0, b"")
    assert not result.stderr or "delivery reports" in result.stderr
    (captured,) = post.sandbox.captured[before:]
    return captured


@pytest.mark.parametrize(
    ("arguments", "sender", "recipients"),
    [
        (("-t",), "a@a.test", "bcd"),
        (("-t", "-i"), "a@a.test", "bcd"),
        (("-ti", "-oem", "-odb"), "a@a.test", "bcd"),
        (("-oi", "-t", "e@e.test"), "a@a.test", "bcde"),
        (("-i", "e@e.test"), "a@a.test", "e"),
        (("-f", "x@x.test", "--", "e@e.test", "b@b.test"), "x@x.test", "eb"),
        (("-fx@x.test", "-B8BITMIME", "-h", "3", "e@e.test"), "x@x.test", "e"),
        (("-r", "x@x.test", "-bm", "e@e.test", "-oi"), "x@x.test", "e"),
        (("-f", "<>", "-Nnever", "e@e.test"), "", "e"),
        (("-f", "", "e@e.test"), "", "e"),
        (("e@e.test, Bob <b@b.test>",), "a@a.test", "eb"),
    ],
)
def test_who_it_goes_to_and_comes_from(
    post: Post, arguments: tuple[str, ...], sender: str, recipients: str
) -> None:
    captured = sent(post, *arguments)
    assert captured.sender == sender
    assert captured.recipients == tuple(f"{each}@{each}.test" for each in recipients)
    message = parsed(captured.content)
    assert message["Bcc"] is None
    assert message.get_payload() == "x\r\n.\r\ny\r\n"


def test_what_stands_behind_two_dashes_is_no_option(post: Post) -> None:
    captured = sent(post, "--", "-fx@x.test")
    assert (captured.sender, captured.recipients) == ("a@a.test", ("-fx@x.test",))


def test_what_cron_says_goes_to_the_domain_of_the_configuration(post: Post) -> None:
    env = {**post.env, "NEXOMAILER_URL": post.env["NEXOMAILER_URL"] + "&from=ops%40shop.test"}
    cron = b"From: root (Cron Daemon)\nTo: ann\nSubject: Cron <ann@box> true\n\nout\n"
    before = len(post.sandbox.captured)
    arguments = ("-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t")
    result = run("sendmail", *arguments, stdin=cron, env=env, cwd=post.folder)
    assert (result.exit_status, result.stderr) == (0, "")
    (captured,) = post.sandbox.captured[before:]
    assert (captured.sender, captured.recipients) == ("ops@shop.test", ("ann@shop.test",))
    assert parsed(captured.content)["From"] == "CronDaemon <ops@shop.test>"


def test_a_line_of_text_is_a_message_too(post: Post) -> None:
    captured = sent(post, "-f", "me@a.test", "-F", "Mé", "root", stdin=b"hello\n")
    assert captured.recipients == ("root@a.test",)
    message = parsed(captured.content)
    assert (message["From"], message.get_payload()) == ("Mé <me@a.test>", "hello\r\n")
    assert message["Message-ID"]
    assert message["Date"]


def test_without_a_domain_this_machine_s_is_taken(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "box.lab.test")
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    captured = sent(post, "root", stdin=b"Subject: x\n\nx\n")
    assert (captured.sender, captured.recipients) == ("ann@box.lab.test", ("root@box.lab.test",))


def test_a_user_without_a_name(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError

    monkeypatch.setattr("socket.gethostname", lambda: "box.lab.test")
    monkeypatch.setattr("getpass.getuser", nobody)
    assert sent(post, "root", stdin=b"\nx\n").sender == "nobody@box.lab.test"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "there is no recipient"),
        (("-bp",), 2, "keeps no queue"),
        (("-q30m",), 2, "keeps no queue"),
        (("-bs",), 2, "only messages are taken"),
        (("-Z",), 2, "option -Z not recognized"),
        (("-f",), 2, "option -f requires argument"),
        (("-f", "a b", "e@e.test"), 2, "sendmail -f: "),
        (("@/etc/passwd",), 2, "sendmail: "),
        (("-N", "sometimes", "e@e.test"), 2, "sometimes"),
    ],
)
def test_what_makes_no_sense(
    post: Post, arguments: tuple[str, ...], status: int, words: str
) -> None:
    env = {**post.env, "NEXOMAILER_URL": post.env["NEXOMAILER_URL"] + "&from=ops%40shop.test"}
    before = len(post.sandbox.captured)
    result = run("sendmail", *arguments, stdin=MESSAGE, env=env, cwd=post.folder)
    assert result.exit_status == status, result.stderr
    assert words in result.stderr
    assert len(post.sandbox.captured) == before


def test_without_any_domain_it_says_what_to_do(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "box")
    result = run("sendmail", "root", stdin=b"x\n", env=post.env, cwd=post.folder)
    assert result.exit_status == 2
    assert "Set defaults.from" in result.stderr


def test_standard_input_has_to_be_there(post: Post) -> None:
    result = run(
        "sendmail", "-f", "a@a.test", "b@b.test", stdin=CLOSED, env=post.env, cwd=post.folder
    )
    assert result.exit_status == 66


def test_the_conversation_is_shown_when_asked_for(post: Post) -> None:
    result = run("sendmail", "-v", "-t", stdin=MESSAGE, env=post.env, cwd=post.folder)
    assert result.exit_status == 0
    assert "C: MAIL FROM:<a@a.test>" in result.stderr


@pytest.mark.parametrize("where", ["before", "-C"])
def test_its_configuration_may_be_named(post: Post, where: str, tmp_path: Path) -> None:
    path = str(tmp_path / "none.toml")
    arguments = ("--config", path, "sendmail") if where == "before" else ("sendmail", "-C", path)
    result = run(*arguments, "-t", stdin=MESSAGE, env=post.env, cwd=post.folder)
    assert result.exit_status == 78
    assert "none.toml" in result.stderr


def test_it_has_help(post: Post) -> None:
    result = run("sendmail", "--help", cwd=post.folder)
    assert result.exit_status == 0
    assert b"called the way sendmail is" in result.stdout


def test_typer_leads_there_too(post: Post) -> None:
    before = len(post.sandbox.captured)
    result = run("-vq", "sendmail", "-t", stdin=MESSAGE, env=post.env, cwd=post.folder)
    assert result.exit_status == 0, result.stderr
    assert len(post.sandbox.captured) == before + 1


def test_it_answers_to_the_name_alone(post: Post) -> None:
    link = post.folder / "sendmail"
    link.write_text(f"#!{sys.executable}\nfrom nexomailer_cli.__main__ import main\nmain()\n")
    link.chmod(0o755)
    before = len(post.sandbox.captured)
    done = subprocess.run(
        [link, "-t", "-i"],
        input=MESSAGE,
        env=environment(post.env, post.folder),
        cwd=post.folder,
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(post.sandbox.captured) == before + 1
    assert os.access(link, os.X_OK)


def test_a_provider_s_own_sender_stands_in_for_the_default_one(tmp_path: Path) -> None:
    with peer((*greeting(), *transaction(), *GOODBYE)) as server:
        path = configure(tmp_path, {**provider("main", server), "from": "shop@shop.test"})
        path.write_text(path.read_text().replace(f'from = "{FROM}"\n', ""))
        result = run("sendmail", "root", stdin=b"Subject: x\n\nx\n", cwd=tmp_path)
    assert result.exit_status == 0, result.stderr
    assert server.heard[1:3] == ["MAIL FROM:<shop@shop.test>", "RCPT TO:<root@shop.test>"]


def test_a_finished_message_keeps_its_author_whatever_the_provider_s_sender(tmp_path: Path) -> None:
    with peer((*greeting(), *transaction(), *GOODBYE)) as server:
        configure(tmp_path, {**provider("main", server), "from": "shop@shop.test"})
        result = run("sendmail", "b@b.test", stdin=MESSAGE, cwd=tmp_path)
    assert result.exit_status == 0, result.stderr
    assert parsed(server.contents[0])["From"] == "a@a.test"
