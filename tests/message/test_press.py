"""A message made of the pieces of another one is, octet for octet, the one that `compose` makes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nexomailer_cli.errors import MessageError
from nexomailer_cli.message import press as press_module
from nexomailer_cli.message.address import parse_address
from nexomailer_cli.message.compose import compose
from nexomailer_cli.message.draft import Address, Attachment, Draft
from nexomailer_cli.message.press import Press

OPS = parse_address("Ops <ops@example.com>")
JANE = parse_address("Jane <jane@example.org>")
WHEN = datetime(2026, 11, 25, 8, 15, tzinfo=UTC)
MARK = "0123456789abcdef01234567"
FIRST = Draft(
    sender=OPS,
    to=(JANE,),
    subject="Hello",
    text="Hi Jane",
    html="<p>Hi Jane",
    date=WHEN,
    message_id="<1@example.com>",
    list_unsubscribe=("https://example.com/u/1",),
    boundary=MARK,
)
PDF = Attachment("a.pdf", "application/pdf", b"data" * 40)
LOGO = Attachment("a.png", "image/png", b"png", content_id="logo")

TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["", " ", "Grüße", "a\r\nBcc: x@evil.example", "a\nb", "x" * 1200, MARK]),
)
SETTLED: dict[str, st.SearchStrategy[Any]] = {
    "sender": st.sampled_from([OPS, JANE]),
    "cc": st.sampled_from([(), (OPS,)]),
    "reply_to": st.sampled_from([(), (OPS,)]),
    "attachments": st.sampled_from([(), (PDF,), (PDF, LOGO)]),
    "headers": st.sampled_from([(), (("X-Tag", "1"),), (("Date", "23 Nov 2026 08:15 +0100"),)]),
    "boundary": st.sampled_from([MARK, MARK, MARK, ""]),
}
VARIED: dict[str, st.SearchStrategy[Any]] = {
    "to": st.sampled_from([(JANE,), (Address("b@example.org"),), (JANE, OPS), ()]),
    "bcc": st.sampled_from([(), (OPS,)]),
    "subject": TEXT,
    "text": st.one_of(TEXT, st.none()),
    "html": st.one_of(TEXT, st.none()),
    "date": st.sampled_from([WHEN, WHEN.replace(year=2027)]),
    "message_id": st.sampled_from(["<1@example.com>", "<2@example.com>", "no id"]),
    "list_unsubscribe": st.sampled_from(
        [(), ("https://a.example/2",), ("mailto:u@a.example",), ("https://a.example", "gopher:")]
    ),
    "envelope_from": st.sampled_from([None, "", "bounces@example.com"]),
}
CHANGES = st.lists(st.fixed_dictionaries({}, optional=VARIED), min_size=1, max_size=5)


def outcome(write: object, draft: Draft) -> object:
    assert callable(write)
    try:
        return write(draft)
    except MessageError as error:
        return str(error) and "refused"


@settings(max_examples=400)
@given(first=st.fixed_dictionaries({}, optional=SETTLED), changes=CHANGES)
def test_any_messages_in_any_order_are_those_that_compose_makes(
    first: dict[str, Any], changes: list[dict[str, Any]]
) -> None:
    press = Press()
    for change in changes:
        draft = replace(FIRST, **first, **change)
        assert outcome(press.mail, draft) == outcome(compose, draft)


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "Grüße an alle, die dies lesen, und an alle anderen auch noch einmal"},
        {"to": (Address("b@example.org", 'Dr. "B" Ö'),)},
        {"to": (Address("jörg@example.org"),)},
        {"text": "Grüße"},
        {"text": "日本語" * 40, "html": "<b>x</b>" * 500},
        {"text": None},
        {"attachments": (PDF,)},
        {"attachments": (PDF, LOGO)},
        {"html": None, "list_unsubscribe": ()},
        {"headers": (("X-Tag", "1"), ("List-Id", "<a.example.com>"))},
        {"date": None},
    ],
)
def test_a_message_with_other_words_is_made_of_the_first_one(
    change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    press = Press()
    first = replace(FIRST, **change)
    press.mail(first)
    later = replace(first, text=first.text and first.text + "!", message_id="<2@example.com>")
    if later.date is None:
        later = replace(later, date=WHEN)
    expected = compose(later)
    monkeypatch.setattr(press_module, "compose", None)
    assert press.mail(later) == expected


def test_a_body_that_foresees_the_boundary_gets_another_one() -> None:
    press = Press()
    press.mail(FIRST)
    mail = press.mail(replace(FIRST, text=f"--=_alternative_{MARK}--"))
    assert mail.content.count(MARK.encode()) == 1
    assert mail == compose(replace(FIRST, text=f"--=_alternative_{MARK}--"))


def test_a_hostile_value_is_refused_by_the_short_way_too() -> None:
    press = Press()
    press.mail(FIRST)
    for change in (
        {"subject": "a\r\nBcc: x@evil.example"},
        {"to": (Address("a@b>\r\nBcc: <x@y"),)},
        {"to": (Address("a@b, c@d"),)},
        {"message_id": "<1@example.com>\r\nBcc: x@evil.example"},
        {"list_unsubscribe": ("https://example.com/\r\nBcc: x@evil.example",)},
    ):
        with pytest.raises(MessageError):
            press.mail(replace(FIRST, **change))
