"""`nexomailer send` as people run it, against a real Postfix."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from tests.servers.postfix import Postfix
from tests.servers.server import DOMAIN, MAILBOXES, SIZE_LIMIT

pytestmark = pytest.mark.servers

SENDER = f"Änne Müller <aenne@{DOMAIN}>"
SUBJECT = "Grüße aus Köln – eine Betreffzeile, die länger ist als eine Kopfzeile sein darf: 東京 ✓"
TEXT = """\
Grüße aus Köln!
.
..two dots, and a line alone above
From here on it looks like an mbox
trailing space{space}
\ttab, = sign, =3D and a very long line: {long}

– Änne
""".format(space=" ", long="äöü " * 400)
HTML = """\
<!doctype html>
<p>Grüße aus <b>Köln</b>!</p>
.
<img src="cid:logo" alt="東京">
"""
# All bytes, every line end there is, and what must not end a message.
BINARY = bytes(range(256)) * 40 + b"\r\n.\r\n\n.\n\r.\r\r\n..\r\n"
IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(reversed(range(256))) * 4

ALWAYS = ("--json", "--from", SENDER)
# No configuration of whoever runs the tests; but the command is the one under test.
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}


@dataclass(frozen=True, slots=True)
class Result:
    exit_code: int
    report: dict[str, Any]
    transcript: str

    def said(self, command: str) -> list[str]:
        """Return the lines of the transcript in which the client gives a command."""
        pattern = rf"^.*\bC: .*\b{command}\b.*$"
        return re.findall(pattern, self.transcript, re.MULTILINE)

    @property
    def verdicts(self) -> dict[str, tuple[str, int, str]]:
        """What became of each recipient: verdict, code and enhanced code."""
        return {
            each["address"]: (each["verdict"], each["code"], each["enhanced"])
            for each in self.report["recipients"]
        }


@dataclass(frozen=True, slots=True)
class Sender:
    """The command, with a configuration for one Postfix."""

    postfix: Postfix
    folder: Path

    def send(
        self, *arguments: str, method: str = "plain", password: str = "", body: str = "Hello\n"
    ) -> Result:
        config = self.folder / "nexomailer.toml"
        config.touch(0o600)
        config.write_text(tomli_w.dumps(self._configuration(method, password)))
        before = ("--config", str(config), "--verbose")
        done = subprocess.run(
            [sys.executable, "-m", "nexomailer_cli", *before, "send", *ALWAYS, *arguments],
            input=body.encode(),
            capture_output=True,
            env=ENVIRONMENT | {"HOME": str(self.folder)},
        )
        transcript = done.stderr.decode()
        assert "Traceback" not in transcript, transcript
        report = json.loads(done.stdout)
        assert report["schema"] == "nexomailer.send/1"
        assert report["exit_code"] == done.returncode
        return Result(done.returncode, report, transcript)

    def _configuration(self, method: str, password: str) -> dict[str, Any]:
        postfix = self.postfix
        auth = {"user": postfix.username, "pass": password or postfix.password, "method": method}
        config = {
            "host": postfix.host,
            "port": postfix.port,
            "starttls": "required",
            "auth": auth,
            "tls": {"ca_file": str(postfix.ca_file)},
        }
        return {"providers": [{"name": "postfix", "type": "smtp", "config": config}]}


@pytest.fixture
def sender(postfix: Postfix, tmp_path: Path) -> Sender:
    return Sender(postfix, tmp_path)


def address(mailbox: str) -> str:
    return f"{mailbox}@{DOMAIN}"


def parsed(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def content_of(part: object) -> bytes:
    """Return what a part decodes to; the mailbox has LF where the wire had CRLF."""
    assert isinstance(part, EmailMessage)
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    is_text = part.get_content_maintype() == "text"
    return content.replace(b"\r\n", b"\n") if is_text else content


@pytest.mark.parametrize("method", ["plain", "login"])
def test_what_is_stored_is_what_was_meant(sender: Sender, tmp_path: Path, method: str) -> None:
    (tmp_path / "Übersicht 2026.bin").write_bytes(BINARY)
    (tmp_path / "logo.png").write_bytes(IMAGE)
    (tmp_path / "page.html").write_text(HTML)
    result = sender.send(
        "--to",
        f'"Anna, die Erste" <{address("anna")}>',
        "--subject",
        SUBJECT,
        "--text",
        "-",
        "--html",
        f"@{tmp_path / 'page.html'}",
        "--attach",
        str(tmp_path / "Übersicht 2026.bin"),
        "--inline",
        f"logo={tmp_path / 'logo.png'}",
        method=method,
        body=TEXT,
    )
    assert (result.exit_code, result.report["status"]) == (0, "accepted")
    stored = parsed(sender.postfix.delivered("anna"))

    assert (stored["Subject"], stored["From"]) == (SUBJECT, SENDER)
    assert stored["To"].addresses[0].display_name == "Anna, die Erste"
    assert stored["Message-ID"] == result.report["message_id"]
    assert content_of(stored.get_body(("plain",))) == TEXT.encode()
    assert content_of(stored.get_body(("html",))) == HTML.encode()

    parts = {part.get_filename(): part for part in stored.walk() if part.get_filename()}
    assert set(parts) == {"Übersicht 2026.bin", "logo.png"}
    assert content_of(parts["Übersicht 2026.bin"]) == BINARY
    assert content_of(parts["logo.png"]) == IMAGE
    assert parts["logo.png"]["Content-ID"] == "<logo>"
    assert parts["logo.png"].get_content_type() == "image/png"


def test_the_report_names_the_queue_and_the_session(sender: Sender) -> None:
    result = sender.send("--to", address("anna"), "--subject", "report")
    stored = sender.postfix.delivered("anna")
    assert result.report["queue_id"].encode() in stored
    (attempt,) = result.report["attempts"]
    assert (attempt["provider"], attempt["port"]) == ("postfix", sender.postfix.port)
    assert attempt["tls"]
    assert f"with ESMTPSA id {result.report['queue_id']}".encode() in stored


def test_a_blind_copy_stays_blind(sender: Sender) -> None:
    result = sender.send(
        "--to", address("anna"), "--cc", address("bert"), "--bcc", address("carla")
    )
    assert result.exit_code == 0
    assert set(result.verdicts) == {address(name) for name in ("anna", "bert", "carla")}
    for name in ("anna", "bert", "carla"):
        stored = parsed(sender.postfix.delivered(name))
        assert stored["Delivered-To"] == address(name)
        assert (stored["To"], stored["Cc"]) == (address("anna"), address("bert"))
        assert "Bcc" not in stored
        assert name == "carla" or address("carla").encode() not in stored.as_bytes()


def test_the_envelope_sender_is_where_bounces_go(sender: Sender) -> None:
    bounces = address("bounces")
    sender.send("--to", address("anna"), "--envelope-from", bounces)
    stored = parsed(sender.postfix.delivered("anna"))
    assert (stored["Return-Path"], stored["From"]) == (f"<{bounces}>", SENDER)


@pytest.mark.parametrize("method", ["plain", "login"])
def test_a_wrong_password_is_tried_once(sender: Sender, method: str) -> None:
    result = sender.send("--to", address("dora"), method=method, password="not this one")
    assert (result.exit_code, result.report["status"]) == (77, "failed")
    (attempt,) = result.report["attempts"]
    assert (attempt["phase"], attempt["code"], attempt["enhanced"]) == ("auth", 535, "5.7.8")
    assert len(result.said("AUTH")) == 1
    assert "not this one" not in result.transcript
    assert_nothing_stored(sender)


def test_an_unknown_recipient_is_refused_for_good(sender: Sender) -> None:
    result = sender.send("--to", address("nobody"))
    assert (result.exit_code, result.report["status"]) == (65, "rejected")
    assert result.verdicts == {address("nobody"): ("rejected", 550, "5.1.1")}
    assert_nothing_stored(sender)


def test_the_known_of_several_recipients_get_it(sender: Sender) -> None:
    names = ("nobody", "anna", "noone", "bert")
    result = sender.send("--to", ", ".join(map(address, names)))
    assert (result.exit_code, result.report["status"]) == (3, "partial")
    verdicts = {name: result.verdicts[address(name)] for name in names}
    assert verdicts["nobody"] == verdicts["noone"] == ("rejected", 550, "5.1.1")
    assert verdicts["anna"][:2] == verdicts["bert"][:2] == ("accepted", 250)
    for name in ("anna", "bert"):
        assert content_of(parsed(sender.postfix.delivered(name))) == b"Hello\n"
    assert_nothing_stored(sender)


def test_a_message_that_is_too_large_is_refused_before_any_content(
    sender: Sender, tmp_path: Path
) -> None:
    (tmp_path / "large.bin").write_bytes(os.urandom(SIZE_LIMIT))
    result = sender.send("--to", address("dora"), "--attach", str(tmp_path / "large.bin"))
    assert (result.exit_code, result.report["status"]) == (65, "rejected")
    assert f"SIZE {SIZE_LIMIT}" in result.transcript
    assert len(result.said("AUTH")) == 1
    assert result.said("DATA") == result.said("BDAT") == []
    assert_nothing_stored(sender)


def test_a_message_that_just_fits_is_taken(sender: Sender, tmp_path: Path) -> None:
    large = os.urandom(SIZE_LIMIT * 7 // 10)
    (tmp_path / "large.bin").write_bytes(large)
    result = sender.send("--to", address("emil"), "--attach", str(tmp_path / "large.bin"))
    assert result.exit_code == 0
    assert len(result.said("DATA") + result.said("BDAT")) == 1
    (attachment,) = parsed(sender.postfix.delivered("emil")).iter_attachments()
    assert content_of(attachment) == large


def assert_nothing_stored(sender: Sender) -> None:
    assert sender.postfix.is_idle()
    assert not any(sender.postfix.messages(mailbox) for mailbox in MAILBOXES)
