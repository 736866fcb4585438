from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from nexomailer_cli.errors import AddressError, MessageError
from nexomailer_cli.message.address import parse_address, parse_addresses
from nexomailer_cli.message.compose import compose
from nexomailer_cli.message.draft import Draft
from nexomailer_cli.message.raw import read_raw
from nexomailer_cli.message.rewriting import Rewriting, rewriting_of
from nexomailer_cli.smtp.envelope import Envelope, Mail

LONG = ", ".join(f"Somebody with a Name <r{number}@b.test>" for number in range(20))
MAIL = compose(
    Draft(
        sender=parse_address("Änne Müller <aenne@a.test>"),
        to=parse_addresses(LONG),
        subject="Grüße",
        text="From: not@a.header\n\nReply-To: neither@one\n",
        headers=(("X-Tag", "standing"), ("X-Tag", "twice")),
    )
)


def wanted(**keys: object) -> Rewriting:
    found = rewriting_of(**keys)  # type: ignore[arg-type]
    assert found is not None
    return found


def parsed(mail: Mail) -> EmailMessage:
    return message_from_bytes(mail.content, _class=EmailMessage, policy=default)


def body(mail: Mail) -> bytes:
    return mail.content.partition(b"\r\n\r\n")[2]


def test_nothing_wanted_is_nothing_to_do() -> None:
    assert rewriting_of() is None
    assert rewriting_of(sender="", headers={}, deduplication_header="") is None


def test_a_provider_sends_as_somebody_else() -> None:
    mail = wanted(sender="Ops ✓ <ops@backup.test>")(MAIL)
    message = parsed(mail)
    assert message["From"] == "Ops ✓ <ops@backup.test>"
    assert mail.envelope.sender == "ops@backup.test"
    assert message["To"] == LONG
    assert message["Reply-To"] is None
    assert (body(mail), mail.message_id) == (body(MAIL), MAIL.message_id)


def test_everything_else_stays_in_its_place() -> None:
    mail = wanted(sender="ops@backup.test")(MAIL)
    assert list(parsed(mail)) == list(parsed(MAIL))


@pytest.mark.parametrize("sender", ["bounces@a.test", "e@a.test", ""])
def test_bounces_that_went_elsewhere_still_do(sender: str) -> None:
    envelope = structs.replace(MAIL.envelope, sender=sender)
    mail = wanted(sender="ops@backup.test")(structs.replace(MAIL, envelope=envelope))
    assert mail.envelope.sender == sender


@pytest.mark.parametrize(("given", "path"), [("b@c.test", "b@c.test"), ("<>", ""), ("", "")])
def test_a_provider_has_its_own_address_for_bounces(given: str, path: str) -> None:
    mail = wanted(sender="ops@backup.test", envelope_from=given)(MAIL)
    assert mail.envelope.sender == path
    assert wanted(envelope_from=given)(MAIL).content == MAIL.content


def test_answers_go_where_the_provider_says() -> None:
    once = wanted(reply_to="a@a.test, B <b@b.test>")(MAIL)
    assert parsed(once)["Reply-To"] == "a@a.test, B <b@b.test>"
    again = wanted(reply_to="c@c.test")(once)
    assert parsed(again).get_all("Reply-To") == ["c@c.test"]


def test_the_fields_of_a_provider_take_the_place_of_others() -> None:
    mail = wanted(headers={"x-tag": "ours ✓", "X-PM-Message-Stream": "outbound"})(MAIL)
    assert parsed(mail).get_all("X-Tag") == ["ours ✓"]
    assert parsed(mail)["X-PM-Message-Stream"] == "outbound"
    assert body(mail) == body(MAIL)


def test_a_copy_has_the_key_of_its_original_and_nothing_else_has() -> None:
    rewrite = wanted(deduplication_header="X-Key")
    some = MAIL.only(MAIL.envelope.recipients[:3])
    turned = MAIL.only(tuple(reversed(some.envelope.recipients)))
    keys = [str(parsed(rewrite(mail))["X-Key"]) for mail in (MAIL, MAIL, some, turned)]
    assert keys[0] == keys[1] != keys[2] == keys[3]
    other = structs.replace(MAIL, message_id="<other@a.test>")
    assert str(parsed(rewrite(other))["X-Key"]) not in keys


def test_a_finished_message_keeps_what_it_has() -> None:
    content = b"From: a@a.test\r\nX-Tag: signed\r\nTo: b@b.test\r\n\r\nBody\r\n"
    raw = read_raw(content)
    rewrite = wanted(
        sender="ops@backup.test",
        reply_to="c@c.test",
        headers={"X-Tag": "ours", "X-Stream": "out"},
        envelope_from="bounces@backup.test",
        keeps_content=True,
    )
    mail = rewrite(raw)
    assert mail.content == b"X-Stream: out\r\n" + raw.content
    assert mail.envelope.sender == "bounces@backup.test"


@pytest.mark.parametrize(
    "keys",
    [
        {"headers": {"Bcc": "x@x.test"}},
        {"headers": {"X-Tag": "a\r\nBcc: x@x.test"}},
        {"headers": {"X Tag": "a"}},
        {"deduplication_header": "To"},
        {"deduplication_header": "X-Key: a\r\nBcc"},
    ],
)
def test_what_no_message_may_have_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(MessageError):
        rewriting_of(**keys)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["sender", "reply_to", "envelope_from"])
def test_an_address_is_one(key: str) -> None:
    with pytest.raises(AddressError):
        rewriting_of(**{key: "a@b.test>\r\nRCPT TO:<c@c.test"})  # type: ignore[arg-type]


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=60)


@given(name=TEXT, value=TEXT, subject=TEXT)
def test_whatever_it_says_the_message_is_still_the_same_one(
    name: str, value: str, subject: str
) -> None:
    sender = structs.replace(parse_address("a@a.test"), name=name)
    draft = Draft(
        sender=sender,
        to=(parse_address("b@b.test"),),
        subject=subject,
        text="x",
        message_id="<m@a>",
    )
    mail = compose(draft)
    rewrite = wanted(
        sender="ops@backup.test", headers={"X-Tag": value}, deduplication_header="X-Key"
    )
    changed = rewrite(mail)
    message = parsed(changed)
    assert str(message["From"]) == "ops@backup.test"
    assert str(message["Subject"] or "").split() == str(parsed(mail)["Subject"] or "").split()
    assert body(changed) == body(mail)
    assert changed.envelope == Envelope("ops@backup.test", ("b@b.test",))
    assert rewrite(changed) == changed
