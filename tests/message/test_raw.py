"""Finished messages: what leaves is what came, to whom it says, and no doubts."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.errors import AddressError, MessageError
from nexomailer_cli.message.mailboxes import mailboxes
from nexomailer_cli.message.raw import read_raw
from nexomailer_cli.smtp.envelope import Envelope

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WHOLE = (
    b"From: Ann <ann@a.example>\r\n"
    b"To: Bob <bob@b.example>, \r\n cee@c.example\r\n"
    b"Cc: bob@b.example\r\n"
    b"Subject: =?utf-8?q?H=C3=BC?=\r\n\tfolded  \r\n"
    b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n"
    b"Message-ID: <1@a.example>\r\n"
    b"\r\n"
    b"Hello \r\n.\r\nFrom me\r\n"
)


def specs(value: str) -> list[str]:
    return [address.spec for address in mailboxes(value)]


def headed(*fields: str, body: str = "x\n") -> bytes:
    return "\n".join([*fields, "", body]).encode()


def refusal(content: bytes) -> MessageError:
    with pytest.raises(MessageError) as caught:
        read_raw(content, now=NOW)
    return caught.value


def test_a_complete_message_stays_as_it_is() -> None:
    mail = read_raw(WHOLE, notify=("never",))
    assert mail.content == WHOLE
    assert mail.envelope == Envelope(
        "ann@a.example", ("bob@b.example", "cee@c.example"), notify=("never",)
    )
    assert mail.message_id == "<1@a.example>"


def test_given_envelope_wins_and_the_headers_may_then_be_anything() -> None:
    content = headed("From: a@a.example, b@b.example", "To: not an address")
    mail = read_raw(content, recipients=("x@x.example",), sender="", now=NOW)
    assert mail.envelope == Envelope("", ("x@x.example",))
    assert b"To: not an address\r\n" in mail.content


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_line_ends_become_crlf(end: bytes) -> None:
    assert read_raw(WHOLE.replace(b"\r\n", end)).content == WHOLE


def test_mixed_line_ends_leave_nothing_bare() -> None:
    mail = read_raw(WHOLE + b"a\n.\nb\r.\r\nc\r\r\nd")
    assert mail.content == WHOLE + b"a\r\n.\r\nb\r\n.\r\nc\r\n\r\nd\r\n"


def test_mbox_line_and_byte_order_mark_are_dropped() -> None:
    assert read_raw(b"\xef\xbb\xbfFrom ann Thu Jan  1 00:00:00 2026\n" + WHOLE).content == WHOLE


def test_white_space_before_a_colon_hides_nothing() -> None:
    mail = read_raw(headed("From : a@a.example", "To: b@b.example", "Bcc\t: c@c.example"))
    assert mail.envelope.recipients == ("b@b.example", "c@c.example")
    assert b"Bcc" not in mail.content


def test_bcc_gets_the_message_and_leaves_the_header() -> None:
    fields = ("From: a@a.example", "BCC: b@b.example,\n c@c.example", "To: d@d.example", "bcc:")
    mail = read_raw(headed(*fields), now=NOW)
    assert mail.envelope.recipients == ("b@b.example", "c@c.example", "d@d.example")
    assert mail.content.startswith(b"From: a@a.example\r\nTo: d@d.example\r\nDate: ")
    assert b"c@c" not in mail.content


def test_missing_date_and_message_id_are_added_at_the_end_of_the_header() -> None:
    mail = read_raw(headed("From: Ann <ann@bücher.example>", "To: b@b.example"), now=NOW)
    head, body = mail.content.split(b"\r\n\r\n")
    assert head.split(b"\r\n")[2:] == [
        b"Date: Fri, 02 Jan 2026 03:04:05 +0000",
        b"Message-ID: " + mail.message_id.encode(),
    ]
    assert mail.message_id.endswith("@xn--bcher-kva.example>")
    assert body == b"x\r\n"


def test_an_odd_message_id_stays_but_is_not_passed_on() -> None:
    mail = read_raw(headed("From: a@a.example", "To: b@b.example", "Message-ID: what ever"))
    assert b"Message-ID: what ever\r\n" in mail.content
    assert mail.message_id == ""


def test_a_header_without_a_body_gets_its_empty_line() -> None:
    mail = read_raw(b"From: a@a.example\nTo: b@b.example", now=NOW)
    assert mail.content.endswith(b"@a.example>\r\n\r\n")


def test_sender_has_precedence_over_from() -> None:
    mail = read_raw(
        headed("From: a@a.example, b@b.example", "Sender: b@b.example", "To: c@c.example")
    )
    assert mail.envelope.sender == "b@b.example"


RESENT = headed(
    "Resent-From: new@n.example",
    "Resent-To: x@x.example",
    "Resent-Bcc: y@y.example",
    "Resent-From: old@o.example",
    "Resent-To: z@z.example",
    "Received: by somebody",
    "Resent-Cc: even@older.example",
    "From: a@a.example",
    "To: b@b.example",
)


def test_the_newest_resending_decides() -> None:
    mail = read_raw(RESENT)
    assert mail.envelope == Envelope("new@n.example", ("x@x.example", "y@y.example"))
    assert b"Resent-Bcc" not in mail.content
    assert mail.content.count(b"Resent-") == 5


def test_resent_sender_has_precedence() -> None:
    mail = read_raw(b"Resent-Sender: me@m.example\n" + RESENT)
    assert mail.envelope.sender == "me@m.example"


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (headed("To: b@b.example"), "does not say whom it is from", "From: Ops"),
        (headed("From: g:;", "To: b@b.example"), "does not say whom", "From: Ops"),
        (headed("From: a@a.example"), "names no recipient in To, Cc or Bcc", "--to"),
        (headed("From: a@a.example", "To: undisclosed-recipients:;"), "names no recipient", "--to"),
        (
            headed("Resent-From: r@r.example", "From: a@a.example", "To: b@b.example"),
            "names no recipient in its newest Resent- fields",
            "--to",
        ),
        (
            headed("Resent-To: r@r.example", "From: a@a.example", "To: b@b.example"),
            "Resent-Sender or Resent-From names 0 addresses",
            "--envelope-from",
        ),
        (
            headed("From: a@a.example, b@b.example", "To: c@c.example"),
            "Sender or From names 2 addresses",
            "--envelope-from",
        ),
        (headed("From: a@a.example", "From: b@b.example"), "line 2 .*: a second From", ""),
        (headed("From: a@a.example", "Subject: x", "Subject: y"), "a second Subject", ""),
        (b"\n" + WHOLE, "line 1 .*: the message has no header", "From:"),
        (b"", "line 1 .*: the message has no header", "From:"),
        (headed("From: a@a.example", "Hello there"), "line 2 .*: .*'Hello there'", "empty line"),
        (headed(" folded", "From: a@a.example"), "line 1 .*no header field", "empty line"),
        (headed("From: a@a.example", " b", " \t", "Bcc: x"), "line 3 .*no header field", ""),
        (headed("From x y", "From: a@a.example", "\x1b[2J"), r"line 3 .*'\\x1b\[2J'", ""),
        (headed("From: a@a.example", "To: \x1b", "x"), "line 3 ", ""),
        (WHOLE + b"a\0b", "line 13 .*NUL", ""),
        (headed("From: a@a.example", "X: " + "x" * 996), "line 2 .*longer than 998", "base64"),
        (WHOLE + b"x" * 999, "line 13 .*longer than 998", "quoted-printable"),
    ],
)
def test_what_cannot_be_sent_is_explained(content: bytes, message: str, hint: str) -> None:
    error = refusal(content)
    with pytest.raises(MessageError, match=message):
        raise error
    assert hint in error.hint
    assert str(error).isprintable()


def test_998_octets_are_not_too_many() -> None:
    content = WHOLE + (b"x" * 998 + b"\r\n") * 3 + b"y" * 998
    assert read_raw(content).content == content + b"\r\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        ("a@a.example", ["a@a.example"]),
        (" a@a.example ,, Bob <b@b.example>,", ["a@a.example", "b@b.example"]),
        ('"Doe, Jane (x)" <j@j.example>', ["j@j.example"]),
        ("John Q. Public <j@j.example>", ["j@j.example"]),
        ("=?utf-8?q?a=2C_b=40c?= <j@j.example>", ["j@j.example"]),
        ('j@j.example (Jane (\\) Doe) "x)', ["j@j.example"]),
        ("(<x@x.example>,) j@j.example", ["j@j.example"]),
        (
            "Team: a@a.example, b@b.example;, c@c.example",
            ["a@a.example", "b@b.example", "c@c.example"],
        ),
        ("A:;,B: ;", []),
        ('"a:b": a@a.example;', ["a@a.example"]),
        ("a@[192.0.2.1], b@[IPv6:2001:db8::1]", ["a@[192.0.2.1]", "b@[IPv6:2001:db8::1]"]),
        ('"john doe"@x.example', ['"john doe"@x.example']),
        ("Jörg\t<j@bücher.example>", ["j@xn--bcher-kva.example"]),
    ],
)
def test_mailboxes_of_honest_fields(value: str, expected: list[str]) -> None:
    assert specs(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "alice@example.org)bob@example.org",  # CVE-2023-27043
        "alice@example.org]<bob@example.org>",
        "alice@example.org,)bob@example.org(",
        "alice@example.org(x)bob@example.org",
        "alice@example.org <bob@example.org>",
        "alice(@evil.example,)@example.org",
        "alice@example.org(.evil.example).test",
        '"alice@example.org"<bob@example.org',
        '"alice@example.org bob"@example.org',
        "<@relay.example,@two.example:alice@example.org>",
        "alice@example.org bob@example.org",
        "alice@example.org; bob@example.org",
        "<alice@example.org> <bob@example.org>",
        "Team: alice@example.org",
        "Team: Sub: alice@example.org;;",
        "Team: alice@example.org; bob@example.org",
        "alice@example.org: bob@example.org;",
        ": alice@example.org;",
        "alice@example.org;",
        '"alice@example.org',
        "alice@example.org (",
        "alice\\@example.org",
        "alice@exam\u200bple.org",
        "alice@example.org\x00",
        "alice",
        "Doe, Jane <j@j.example>",
        "=?utf-8?q?alice=40example.org?=",
    ],
)
def test_mailboxes_in_doubt_are_refused(value: str) -> None:
    with pytest.raises(AddressError) as caught:
        mailboxes(value)
    assert str(caught.value).isprintable()


def test_a_doubtful_field_is_named_with_its_line_and_the_way_out() -> None:
    fields = ("From: a@a.example", "To: b@b.example", "Cc: alice@example.org)bob@example.org")
    error = refusal(headed(*fields))
    assert isinstance(error, AddressError)
    assert str(error).startswith("line 3, Cc: ")
    assert "--to" in error.hint
    assert "--envelope-from" in refusal(headed(*fields[:2], "Sender: x")).hint
    assert refusal(headed("From: x", "To: b@b.example")).hint == "Correct it."


def test_addresses_that_are_not_utf_8_are_refused() -> None:
    assert "not UTF-8" in str(refusal(b"From: a@a.example\nTo: J\xfcrgen <j@j.example>\n\n"))


@pytest.mark.parametrize(
    "value",
    [
        *["(" * 300_000, "()" * 300_000, '"' * 300_001, "<" * 300_000, "a:;," * 100_000],
        *["a@b.example," * 30_000, "(\\" * 200_000, "[" * 300_000, "a@" * 300_000],
    ],
)
def test_long_fields_take_no_time(value: str) -> None:
    started = time.process_time()
    try:
        mailboxes(value)
    except AddressError as error:
        assert len(str(error)) < 300
    assert time.process_time() - started < 3


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"))


@given(TEXT, st.binary(), st.sampled_from(["7bit", "quoted-printable", "base64", "8bit"]))
def test_body_of_any_message_keeps_its_octets(text: str, data: bytes, encoding: str) -> None:
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = "Ann <ann@a.example>"
    message["To"] = "bob@b.example"
    message["Bcc"] = "cee@c.example"
    message.set_content(text if encoding != "7bit" else "ascii\n", cte=encoding)
    if data:
        message.add_attachment(data, maintype="application", subtype="x", filename="é.bin")
    source = message.as_bytes()
    mail = read_raw(source, now=NOW)
    assert mail.content.partition(b"\r\n\r\n")[2] == source.partition(b"\r\n\r\n")[2]
    parsed = message_from_bytes(mail.content, policy=policy.SMTP)
    assert parsed.keys() == [*(key for key in message if key != "Bcc"), "Date", "Message-ID"]
    assert mail.envelope.recipients == ("bob@b.example", "cee@c.example")


@given(
    st.binary(max_size=300)
    | st.lists(
        st.sampled_from(
            [
                b"From: a@b.example",
                b"\r",
                b"\n",
                b"\r\n",
                b"To:",
                b" ",
                b"x@y.example",
                b"Bcc :",
                b"\n\n",
            ]
        )
    ).map(b"".join)
)
def test_whatever_passes_has_clean_lines_and_no_bcc(content: bytes) -> None:
    try:
        mail = read_raw(content, now=NOW)
    except MessageError:
        return
    assert mail.content.count(b"\r\n") == mail.content.count(b"\r") == mail.content.count(b"\n")
    head = mail.content.partition(b"\r\n\r\n")[0].lower()
    assert b"\nbcc" not in head
    assert not head.startswith(b"bcc")
    assert mail.envelope.recipients
