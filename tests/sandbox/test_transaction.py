"""What a client is told, from the greeting to the end of data."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from hashlib import md5
from hmac import HMAC

import pytest

from nexomailer_cli.sandbox.server import Sandbox
from tests.sandbox.client import Client

BEFORE_TLS = (
    "localhost SIZE 26214400|8BITMIME|SMTPUTF8|STARTTLS|PIPELINING|ENHANCEDSTATUSCODES|HELP"
)
UNDER_TLS = BEFORE_TLS.replace("STARTTLS", "AUTH CRAM-MD5 LOGIN PLAIN")


def announced(reply: str) -> str:
    return "|".join(line[4:] for line in reply.split("\n")).replace("|", " ", 1)


def test_it_announces_what_it_can_do(client: Client) -> None:
    assert announced(client.say("EHLO there")) == BEFORE_TLS
    client.start_tls()
    assert announced(client.say("EHLO there")) == UNDER_TLS


def test_no_password_is_taken_without_tls(client: Client) -> None:
    assert client.say(f"AUTH PLAIN {client.plain()}").startswith("538 5.7.11 ")


@pytest.mark.parametrize("mechanism", ["PLAIN", "plain"])
def test_plain_in_one_step(client: Client, mechanism: str) -> None:
    client.start_tls()
    client.say("EHLO there")
    assert client.say(f"AUTH {mechanism} {client.plain()}").startswith("235 2.7.0 ")


def test_plain_in_two_steps(client: Client) -> None:
    client.start_tls()
    client.say("EHLO there")
    assert client.say("AUTH PLAIN") == "334 "
    assert client.say(client.plain()).startswith("235 2.7.0 ")


def test_login(client: Client, sandbox: Sandbox) -> None:
    client.start_tls()
    client.say("EHLO there")
    assert client.say("AUTH LOGIN").startswith("334 ")
    assert client.say(b64(sandbox.username)).startswith("334 ")
    assert client.say(b64(sandbox.password)).startswith("235 2.7.0 ")


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("key", "user", "code"),
    [("", "", "235 2.7.0"), ("wrong", "", "535 5.7.8"), ("", "nobody", "535 5.7.8")],
)
def test_cram_md5(client: Client, sandbox: Sandbox, key: str, user: str, code: str) -> None:
    client.start_tls()
    client.say("EHLO there")
    challenge = b64decode(client.say("AUTH CRAM-MD5").removeprefix("334 "))
    digest = HMAC((key or sandbox.password).encode(), challenge, md5).hexdigest()
    assert client.say(b64(f"{user or sandbox.username} {digest}")).startswith(code)


def test_a_cancelled_cram_md5_is_answered_once(client: Client) -> None:
    client.start_tls()
    client.say("EHLO there")
    client.say("AUTH CRAM-MD5")
    assert client.say("*") == "501 5.7.0 Auth aborted"
    assert client.say("NOOP") == "250 2.0.0 Ok"


@pytest.mark.parametrize("password", ["", "wrong", "\N{SNOWMAN}"])
def test_a_wrong_password_is_refused_and_may_be_corrected(client: Client, password: str) -> None:
    client.start_tls()
    client.say("EHLO there")
    assert client.say(f"AUTH PLAIN {client.plain(password)}").startswith("535 5.7.8 ")
    client.sign_in()


def test_signing_in_complains_to_nobody(
    signed_in: Client, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert capfd.readouterr().err == ""
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []


def test_a_message_is_kept_as_it_came(signed_in: Client, sandbox: Sandbox) -> None:
    content = b"Subject: hi\r\n\r\n" + bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b"")
    reply = signed_in.send(content + b"\r\n")
    (captured,) = sandbox.captured
    assert captured.content == content + b"\r\n"
    assert (captured.sender, captured.recipients) == ("a@example.org", ("b@example.org",))
    assert (captured.tls, captured.user) == (True, "sandbox")
    assert captured.size == len(content) + 2 == captured.path.stat().st_size
    assert reply == f"250 2.0.0 Ok: queued as {captured.id}"


def test_dots_are_unstuffed(signed_in: Client, sandbox: Sandbox) -> None:
    signed_in.send(b"..\r\n...dots\r\n")
    assert sandbox.captured[0].content == b".\r\n..dots\r\n"


def test_a_bare_line_feed_does_not_end_a_message(signed_in: Client, sandbox: Sandbox) -> None:
    signed_in.send(b"Subject: hi\r\n\r\n\n.\nMAIL FROM:<evil@example.org>\n\n.\r\n\r\n")
    assert len(sandbox.captured) == 1


def test_nobody_has_to_sign_in(client: Client, sandbox: Sandbox) -> None:
    client.send()
    assert (sandbox.captured[0].tls, sandbox.captured[0].user) == (False, None)


def test_the_null_reverse_path_is_empty(client: Client, sandbox: Sandbox) -> None:
    client.write("MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
    assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
    assert client.say(".").startswith("250 ")
    assert sandbox.captured[0].sender == ""


def test_international_addresses_arrive_as_they_are(client: Client, sandbox: Sandbox) -> None:
    assert client.say("MAIL FROM:<añña@münchen.example> SMTPUTF8 BODY=8BITMIME").startswith("250 ")
    assert client.say("RCPT TO:<用户@例子.example>") == "250 2.1.5 Ok"
    client.say("DATA")
    client.say(".")
    (captured,) = sandbox.captured
    assert (captured.sender, *captured.recipients) == ("añña@münchen.example", "用户@例子.example")


def test_a_pipelined_group_is_answered_in_order_under_tls(
    signed_in: Client, sandbox: Sandbox
) -> None:
    group = "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<reject@sandbox.test>"
    joined = f"Subject: 1\r\n\r\n.\r\nRSET\r\n{group}\r\nDATA\r\n"
    signed_in.write(f"{group}\r\nDATA\r\n")
    codes = [signed_in.reply()[:3] for _ in range(4)]
    signed_in.write(joined)
    codes += [signed_in.reply()[:3] for _ in range(6)]
    signed_in.write("Subject: 2\r\n\r\n.\r\nQUIT\r\n")
    codes += [signed_in.reply()[:3] for _ in range(2)]
    assert " ".join(codes) == "250 250 550 354 250 250 250 250 550 354 250 221"
    assert [captured.subject for captured in sandbox.captured] == ["1", "2"]


def test_what_was_said_before_tls_is_forgotten(client: Client) -> None:
    client.write("STARTTLS\r\nMAIL FROM:<injected@example.org>\r\n")
    assert client.reply().startswith("220 2.0.0 ")
    client.wrap()
    assert client.say("NOOP") == "250 2.0.0 Ok"
    assert client.say("MAIL FROM:<a@example.org>").startswith("503 5.5.1 ")


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("NOOP", "250 2.0.0 Ok"),
        ("RSET", "250 2.0.0 Ok"),
        ("QUIT", "221 2.0.0 Bye"),
        ("EXPN all", "502 5.5.1 EXPN not implemented"),
        ("DATA", "503 5.5.1 need RCPT command"),
        ("RCPT TO:<a@example.org>", "503 5.5.1 need MAIL command"),
        ("MAIL", "501 5.5.4 Syntax: MAIL FROM: <address> [SP <mail-parameters>]"),
        ("MAIL FROM:<a@b> X=Y", "555 5.5.4 MAIL FROM parameters not recognized or not implemented"),
        ("MAIL FROM:<@>", "553 5.1.3 Error: malformed address"),
        ("AUTH", "538 5.7.11 Encryption required for requested authentication mechanism"),
        ("VRFY <a@\udcff>", None),
    ],
)
def test_replies_have_enhanced_codes(client: Client, command: str, reply: str | None) -> None:
    client.write(command.encode("utf-8", "surrogateescape") + b"\r\n")
    said = client.reply()
    assert said == reply or (reply is None and said[:4] in ("252 ", "451 "))


def test_tls_is_not_started_twice(signed_in: Client) -> None:
    assert signed_in.say("STARTTLS") == "503 5.5.1 TLS is on already"


def test_a_session_s_command_limit_is_its_own(client: Client, sandbox: Sandbox) -> None:
    long = f"MAIL FROM:<a@{'x' * 600}.example>"
    with Client(sandbox) as other:
        other.say("EHLO there")
        assert client.say(long).startswith("250 ")
        assert other.say(long).startswith("250 ")


def test_the_size_limit_is_announced_and_kept() -> None:
    with Sandbox(size_limit=100) as sandbox, Client(sandbox) as client:
        assert "250-SIZE 100" in client.say("EHLO there")
        assert client.say("MAIL FROM:<a@b> SIZE=101").startswith("552 5.3.4 ")
        assert client.send("x" * 98 + "\r\n").startswith("250 ")
        assert client.send("x" * 99 + "\r\n").startswith("552 5.3.4 ")
        assert [captured.size for captured in sandbox.captured] == [100]


def test_a_line_is_not_longer_than_the_standard_allows(client: Client, sandbox: Sandbox) -> None:
    assert client.send("x" * 998 + "\r\n").startswith("250 ")
    assert client.send("x" * 1001 + "\r\n").startswith("500 5.5.2 ")
    assert len(sandbox.captured) == 1


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed")
def test_a_full_disk_is_a_temporary_refusal(client: Client, sandbox: Sandbox) -> None:
    (sandbox.maildir / "tmp").rmdir()
    assert client.send().startswith("452 4.3.1 Cannot store the message: FileNotFoundError")
    (sandbox.maildir / "tmp").mkdir()
    assert client.send().startswith("250 ")
