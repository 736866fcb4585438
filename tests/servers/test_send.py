"""`nexomailer send` as people run it, against each real server.

What arrived is read by the standard library's parser, and what the server's log says of it is
held against what the command reported.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from email.message import EmailMessage

import pytest

from tests.servers.client import SENDER, Client, Sent, address
from tests.servers.server import DOMAIN, MAILBOXES, SIZE_LIMIT, UMLAUT, Delivery

pytestmark = pytest.mark.servers

Note = Callable[[str, str], None]

UNKNOWN = ("nobody", "noone", "nemo")
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


def test_what_is_stored_is_what_was_meant(either_client: Client, note: Note) -> None:
    client = either_client
    (client.folder / "Übersicht 2026.bin").write_bytes(BINARY)
    (client.folder / "logo.png").write_bytes(IMAGE)
    (client.folder / "page.html").write_text(HTML)
    sent = client.send(
        *("--to", f'"Anna, die Erste" <{address("anna")}>', "--subject", SUBJECT),
        *("--text", "-", "--html", "@page.html"),
        *("--attach", "Übersicht 2026.bin", "--inline", "logo=logo.png"),
        body=TEXT,
    )
    assert sent.outcome == (0, "accepted")
    (copy,) = taken(client, sent)
    assert copy.recipient == address("anna")
    stored = copy.message

    assert (stored["Subject"], stored["From"]) == (SUBJECT, SENDER)
    assert stored["To"].addresses[0].display_name == "Anna, die Erste"
    assert content_of(stored.get_body(("plain",))) == TEXT.encode()
    assert content_of(stored.get_body(("html",))) == HTML.encode()

    parts = {part.get_filename(): part for part in stored.walk() if part.get_filename()}
    assert set(parts) == {"Übersicht 2026.bin", "logo.png"}
    assert content_of(parts["Übersicht 2026.bin"]) == BINARY
    assert content_of(parts["logo.png"]) == IMAGE
    assert parts["logo.png"]["Content-ID"] == "<logo>"
    assert parts["logo.png"].get_content_type() == "image/png"

    (attempt,) = sent.report["attempts"]
    assert (attempt["provider"], attempt["port"]) == ("real", client.port)
    note(client.security, f"✓ {attempt['tls']}")
    note("names", "✓")


def test_ten_megabytes_arrive(client: Client, note: Note) -> None:
    large = os.urandom(10_000_000)
    (client.folder / "large.bin").write_bytes(large)
    sent = client.send("--to", address("emil"), "--attach", "large.bin")
    assert sent.outcome == (0, "accepted")
    (verb,) = sent.told.commands.keys() & {"DATA", "BDAT"}
    assert sent.told.commands[verb] == len(sent.said(verb)) == 1
    (copy,) = taken(client, sent)
    (attachment,) = copy.message.iter_attachments()
    assert content_of(attachment) == large
    note("ten", f"✓ {verb}")


def test_of_a_hundred_recipients_the_known_ones_get_it(client: Client, note: Note) -> None:
    names = list(MAILBOXES)
    for place, name in zip((0, 50, 99), UNKNOWN, strict=True):
        names.insert(place, name)
    assert len(names) == 100
    sent = client.send("--to", ", ".join(map(address, names)))
    assert sent.outcome == (3, "partial")
    refused = {address(name): ("rejected", *client.server.unknown_user) for name in UNKNOWN}
    told = {who: verdict for who, verdict in sent.verdicts.items() if verdict[0] != "accepted"}
    assert told == refused
    assert len(sent.verdicts) == 100

    copies = taken(client, sent)
    assert Counter(copy.recipient for copy in copies) == Counter(map(address, MAILBOXES))
    assert {content_of(copy.message) for copy in copies} == {b"Hello\n"}
    note("hundred", "✓")


def test_a_message_to_unknown_recipients_alone_is_refused_for_good(client: Client) -> None:
    sent = client.send("--to", address("nobody"))
    assert sent.outcome == (65, "rejected")
    assert sent.verdicts == {address("nobody"): ("rejected", *client.server.unknown_user)}
    assert taken(client, sent) == []


def test_a_blind_copy_stays_blind(client: Client, note: Note) -> None:
    to, cc, bcc = map(address, ("anna", "bert", "carla"))
    sent = client.send("--to", to, "--cc", cc, "--bcc", bcc)
    assert sent.outcome == (0, "accepted")
    copies = taken(client, sent)
    assert {copy.recipient for copy in copies} == {to, cc, bcc}
    for copy in copies:
        assert (copy.message["To"], copy.message["Cc"]) == (to, cc)
        assert "Bcc" not in copy.message
        assert copy.recipient == bcc or bcc.encode() not in copy.content
    note("blind", "✓")


def test_the_envelope_sender_is_where_bounces_go(client: Client, note: Note) -> None:
    bounces = address("bounces")
    sent = client.send("--to", address("anna"), "--envelope-from", bounces)
    assert sent.outcome == (0, "accepted")
    (copy,) = taken(client, sent, sender=bounces)
    assert copy.message["From"] == SENDER
    note("bounces", "✓")


def test_a_message_that_is_too_large_is_refused_before_any_content(
    client: Client, note: Note
) -> None:
    (client.folder / "large.bin").write_bytes(os.urandom(SIZE_LIMIT))
    sent = client.send("--to", address("dora"), "--attach", "large.bin")
    assert sent.outcome == (65, "rejected")
    assert f"SIZE {SIZE_LIMIT}" in sent.result.stderr
    assert sent.told.commands["AUTH"] == 1
    assert not sent.told.commands.keys() & {"DATA", "BDAT"}
    assert taken(client, sent) == []
    note("large", "✓")


def test_a_recipient_with_an_umlaut(client: Client, note: Note) -> None:
    sent = client.send("--to", address(UMLAUT))
    if "SMTPUTF8" in client.server.extensions:
        assert sent.outcome == (0, "accepted")
        (copy,) = taken(client, sent)
        assert copy.recipient == address(UMLAUT)
        assert copy.message["To"] == address(UMLAUT)
        note("utf8", "✓")
    else:
        assert sent.outcome == (65, "rejected")
        assert not sent.told.commands.keys() & {"RCPT", "DATA", "BDAT"}
        assert taken(client, sent) == []
        note("utf8", "– refused before any content")


def taken(client: Client, sent: Sent, sender: str = f"aenne@{DOMAIN}") -> list[Delivery]:
    """Take out what arrived; storage, log and report must tell the same."""
    copies = client.server.taken()
    told = sent.told  # now that all of it is in the log
    verdicts = {who: verdict for who, (verdict, *_) in sent.verdicts.items()}
    accepted = {who for who, verdict in verdicts.items() if verdict == "accepted"}
    assert Counter(copy.recipient for copy in copies) == Counter(accepted)
    refused = {who for who, (_, code, _) in sent.verdicts.items() if (code or 0) >= 500}
    assert Counter(told.refused) == Counter(refused)
    assert {copy.message["Message-ID"] for copy in copies} <= {sent.report["message_id"]}
    if not copies:
        assert (told.accepted, sent.report["queue_id"]) == ((), None)
        return copies
    (one,) = told.accepted
    assert (one.queue_id, one.message_id) == (sent.report["queue_id"], sent.report["message_id"])
    assert (one.sender, one.recipients) == (sender, len(accepted))
    return copies


def content_of(part: object) -> bytes:
    """Return what a part decodes to; storage has LF where the wire had CRLF."""
    assert isinstance(part, EmailMessage)
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    is_text = part.get_content_maintype() == "text"
    return content.replace(b"\r\n", b"\n") if is_text else content
