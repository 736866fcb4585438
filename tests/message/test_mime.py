"""Bodies: the standard library's parser reads back what went in."""

from __future__ import annotations

import email.policy
import gc
import re
from email.parser import BytesParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nexomailer_cli.errors import MessageError
from nexomailer_cli.message import mime
from nexomailer_cli.message.draft import Address, Attachment, Draft
from nexomailer_cli.message.identity import boundary_mark
from nexomailer_cli.message.mime import Part, attachment_part, body_part

if TYPE_CHECKING:
    from email.message import EmailMessage, MIMEPart

SEED = "<seed@example.org>"
SENDER = Address("me@example.org")
BODY = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
SMUGGLED = [
    *("\n.\n", "\r.\r", "\r.\n", "\n.\r", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r\n.\r"),
    "\r\n\0.\r\n",
]


def draft(
    text: str | None = None, html: str | None = None, attachments: tuple[Attachment, ...] = ()
) -> Draft:
    return Draft(sender=SENDER, text=text, html=html, attachments=attachments)


def octets(part: Part) -> bytes:
    return b"".join((b"MIME-Version: 1.0\r\n", part.head, b"\r\n", *part.pieces))


def parsed(part: Part) -> EmailMessage:
    message: EmailMessage = BytesParser(policy=email.policy.default).parsebytes(octets(part))
    for each in message.walk():
        assert each.defects == []
    return message


def shape(message: MIMEPart) -> object:
    kind = message.get_content_type()
    if not message.is_multipart():
        return kind
    return {kind: [shape(part) for part in message.iter_parts()]}


def canonical(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.endswith("\n") else text + "\n"


def content(message: MIMEPart) -> str:
    data = message.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data.decode().replace("\r\n", "\n")


def assert_lines_are_sound(data: bytes) -> None:
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", data)
    assert max(map(len, data.split(b"\r\n"))) <= 998


@settings(max_examples=300)
@given(BODY)
@example("")
@example("x" * 998)
@example("x" * 999)
@example("ä" * 5000)
@example("a\n" * 1000 + "-- \nsignature")
@example("trailing \nspaces\t\n= =3D\n")
@example("From here\n.\n..\n\x1b[2J\x85\u2028")
@example("y" * 997 + "\n" + "z" * 998 + "\n" + "ends")
def test_any_text_comes_back_with_sound_lines(text: str) -> None:
    part = body_part(draft(text), SEED)
    assert_lines_are_sound(octets(part))
    message = parsed(part)
    assert content(message) == canonical(text)
    assert message.get_content_charset() == "utf-8"


@settings(max_examples=200)
@given(BODY, BODY, st.binary(max_size=300))
def test_any_text_html_and_attachment_come_back(text: str, html: str, data: bytes) -> None:
    attachment = Attachment("x.bin", "application/x-test", data)
    message = parsed(body_part(draft(text, html, (attachment,)), SEED))
    assert shape(message) == {
        "multipart/mixed": [
            {"multipart/alternative": ["text/plain", "text/html"]},
            "application/x-test",
        ]
    }
    alternative, attached = message.iter_parts()
    plain, rich = alternative.iter_parts()
    assert content(plain) == canonical(text)
    assert content(rich) == canonical(html)
    assert attached.get_payload(decode=True) == data


@pytest.mark.parametrize("sequence", SMUGGLED)
def test_smuggling_sequences_become_ordinary_lines(sequence: str) -> None:
    text = f"first{sequence}MAIL FROM:<evil@example.org>\r\nDATA{sequence}end"
    data = octets(body_part(draft(text, text), SEED))
    assert_lines_are_sound(data)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain\n", "7bit"),
        ("x" * 998, "7bit"),
        ("tab\there", "7bit"),
        ("x" * 999, "quoted-printable"),
        ("bell\a", "quoted-printable"),
        ("a longer line with a NUL\0", "quoted-printable"),
        ("Grüße aus der schönen Stadt, und bis bald", "quoted-printable"),
        ("漢字かな" * 20, "base64"),
    ],
)
def test_the_encoding_is_the_lightest_that_is_safe(text: str, encoding: str) -> None:
    part = body_part(draft(text), SEED)
    assert parsed(part)["Content-Transfer-Encoding"] == encoding
    if encoding == "quoted-printable":
        assert max(map(len, octets(part).split(b"\r\n"))) <= 76


@pytest.mark.parametrize("kind", ["text", "html"])
def test_a_body_that_is_not_unicode_is_refused(kind: str) -> None:
    bad = "ab\udce9"
    with pytest.raises(MessageError, match="at character 3"):
        body_part(draft(bad) if kind == "text" else draft(html=bad), SEED)


PDF = Attachment("a.pdf", "application/pdf", b"%PDF")
LOGO = Attachment("logo.png", "image/png", b"\x89PNG", "logo")


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (draft(), "text/plain"),
        (draft("t"), "text/plain"),
        (draft(html="h"), "text/html"),
        (draft("t", "h"), {"multipart/alternative": ["text/plain", "text/html"]}),
        (draft("t", None, (PDF,)), {"multipart/mixed": ["text/plain", "application/pdf"]}),
        (draft(None, "h", (LOGO,)), {"multipart/related": ["text/html", "image/png"]}),
        (draft("t", None, (LOGO,)), {"multipart/mixed": ["text/plain", "image/png"]}),
        (draft(None, None, (PDF,)), {"multipart/mixed": ["text/plain", "application/pdf"]}),
        (
            draft("t", "h", (PDF, LOGO, PDF)),
            {
                "multipart/mixed": [
                    {
                        "multipart/alternative": [
                            "text/plain",
                            {"multipart/related": ["text/html", "image/png"]},
                        ]
                    },
                    "application/pdf",
                    "application/pdf",
                ]
            },
        ),
    ],
)
def test_parts_nest_as_they_should_and_no_deeper(one: Draft, expected: object) -> None:
    assert shape(parsed(body_part(one, SEED))) == expected


def test_an_inline_part_has_its_content_id() -> None:
    message = parsed(body_part(draft("t", "<img src=cid:logo>", (LOGO,)), SEED))
    (related,) = [m for m in message.walk() if m.get_content_subtype() == "related"]
    assert related.get_param("type") == "text/html"
    _, image = list(message.walk())[-2:]
    assert image["Content-ID"] == "<logo>"
    assert image.get_content_disposition() == "inline"
    assert image.get_filename() == "logo.png"


def test_two_inline_parts_with_one_content_id_are_refused() -> None:
    other = Attachment("b.png", "image/png", b"", "logo")
    with pytest.raises(MessageError, match="same content id"):
        body_part(draft(None, "h", (LOGO, other)), SEED)


@pytest.mark.parametrize("content_id", ["a b", "<a>", "ä", "a\r\nBcc: x", "=?x", "x" * 201])
def test_what_is_no_content_id_is_refused(content_id: str) -> None:
    with pytest.raises(MessageError, match="not a content id"):
        attachment_part(Attachment("x", "image/png", b"", content_id))


@pytest.mark.parametrize(
    "media_type", ["", "text", "text/", "a/b c", "a/b\r\nBcc: x", "a/ä", "a/b; c", "a/=?x"]
)
def test_what_is_no_media_type_is_refused(media_type: str) -> None:
    with pytest.raises(MessageError, match="is not a media type"):
        attachment_part(Attachment("x", media_type, b""))


@pytest.mark.parametrize(
    ("media_type", "data", "expected"),
    [
        ("application/pdf", b"x", "application/pdf"),
        ("text/csv", "ä".encode(), "text/csv; charset=utf-8"),
        ("text/csv", b"\xe4", "text/csv"),
        ("text/calendar; method=REQUEST", b"x", "text/calendar; method=REQUEST"),
        ("message/rfc822", b"Subject: x\n\ny", "application/octet-stream"),
        ("Multipart/Mixed", b"x", "application/octet-stream"),
    ],
)
def test_the_media_type_is_given_on_where_base64_allows(
    media_type: str, data: bytes, expected: str
) -> None:
    message = parsed(attachment_part(Attachment("x", media_type, data)))
    assert message["Content-Type"].replace('"', "") == expected
    assert message.get_payload(decode=True) == data


def test_an_attachment_without_a_name_has_none() -> None:
    message = parsed(attachment_part(Attachment("", "a/b", b"")))
    assert message["Content-Disposition"] == "attachment"


def test_an_attachment_is_encoded_once_and_forgotten_with_it() -> None:
    attachment = Attachment("once.bin", "a/b", b"once" * 1000)
    part = attachment_part(attachment)
    assert attachment_part(attachment) is part
    (piece,) = part.pieces
    assert any(piece is each for each in body_part(draft("t", None, (attachment,)), SEED).pieces)
    before = len(mime._ENCODED)
    del attachment
    gc.collect()
    assert len(mime._ENCODED) == before - 1


def test_a_body_that_foresees_the_boundary_gets_another() -> None:
    mark = boundary_mark(SEED, ())
    hostile = f"--=_alternative_{mark}\nContent-Type: text/html\n\nevil\n--=_alternative_{mark}--"
    message = parsed(body_part(draft(hostile, "h"), SEED))
    assert shape(message) == {"multipart/alternative": ["text/plain", "text/html"]}
    assert content(next(iter(message.iter_parts()))) == hostile + "\n"


def test_a_seed_always_gives_the_same_bytes() -> None:
    one = draft("t", "h", (PDF, LOGO))
    assert octets(body_part(one, SEED)) == octets(body_part(one, SEED))
    assert octets(body_part(one, SEED)) != octets(body_part(one, "<other@example.org>"))
