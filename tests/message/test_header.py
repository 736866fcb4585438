"""Header fields: whatever goes in comes back, and only there."""

from __future__ import annotations

import email.policy
import re
import time
from datetime import datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nexomailer_cli.errors import AddressError, MessageError
from nexomailer_cli.message.address import parse_address
from nexomailer_cli.message.custom import custom_fields
from nexomailer_cli.message.draft import Address
from nexomailer_cli.message.encodedword import encoded_words
from nexomailer_cli.message.header import address_body, text_body, token_body
from nexomailer_cli.message.identity import check_message_id, date_body, references
from nexomailer_cli.message.parameter import filename_parameters
from nexomailer_cli.message.unsubscribe import unsubscribe_fields

if TYPE_CHECKING:
    from email.message import EmailMessage

CONTROLS = "\0\t\n\v\f\r\x1b\x7f\x80\x85\x9b\u2028\u2029\udce9"
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=120)


def parsed(name: str, body: str) -> Any:
    """Read one field with the standard library's parser."""
    lines = f"{name}: {body}\r\n\r\n".encode()
    message: EmailMessage = BytesParser(policy=email.policy.default).parsebytes(lines)
    assert message.keys() == [name]
    return message[name]


def assert_well_folded(name: str, body: str, *, width: int = 998) -> None:
    lines = f"{name}: {body}".split("\r\n")
    assert not re.search(r"\r(?!\n)|(?<!\r)\n", body)
    assert all(len(line.encode()) <= width for line in lines)
    assert all(line.strip(" ") for line in lines)
    assert all(line.startswith(" ") for line in lines[1:])


@settings(max_examples=300)
@given(TEXT)
@example("=?utf-8?q?hi=0D=0ABcc=3A_x?=")
@example("=?utf-8?b?DQpCY2M6IHg=?=")
@example("a  b" * 60)
@example("ä" * 500)
@example("漢字" * 100)
@example("x" * 2000)
@example(" leading and trailing ")
def test_a_subject_comes_back_as_it_went_in(subject: str) -> None:
    body = text_body("Subject", subject)
    assert_well_folded("Subject", body)
    unfolded = body.replace("\r\n", "")
    if "=?" in unfolded:
        # `str` of the standard library's header drops spaces beside encoded-words.
        assert str(make_header(decode_header(unfolded))) == subject.strip(" ")
    else:
        assert unfolded == subject.strip(" ")
    assert parsed("Subject", body).defects == ()


def test_a_plain_subject_stays_readable() -> None:
    assert text_body("Subject", "Hello, world: 100 % <ok>") == "Hello, world: 100 % <ok>"


def test_a_long_plain_subject_is_folded_at_a_space_within_78_characters() -> None:
    body = text_body("Subject", "word " * 60)
    assert_well_folded("Subject", body, width=78)
    assert "=?" not in body


def test_a_long_word_stays_whole_until_no_line_can_hold_it() -> None:
    url = "https://example.org/" + "x" * 800
    assert text_body("X-Link", f"see {url}") == f"see\r\n {url}"
    assert_well_folded("X-Link", text_body("X-Link", url + "y" * 200))


def test_a_run_of_spaces_never_makes_a_blank_line() -> None:
    assert_well_folded("Subject", text_body("Subject", "a" + " " * 90 + "b"))
    assert_well_folded("Subject", text_body("Subject", "a" + " " * 2000 + "b"))


@pytest.mark.parametrize("character", CONTROLS)
def test_a_control_character_is_refused_by_name(character: str) -> None:
    with pytest.raises(MessageError) as caught:
        text_body("Subject", f"hi{character}Bcc: x@evil.example")
    assert "Subject" in str(caught.value)
    assert "character 3" in str(caught.value)
    with pytest.raises(MessageError, match="To"):
        address_body("To", [Address("a@x.example", f"a{character}b")])
    with pytest.raises(MessageError, match="file name"):
        filename_parameters(f"a{character}b.pdf")
    with pytest.raises(MessageError, match="not a header name"):
        custom_fields([(f"X-A{character}Bcc", "x")])
    with pytest.raises(MessageError, match="X-A"):
        custom_fields([("X-A", f"{character}x")])


@settings(max_examples=200)
@given(TEXT.filter(bool), st.integers(min_value=0, max_value=75))
def test_each_encoded_word_is_short_and_holds_whole_characters(text: str, first: int) -> None:
    words = encoded_words(text, first)
    assert all(len(word) <= 75 and word.isascii() and " " not in word for word in words)
    for word in words:
        ((data, charset),) = decode_header(word)
        assert isinstance(data, bytes)
        assert charset == "utf-8"
        data.decode()
    assert str(make_header(decode_header("\r\n ".join(words)))) == text


def test_the_shorter_of_the_two_encodings_is_used() -> None:
    assert encoded_words("Grüße an alle in der Stadt")[0].startswith("=?utf-8?q?")
    assert encoded_words("漢字かな")[0].startswith("=?utf-8?b?")


@settings(max_examples=300)
@given(st.lists(TEXT, min_size=1, max_size=4))
@example(["=?utf-8?q?a=2C_b=40evil=2Eexample?="])
@example(['Doe, "Jane" \\', "a@b", "<x@y>", "(c)", "a:b;", "."])
@example(["x" * 300, "ä" * 300])
def test_any_display_names_leave_the_addresses_alone(names: list[str]) -> None:
    addresses = [
        Address(f"user{number}@example.org", name.strip(" ")) for number, name in enumerate(names)
    ]
    body = address_body("To", addresses)
    assert_well_folded("To", body)
    found = parsed("To", body).addresses
    assert [each.addr_spec for each in found] == [each.spec for each in addresses]
    # The standard library makes white space of its own between encoded-words of a phrase
    # (fixed in 3.13); the next test has the names to the letter.
    assert ["".join(each.display_name.split()) for each in found] == [
        "".join(each.name.split()) for each in addresses
    ]


@settings(max_examples=200)
@given(TEXT)
@example("=?utf-8?q?a=2C_b=40evil=2Eexample?=")
@example('a "b" \\ c')
@example("ä" * 300)
def test_a_display_name_comes_back_to_the_letter(name: str) -> None:
    body = address_body("To", [Address("a@x.example", name.strip(" "))])
    phrase = body.replace("\r\n", "").removesuffix(" <a@x.example>")
    if phrase == "a@x.example":
        phrase = ""
    elif phrase.startswith('"'):
        phrase = re.sub(r"\\(.)", r"\1", phrase[1:-1])
    elif phrase.startswith("=?"):
        phrase = str(make_header(decode_header(phrase)))
    assert phrase == name.strip(" ")


def test_names_are_bare_quoted_or_encoded_as_they_need() -> None:
    assert address_body("To", [Address("a@x.example", "Jane Doe")]) == "Jane Doe <a@x.example>"
    assert address_body("To", [Address("a@x.example", "Jane D.")]) == '"Jane D." <a@x.example>'
    assert (
        address_body("To", [Address("a@x.example", "Jürgen")])
        == "=?utf-8?q?J=C3=BCrgen?= <a@x.example>"
    )


def test_many_recipients_are_folded_between_addresses() -> None:
    body = address_body("To", [Address(f"somebody{n}@example.org", "Some Body") for n in range(50)])
    assert_well_folded("To", body, width=78)


def test_a_token_is_never_encoded() -> None:
    long = [f"<{'x' * 60}{n}@example.org>" for n in range(5)]
    assert token_body("References", long).split() == long
    for bad in ("<ä@x>", "<=?utf-8?q?x?=@x>", "<a b@x>", "<" + "x" * 901 + ">"):
        with pytest.raises(MessageError, match="References"):
            token_body("References", [bad])


@settings(max_examples=300)
@given(
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=150)
)
@example("report.pdf")
@example('we"ird\\name.pdf')
@example("résumé.pdf")
@example("a  b.pdf")
@example("100%.pdf")
@example("=?utf-8?q?x?=.pdf")
@example("漢字" * 70 + ".pdf")
@example("x" * 200 + ".pdf")
def test_a_file_name_comes_back_as_it_went_in(filename: str) -> None:
    try:
        parameters = filename_parameters(filename)
    except MessageError:
        assert re.search("[\u202a-\u202e\u2066-\u2069]", filename)
        return
    body = ";\r\n ".join(("attachment", *parameters))
    assert_well_folded("Content-Disposition", body, width=78)
    assert body.isascii()
    assert parsed("Content-Disposition", body).params["filename"] == filename


def test_a_file_name_has_an_ascii_fallback() -> None:
    assert filename_parameters("résumé.pdf")[-1] == 'filename="resume.pdf"'
    assert filename_parameters("漢字")[-1] == 'filename="attachment"'


def test_custom_fields_keep_their_order_and_may_repeat() -> None:
    given_fields = (("X-Tag", "a"), ("Precedence", "bulk"), ("X-Tag", "ä"), ("X-Empty", " "))
    assert custom_fields(given_fields) == (
        ("X-Tag", "a"),
        ("Precedence", "bulk"),
        ("X-Tag", "=?utf-8?b?w6Q=?="),
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("From", "--from"),
        ("TO", "--to"),
        ("cc", "--cc"),
        ("Bcc", "--bcc"),
        ("Reply-To", "--reply-to"),
        ("Subject", "--subject"),
        ("Message-ID", "--message-id"),
        ("Return-Path", "--envelope-from"),
        ("MIME-Version", "body"),
        ("Content-Type", "body"),
        ("Resent-Bcc", "--raw"),
        ("Received", "servers"),
        ("List-Unsubscribe-Post", "https"),
    ],
)
def test_a_field_the_message_sets_is_refused_with_the_option(name: str, hint: str) -> None:
    with pytest.raises(MessageError) as caught:
        custom_fields([(name, "x")])
    assert hint.lower() in caught.value.hint.lower()


@pytest.mark.parametrize(
    "name", ["", " X", "X Y", "X:", "Ä", "a\\", "=?utf-8?q?x?=", "X" * 71, "X-A: b\r\nBcc"]
)
def test_what_is_no_header_name_is_refused(name: str) -> None:
    with pytest.raises(MessageError, match="not a header name"):
        custom_fields([(name, "x")])


def test_structured_fields_are_written_by_their_kind() -> None:
    fields = dict(
        custom_fields(
            [
                ("Sender", "Jürgen <j@bücher.example>"),
                ("References", "<a@x>  <b@y><c@z>"),
                ("In-Reply-To", "<a@b@c>"),
                ("List-Id", '"Ünï" <l.example.org>'),
                ("List-Help", "<mailto:help@x.example>, <https://x.example/>"),
                ("Errors-To", "a@x.example; B <b@x.example>"),
                ("Date", "Mon, 23 Nov 2026 08:15:00 -0000"),
            ]
        )
    )
    assert fields == {
        "Sender": "=?utf-8?q?J=C3=BCrgen?= <j@xn--bcher-kva.example>",
        "References": "<a@x> <b@y> <c@z>",
        "In-Reply-To": "<a@b@c>",
        "List-Id": "=?utf-8?b?w5xuw68=?= <l.example.org>",
        "List-Help": "<mailto:help@x.example>, <https://x.example/>",
        "Errors-To": "a@x.example, B <b@x.example>",
        "Date": "Mon, 23 Nov 2026 08:15:00 +0000",
    }
    assert custom_fields([("List-Id", "<l.x>")]) == (("List-Id", "<l.x>"),)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sender", "a@x.example, b@x.example"),
        ("Errors-To", ","),
        ("References", "<a b@x>"),
        ("References", "<=?utf-8?q?x?=@x>"),
        ("In-Reply-To", "a@x"),
        ("List-Id", "no brackets"),
        ("List-Help", "<ä>"),
        ("List-Unsubscribe", "https://x.example/"),
        ("Date", "yesterday"),
        ("Date", "Mon, 99 Nov 2026 08:15:00 +0000"),
    ],
)
def test_a_structured_field_with_a_wrong_value_is_refused(name: str, value: str) -> None:
    with pytest.raises((MessageError, AddressError)):
        custom_fields([(name, value)])


def test_a_field_that_stands_once_is_refused_twice() -> None:
    with pytest.raises(MessageError, match="more than once"):
        custom_fields([("Sender", "a@x.example"), ("SENDER", "b@x.example")])
    with pytest.raises(MessageError, match="more than once"):
        custom_fields([("List-Unsubscribe", "<https://x.example/>")] * 2)


def test_list_unsubscribe_announces_one_click_only_with_https() -> None:
    https, mailto = "https://x.example/u?a=?b", "mailto:u@x.example"
    assert unsubscribe_fields(()) == ()
    assert unsubscribe_fields((f"<{mailto}>",)) == (("List-Unsubscribe", f"<{mailto}>"),)
    assert unsubscribe_fields((https, mailto)) == (
        ("List-Unsubscribe", f"<https://x.example/u?a=%3Fb>, <{mailto}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    )
    assert custom_fields([("List-Unsubscribe", f"<{mailto}> , <HTTPS://x.example/u>")]) == (
        ("List-Unsubscribe", f"<{mailto}>, <HTTPS://x.example/u>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    )


def test_long_unsubscribe_uris_are_folded_and_never_encoded() -> None:
    uri = "https://x.example/" + "u" * 300
    ((_, body), _) = unsubscribe_fields((uri, "mailto:u@x.example"))
    assert body == f"<{uri}>,\r\n <mailto:u@x.example>"


@pytest.mark.parametrize(
    "uri",
    [
        "http://x.example/",
        "ftp://x.example/",
        "https://",
        "mailto:nobody",
        "https://x.example/ b",
        "https://x.example/>,<https://evil.example/",
        "https://x.example/\r\nBcc: x",
        "https://x.example/ä",
        "https://x.example/" + "u" * 1000,
    ],
)
def test_other_unsubscribe_uris_are_refused(uri: str) -> None:
    with pytest.raises(MessageError, match="List-Unsubscribe"):
        unsubscribe_fields((uri,))


def test_http_is_refused_with_the_reason() -> None:
    with pytest.raises(MessageError) as caught:
        unsubscribe_fields(("http://x.example/",))
    assert "RFC 8058" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["", "a@x", "<a@x", "<ax>", "<a b@x>", "<a@x>\r\n", "<ä@x>", "<a@b@c>", "<=?x@y>", "<@x>"],
)
def test_what_is_no_message_id_is_refused(text: str) -> None:
    with pytest.raises(MessageError):
        check_message_id(text)


def test_message_ids_are_taken_as_they_are() -> None:
    assert check_message_id("<a.b$c%d@[192.0.2.1]>") == "<a.b$c%d@[192.0.2.1]>"
    assert references("References", " <a@x> <b@y>") == ("<a@x>", "<b@y>")
    with pytest.raises(MessageError):
        check_message_id("<" + "a" * 900 + "@x>")


def test_a_date_has_the_offset_of_its_zone() -> None:
    zone = timezone(-timedelta(hours=3, minutes=30))
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=zone)
    assert date_body(when) == "Fri, 02 Jan 2026 03:04:05 -0330"
    assert parsed("Date", date_body(when)).datetime == when


def test_a_naive_date_and_no_date_are_local_time() -> None:
    naive = datetime(2026, 7, 1, 12, 0, 0)
    assert parsed("Date", date_body(naive)).datetime == naive.astimezone()
    now = parsed("Date", date_body(None)).datetime
    assert abs((datetime.now().astimezone() - now).total_seconds()) < 5


def test_huge_values_take_linear_time() -> None:
    started = time.process_time()
    for value in (
        "x " * 200_000,
        "x" * 400_000,
        "ä" * 200_000,
        "=?" * 200_000,
        " " * 400_000 + "x",
    ):
        text_body("Subject", value)
        address_body("To", [Address("a@x.example", value.strip(" "))])
    assert time.process_time() - started < 5


def test_an_address_goes_through_header_and_back() -> None:
    address = parse_address('"Doe, Jane" <jane@example.org>')
    assert parse_address(address_body("To", [address])) == address
