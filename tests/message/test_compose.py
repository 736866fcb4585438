"""Whole messages: exactly the intended fields, exactly the intended recipients."""

from __future__ import annotations

import email.policy
import re
from datetime import datetime, timezone
from email.parser import BytesParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nexomailer_cli.errors import AddressError, MessageError
from nexomailer_cli.message.address import parse_address, parse_addresses
from nexomailer_cli.message.compose import compose
from nexomailer_cli.message.draft import Address, Attachment, Draft

if TYPE_CHECKING:
    from email.message import EmailMessage

    from nexomailer_cli.smtp.envelope import Mail

SENDER = parse_address("Ops <ops@example.com>")
JANE = parse_address("Jane <jane@example.org>")
SIMPLE = Draft(sender=SENDER, to=(JANE,), subject="Hello", text="Hi Jane")
NAMES = ["Date", "From", "To", "Subject", "Message-ID", "MIME-Version"]
LEAF = ["Content-Type", "Content-Transfer-Encoding"]

# reliability: what a row of a spreadsheet may hold.
HOSTILE = [
    *(f"a{character}Bcc: x@evil.example" for character in "\r\n\v\f\x85\u2028\u2029\0\x1b"),
    "a\r\nBcc: x@evil.example",
    "a\r\n\r\n<script>",
    "=?utf-8?q?hi=0D=0ABcc=3A_x=40evil=2Eexample?=",
    "=?utf-8?b?DQpCY2M6IHhAZXZpbC5leGFtcGxl?=",
    "=?utf-8?q?a=2C_b=40evil=2Eexample?=",
    "=?utf-8?q?=22=3Cb=40evil=2Eexample=3E?=",
    'y.z>, <q@evil.example"',
    'a" <q@evil.example>, "',
    "a\\",
]


def parsed(mail: Mail) -> EmailMessage:
    content = mail.content
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", content)
    assert max(map(len, content.split(b"\r\n"))) <= 998
    message: EmailMessage = BytesParser(policy=email.policy.default).parsebytes(content)
    assert message.defects == []
    return message


def test_a_message_has_its_fields_once_each_and_in_order() -> None:
    mail = compose(SIMPLE)
    message = parsed(mail)
    assert message.keys() == NAMES + LEAF
    assert message["To"] == "Jane <jane@example.org>"
    assert message["Subject"] == "Hello"
    assert message["Message-ID"] == mail.message_id
    assert mail.message_id.endswith("@example.com>")
    assert mail.content.endswith(b"\r\n\r\nHi Jane\r\n")
    assert mail.envelope.sender == "ops@example.com"
    assert mail.envelope.recipients == ("jane@example.org",)


def test_everything_a_draft_can_say_is_said() -> None:
    draft = replace(
        SIMPLE,
        cc=parse_addresses("c@example.org"),
        reply_to=parse_addresses("r@example.org, s@example.org"),
        html="<p>Hi",
        date=datetime(2026, 11, 23, 8, 15, tzinfo=timezone.utc),  # noqa: UP017
        message_id="<own@example.com>",
        in_reply_to="<theirs@example.org>",
        list_unsubscribe=("https://x.example/u", "mailto:u@x.example"),
        headers=(("X-Tag", "ä"), ("Sender", "s@example.com")),
        notify=("failure", "delay"),
    )
    mail = compose(draft)
    message = parsed(mail)
    assert {name: str(value) for name, value in message.items()} == {
        "Date": "Mon, 23 Nov 2026 08:15:00 +0000",
        "From": "Ops <ops@example.com>",
        "Reply-To": "r@example.org, s@example.org",
        "To": "Jane <jane@example.org>",
        "Cc": "c@example.org",
        "Subject": "Hello",
        "Message-ID": "<own@example.com>",
        "In-Reply-To": "<theirs@example.org>",
        "References": "<theirs@example.org>",
        "List-Unsubscribe": "<https://x.example/u>, <mailto:u@x.example>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "X-Tag": "ä",
        "Sender": "s@example.com",
        "MIME-Version": "1.0",
        "Content-Type": str(message["Content-Type"]),
    }
    assert mail.envelope.notify == ("failure", "delay")
    assert compose(draft) == mail


def test_bcc_is_in_the_envelope_only() -> None:
    mail = compose(replace(SIMPLE, bcc=parse_addresses("Secret <secret@example.net>")))
    assert mail.envelope.recipients == ("jane@example.org", "secret@example.net")
    assert b"ecret" not in mail.content


def test_a_message_with_bcc_alone_discloses_nobody() -> None:
    mail = compose(replace(SIMPLE, to=(), bcc=(JANE,)))
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in mail.content
    assert parsed(mail)["To"].addresses == ()


def test_a_message_with_cc_alone_has_no_to() -> None:
    assert "To" not in parsed(compose(replace(SIMPLE, to=(), cc=(JANE,))))


def test_recipients_are_unique_by_exact_local_part_and_caseless_domain() -> None:
    mail = compose(
        replace(
            SIMPLE,
            to=parse_addresses("a@x.example, A@x.example"),
            cc=parse_addresses("a@X.Example"),
            bcc=parse_addresses("b@x.example, a@x.example"),
        )
    )
    assert mail.envelope.recipients == ("a@x.example", "A@x.example", "b@x.example")


def test_without_recipients_there_is_no_message() -> None:
    with pytest.raises(MessageError, match="no recipients"):
        compose(replace(SIMPLE, to=()))


@pytest.mark.parametrize(
    ("given_path", "sender"),
    [(None, "ops@example.com"), ("", ""), ("bounce+1@example.net", "bounce+1@example.net")],
)
def test_the_reverse_path_is_the_sender_unless_said_otherwise(
    given_path: str | None, sender: str
) -> None:
    assert compose(replace(SIMPLE, envelope_from=given_path)).envelope.sender == sender


def test_a_bad_reverse_path_is_refused() -> None:
    with pytest.raises(AddressError):
        compose(replace(SIMPLE, envelope_from="a@b> SIZE=1"))


@pytest.mark.parametrize("subject", ["", "  "])
def test_a_blank_subject_is_left_out(subject: str) -> None:
    assert "Subject" not in parsed(compose(replace(SIMPLE, subject=subject)))


def test_a_date_given_as_a_header_is_the_only_one() -> None:
    headers = (("Date", "Mon, 23 Nov 2026 08:15:00 +0100"),)
    assert parsed(compose(replace(SIMPLE, headers=headers))).get_all("Date") == [headers[0][1]]


@pytest.mark.parametrize(
    ("draft", "header"),
    [
        (replace(SIMPLE, in_reply_to="<a@x>"), ("In-Reply-To", "<b@x>")),
        (
            replace(SIMPLE, list_unsubscribe=("mailto:a@x.example",)),
            ("List-Unsubscribe", "<mailto:a@b.c>"),
        ),
        (replace(SIMPLE, date=datetime(2026, 1, 1)), ("Date", "Mon, 23 Nov 2026 08:15:00 +0100")),
    ],
)
def test_an_option_and_a_header_for_one_field_are_refused(
    draft: Draft, header: tuple[str, str]
) -> None:
    with pytest.raises(MessageError, match="set by an option already"):
        compose(replace(draft, headers=(header,)))


def test_references_given_by_hand_win() -> None:
    draft = replace(SIMPLE, in_reply_to="<b@x>", headers=(("References", "<a@x> <b@x>"),))
    assert parsed(compose(draft))["References"] == "<a@x> <b@x>"


def test_an_internationalised_address_is_utf_8_and_the_rest_is_encoded() -> None:
    jo = parse_address("Jürgen <jürgen@bücher.example>")
    mail = compose(replace(SIMPLE, to=(jo,), subject="Grüße"))
    head = mail.content.partition(b"\r\n\r\n")[0]
    assert "<jürgen@xn--bcher-kva.example>".encode() in head
    assert mail.envelope.recipients == ("jürgen@xn--bcher-kva.example",)
    assert head.replace("jürgen".encode(), b"").isascii()


def test_each_message_id_is_new() -> None:
    assert len({compose(SIMPLE).message_id for _ in range(100)}) == 100


@pytest.mark.parametrize("value", HOSTILE)
def test_no_value_adds_a_field_or_a_recipient(value: str) -> None:
    drafts = (
        replace(SIMPLE, subject=value),
        replace(SIMPLE, to=(Address("jane@example.org", value),)),
        replace(SIMPLE, sender=Address("ops@example.com", value)),
        replace(SIMPLE, headers=(("X-Tag", value),)),
        replace(SIMPLE, headers=((value, "x"),)),
        replace(SIMPLE, attachments=(Attachment(value, "a/b", b""),)),
        replace(SIMPLE, html="h", attachments=(Attachment("x", "a/b", b"", value),)),
        replace(SIMPLE, attachments=(Attachment("x", value, b""),)),
        replace(SIMPLE, list_unsubscribe=(f"https://x.example/{value}",)),
        replace(SIMPLE, message_id=f"<x@{value}>"),
        replace(SIMPLE, in_reply_to=f"<x@{value}>"),
    )
    allowed = {*NAMES, *LEAF, "X-Tag", "List-Unsubscribe", "List-Unsubscribe-Post"}
    for draft in drafts:
        try:
            mail = compose(draft)
        except MessageError as exc:
            assert str(exc).replace("…", "").isprintable()
            continue
        message = parsed(mail)
        assert set(message.keys()) <= allowed | {"In-Reply-To", "References"}
        assert len(set(message.keys())) == len(message.keys())
        assert [each.addr_spec for each in message["To"].addresses] == ["jane@example.org"]
        assert [each.addr_spec for each in message["From"].addresses] == ["ops@example.com"]
        assert mail.envelope.recipients == ("jane@example.org",)


@pytest.mark.parametrize(
    "spec",
    [
        "a@b>\r\nBcc: <x@y",
        "a@b> SIZE=1",
        "y.z>, <q@evil.example",
        "a@b, c@d",
        "a b@c",
        "a",
        "a@ä.example",
    ],
)
def test_an_address_made_by_hand_from_outside_text_is_caught(spec: str) -> None:
    for bad in (Address(spec), Address(spec, "Jane")):
        for draft in (
            replace(SIMPLE, to=(bad,)),
            replace(SIMPLE, bcc=(bad,)),
            replace(SIMPLE, sender=bad, envelope_from=""),
            replace(SIMPLE, reply_to=(bad,)),
        ):
            with pytest.raises(MessageError, match="refusing to send"):
                compose(draft)


ANY = st.text(max_size=60)


@settings(max_examples=200)
@given(subject=ANY, name=ANY, filename=ANY, header=ANY, text=ANY, html=ANY)
def test_any_text_anywhere_gives_the_intended_message_or_an_error(
    subject: str, name: str, filename: str, header: str, text: str, html: str
) -> None:
    draft = replace(
        SIMPLE,
        subject=subject,
        to=(Address("jane@example.org", name),),
        text=text,
        html=html,
        headers=(("X-Tag", header),),
        attachments=(Attachment(filename, "a/b", b"data"),),
    )
    try:
        mail = compose(draft)
    except MessageError:
        outside = subject + name + filename + header + text + html
        assert re.search(
            "[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", outside
        )
        return
    message = parsed(mail)
    optional = {"Subject": subject.strip(" "), "X-Tag": header.strip(" ")}
    expected = [n for n in NAMES if optional.get(n, "x")] + ["Content-Type"]
    assert sorted(message.keys()) == sorted(expected + ["X-Tag"] * bool(optional["X-Tag"]))
    assert [each.addr_spec for each in message["To"].addresses] == ["jane@example.org"]
    (attachment,) = message.iter_attachments()
    # The standard library strips white space around a file name.
    assert attachment.get_filename() == (filename.strip() if filename else None)
