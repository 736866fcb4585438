"""Messages of programs that know no domain, completed before they are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.message.draft import Address
from nexomailer_cli.message.local import completed, with_domain
from nexomailer_cli.message.raw import read_raw

OPS = Address("ops@shop.example", "Ops")
PLAIN = Address("ops@shop.example")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("To: root", "To: root@shop.example"),
        ("To: root, ann@b.test , bob (Bob, he)", None),
        ("Cc: <root>, Bob <bob>", "Cc: <root@shop.example>, Bob <bob@shop.example>"),
        ("To: a,\n b", "To: a@shop.example,\n b@shop.example"),
        ("to : root", "to : root@shop.example"),
        ('To: "root"', 'To: "root"'),
        ("To: root@b.test", "To: root@b.test"),
        ("To: undisclosed-recipients:;", "To: undisclosed-recipients:;"),
        ("Subject: root", "Subject: root"),
        ("X-To: root", "X-To: root"),
    ],
)
def test_local_names_get_a_domain(before: str, after: str | None) -> None:
    message = f"From: a@b.test\n{before}\n\nTo: root\n".encode()
    if after is None:
        after = "To: root@shop.example, ann@b.test , bob@shop.example (Bob, he)"
    assert completed(message, lambda: OPS) == f"From: a@b.test\n{after}\n\nTo: root\n".encode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("From: a@b.test", "From: a@b.test"),
        ("From: root", "From: ops@shop.example"),
        ("From: root (Cron Daemon)", "From: Cron Daemon <ops@shop.example>"),
        ("from: Charlie Root <root>", "From: ops@shop.example"),
        (
            "From: root (=?utf-8?q?x?=)",
            "From: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <ops@shop.example>",
        ),
        ('From: "root" <root>', 'From: "root" <root>'),
    ],
)
def test_a_local_author_is_nobody_that_could_be_answered(before: str, after: str) -> None:
    done = completed(f"{before}\nSubject: x\n\nx\n".encode(), lambda: PLAIN).decode()
    assert done.startswith(after)
    assert done.endswith("\nSubject: x\n\nx\n")
    assert "=?utf-8?q?x?=" not in done


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"Subject: x\r\n\r\nx\r\n", b"From: Ops <ops@shop.example>\r\nSubject: x\r\n\r\nx\r\n"),
        (b"Subject: x\n", b"From: Ops <ops@shop.example>\nSubject: x\n"),
        (b"\nbody\n", b"From: Ops <ops@shop.example>\n\nbody\n"),
        (b"body\n\nFrom: x\n", b"From: Ops <ops@shop.example>\n\nbody\n\nFrom: x\n"),
        (b"", b"From: Ops <ops@shop.example>\n\n"),
        (
            b"From root Thu Jan  1\nTo: a@b.test\n\nx\n",
            b"From root Thu Jan  1\nFrom: Ops <ops@shop.example>\nTo: a@b.test\n\nx\n",
        ),
    ],
)
def test_a_message_from_nobody_is_from_the_author(content: bytes, expected: bytes) -> None:
    assert completed(content, lambda: OPS) == expected


def test_a_recipient_of_the_command_line_gets_a_domain() -> None:
    assert with_domain("root", lambda: OPS) == "root@shop.example"
    assert with_domain("a@b.test", lambda: OPS) == "a@b.test"
    assert with_domain("<root>", lambda: OPS) == "<root>"


@given(st.binary(max_size=200))
def test_whatever_comes_in_nothing_is_lost(content: bytes) -> None:
    done = completed(content, lambda: OPS)
    assert len(done) >= len(content) - 200
    assert done.count(b"\n") >= content.count(b"\n")


def test_the_result_can_be_read() -> None:
    cron = (
        b"From: root (Cron Daemon)\nTo: ann\nSubject: Cron <ann@box> ls\nMIME-Version: 1.0\n\nx\n"
    )
    mail = read_raw(completed(cron, lambda: OPS))
    assert mail.envelope.sender == "ops@shop.example"
    assert mail.envelope.recipients == ("ann@shop.example",)
