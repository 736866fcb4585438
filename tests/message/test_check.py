"""The second look finds what the first must not let through."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexomailer_cli.errors import MessageError
from nexomailer_cli.message.address import parse_address
from nexomailer_cli.message.check import Shape, check, check_lines
from nexomailer_cli.message.draft import Address
from nexomailer_cli.message.header import address_body

GOOD = (
    b"From: Me <me@example.org>\r\n"
    b'To: "Doe, Jane" <jane@example.org>,\r\n b@example.org\r\n'
    b"Subject: hi\r\n"
    b"\r\n"
    b"text\r\n"
)
NAMES = ["From", "To", "Subject"]
BOXES = {"From": ("me@example.org",), "To": ("jane@example.org", "b@example.org")}
SHAPE = Shape(NAMES, "To")


def test_a_sound_message_passes() -> None:
    check(GOOD, names=NAMES, mailboxes=BOXES)
    SHAPE.check(GOOD, BOXES["To"])
    Shape(NAMES, "").check(GOOD, ())


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"text\r\n", b"text", "CRLF"),
        (b"text\r\n", b"text\n", "CRLF"),
        (b"text\r\n", b"te\rxt\r\n", "CRLF"),
        (b"text\r\n", b"te\nxt\r\n", "CRLF"),
        (b"text\r\n", b"te\n\rxt\r\n", "CRLF"),
        (b"text\r\n", b"te\n.\r\r\n", "CRLF"),
        (b"text", b"te\0xt", "NUL"),
        (b"text", b"x" * 999, "line 6 is longer"),
        (b"hi", b"x" * 990, "line 4 is longer"),
        (b"hi\r\n", b"hi\r\nBcc: x@y.example\r\n", "not the intended"),
        (b"hi\r\n", b"hi\r\nX-Other: x\r\n", "not the intended"),
        (b"Subject: hi\r\n", b"", "not the intended"),
        (b"Subject", b"Subjekt", "not the intended"),
        (b"hi\r\n", b"hi\r\n\t\r\n", "control"),
        (b"hi\r\n", b"hi\r\n  \r\n", "well-formed"),
        (b"hi\r\n", b"hi\r\nno colon\r\n", "well-formed"),
        (b"Subject:", b"Subject :", "well-formed"),
        (b"Subject:", b"Sub\xc3\xa4:", "well-formed"),
        (b"From", b" From", "well-formed"),
        (b"\r\n\r\ntext", b"", "well-formed"),
        (b"hi", b"h\x1bi", "control"),
        (b"hi", b"h\xc2\x85i", "control"),
        (b"hi", b"h\xe2\x80\xa8i", "control"),
        (b"hi", b"=?utf-8?q?hi=0D=0ABcc=3A_x?=", "hides"),
        (b"hi", b"=?utf-8?b?DQpCY2M6IHg=?=", "hides"),
        (b"b@example.org", b"b@example.org, c@example.org", "To would not"),
        (b"b@example.org", b"c@example.org", "To would not"),
        (b"b@example.org", b"B@example.org", "To would not"),
        (b"b@example.org", b"b@example.org>", "address list"),
        (b"b@example.org", b"b@example.org SIZE=1", "address list"),
        (b"b@example.org", b"undisclosed-recipients:;", "address list"),
        (b'"Doe, Jane"', b"Doe, Jane", "address list"),
        (b'"Doe, Jane"', b"a@evil.example, Jane", "To would not"),
        (b'"Doe, Jane"', b"<a@evil.example>, Jane", "To would not"),
        (b"Me <me@", b"Me <you@", "From would not"),
    ],
)
def test_a_damaged_message_is_refused(old: bytes, new: bytes, why: str) -> None:
    assert old in GOOD
    with pytest.raises(MessageError, match="refusing to send") as caught:
        check(GOOD.replace(old, new, 1), names=NAMES, mailboxes=BOXES)
    assert why in str(caught.value)
    if why.startswith("From"):  # a shape compares one field, which is To here
        return
    with pytest.raises(MessageError, match="refusing to send") as caught:
        SHAPE.check(GOOD.replace(old, new, 1), BOXES["To"])
    assert why in str(caught.value)


def test_a_harmless_encoded_word_passes() -> None:
    check(GOOD.replace(b"hi", b"=?utf-8?q?h=C3=A4?="), names=NAMES, mailboxes=BOXES)


def test_bcc_is_refused_even_when_it_is_expected() -> None:
    content = GOOD.replace(b"Subject: hi", b"bCC: x@y.example")
    with pytest.raises(MessageError, match="Bcc"):
        check(content, names=["From", "To", "bCC"], mailboxes=BOXES)


def test_a_field_that_stands_once_is_refused_twice_even_when_expected() -> None:
    content = GOOD.replace(b"Subject: hi\r\n", b"Subject: hi\r\nsubject: ho\r\n")
    with pytest.raises(MessageError, match="stands once"):
        check(content, names=[*NAMES, "subject"], mailboxes=BOXES)


def test_other_fields_may_repeat() -> None:
    content = GOOD.replace(b"Subject: hi\r\n", b"X-Tag: a\r\nX-Tag: b\r\n")
    check(content, names=["From", "To", "X-Tag", "X-Tag"], mailboxes=BOXES)


def test_undisclosed_recipients_name_nobody() -> None:
    content = b"From: me@example.org\r\nTo: undisclosed-recipients:;\r\n\r\nx\r\n"
    check(content, names=["From", "To"], mailboxes={"To": ()})
    with pytest.raises(MessageError, match="To would not"):
        check(content, names=["From", "To"], mailboxes={"To": ("a@x.example",)})


def test_a_line_of_998_octets_passes_wherever_it_stands() -> None:
    for before in (b"", b"a\r\n", b"a\r\n" * 400, b"x" * 998 + b"\r\n"):
        line = before.count(b"\n") + 1
        check_lines(before + b"y" * 998 + b"\r\nz\r\n")
        with pytest.raises(MessageError, match=f"line {line} is longer"):
            check_lines(before + b"y" * 999 + b"\r\nz\r\n")


@settings(max_examples=300)
@given(st.text(st.sampled_from("ab\r\n\0"), max_size=30))
def test_line_ends_are_judged_as_by_hand(text: str) -> None:
    data = text.encode() + b"\r\n"
    sound = not set(data.replace(b"\r\n", b"")) & set(b"\r\n\0")
    try:
        check_lines(data)
    except MessageError:
        assert not sound
    else:
        assert sound


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            [
                "a@x.example",
                '"john doe"@x.example',
                "user@[192.0.2.1]",
                '"john doe"@[IPv6:2001:db8::1]',
                "jürgen@xn--bcher-kva.example",
                "o'neil+t=x/y@x.example",
            ]
        ),
        min_size=1,
        max_size=5,
    ),
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=40),
)
def test_the_second_parser_agrees_with_the_first_writer(specs: list[str], name: str) -> None:
    addresses = [Address(parse_address(spec).spec, name.strip(" ")) for spec in specs]
    content = f"To: {address_body('To', addresses)}\r\n\r\n\r\n".encode()
    check(content, names=["To"], mailboxes={"To": tuple(specs)})


def test_large_and_hostile_messages_take_linear_time() -> None:
    started = time.process_time()
    check_lines(b"x" * 76 + b"\r\n" * 1 + (b"y" * 76 + b"\r\n") * 200_000)
    for value in (b"<" * 900, b'"' * 900, b'"\\' * 450, b"a@" * 450, b"=?" * 450, b"a " * 450):
        content = b"To: " + b"\r\n ".join([value] * 200) + b"\r\n\r\n"
        with pytest.raises(MessageError):
            check(content, names=["To"], mailboxes={"To": ()})
    assert time.process_time() - started < 3
