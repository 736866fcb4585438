"""Text from outside cannot do anything to a terminal, a log or JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("250 ok", "250 ok"),
        ("Grüße, 日本 🙂 a\u0301", "Grüße, 日本 🙂 a\u0301"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("a\r\nb\tc", "a\\x0d\\x0ab\\x09c"),
        ("\x00\x7f\x80\x9b", "\\x00\\x7f\\x80\\x9b"),
        ("\u202etxt.exe\u2066\u200f\u061c", "\\u202etxt.exe\\u2066\\u200f\\u061c"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("\ud800", "\\ud800"),
        ("\\x1b", "\\x1b"),
        ("", ""),
    ],
)
def test_what_could_do_harm_is_shown_instead_of_done(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_no_character_gets_through_because_unicode_calls_it_printable() -> None:
    changed = {point for point in range(0x110000) if printable(chr(point)) != chr(point)}
    assert changed == {
        *range(0x20),
        *range(0x7F, 0xA0),
        *(0x61C, 0x200E, 0x200F, 0x2028, 0x2029),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        *range(0xD800, 0xE000),
    }


@given(st.text(st.characters(codec=None)))
def test_what_is_shown_is_one_line_that_every_encoder_takes(text: str) -> None:
    shown = printable(text)
    shown.encode()
    json.dumps(shown)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(each) < 0x20 or 0x7F <= ord(each) < 0xA0 for each in shown)
    assert printable(shown) == shown
