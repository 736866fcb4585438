"""Every text that has fooled a mail program, in every place that takes text.

It is refused with words for a person, or it is neutral: independent readers find the fields,
parts, addresses and recipients that were meant, and nothing else. Either way at once.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nexomailer_cli.bulk.recipients import Row, open_rows
from nexomailer_cli.cli.bulk_letter import Writing
from nexomailer_cli.cli.bulk_options import BulkOptions
from nexomailer_cli.cli.request import compose_mail
from nexomailer_cli.cli.send_options import SendOptions
from nexomailer_cli.config.settings import Defaults
from nexomailer_cli.errors import NexomailerError
from nexomailer_cli.message.compose import compose
from nexomailer_cli.message.draft import Address, Attachment, Draft
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp import command
from nexomailer_cli.smtp.envelope import Mail
from tests.hostile.reading import Reading, intended, is_meant
from tests.hostile.strings import GIANTS, MANY, MILLION, STRINGS
from tests.support.run import run

SECONDS = 6.0  # of the processor; a quadratic parser takes minutes
Place = Callable[[str], Mail]
USUAL: dict[str, Any] = {
    "sender": "a@a.test",
    "to": ("b@b.test",),
    "subject": "Hi",
    "text": "x",
}


def option(**given: Callable[[str], Any]) -> Place:
    """Return what makes a mail of options, some of which hold the text."""

    def make(text: str) -> Mail:
        options = {name: value(text) for name, value in given.items()}
        return compose_mail(SendOptions(**{**USUAL, **options}), Defaults())

    return make


def header(name: str, value: str = "{}") -> Place:
    return option(header=lambda text: (f"{name}: {value.replace('{}', text)}",))


def variable(**given: Any) -> Place:
    """Return what makes a mail of a template that has the text as the value of `x`."""

    def make(text: str) -> Mail:
        options = {**USUAL, **given, "var": (f"x={text}",)}
        return compose_mail(SendOptions(**options), Defaults())

    return make


def default(**given: Callable[[str], Any]) -> Place:
    def make(text: str) -> Mail:
        options = {**USUAL, "sender": None}
        defaults = {"from_": "a@a.test", **{name: value(text) for name, value in given.items()}}
        return compose_mail(SendOptions(**options), Defaults(**defaults))

    return make


def attached(text: str) -> Mail:
    file = Attachment(text, "application/octet-stream", b"x")
    people = {"sender": Address("a@a.test"), "to": (Address("b@b.test"),)}
    return compose(Draft(**people, text="x", attachments=(file,)))  # type: ignore[arg-type]


def alone(text: str) -> tuple[str]:
    return (text,)


def named(text: str) -> str:
    return f"{text} <a@a.test>"


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <a@a.test>'


# In the first ones the text is a list of recipients, or their only one.
RECIPIENTS: dict[str, Place] = {
    "to": option(to=alone),
    "cc": option(to=lambda _: (), cc=alone),
    "bcc": option(to=lambda _: (), bcc=alone),
}
PLACES: dict[str, Place] = {
    "to's name": option(to=lambda text: (f"{text} <b@b.test>",)),
    "to's quoted name": option(to=lambda text: (quoted(text).replace("a@a", "b@b"),)),
    "from": option(sender=lambda text: text),
    "from's name": option(sender=named),
    "from's quoted name": option(sender=quoted),
    "from's local part": option(sender=lambda text: f"{text}@a.test"),
    "from's domain": option(sender=lambda text: f"a@{text}"),
    "reply-to": option(reply_to=alone),
    "reply-to's name": option(reply_to=lambda text: (quoted(text),)),
    "envelope-from": option(envelope_from=lambda text: text),
    "subject": option(subject=lambda text: text),
    "text": option(text=lambda text: f"{text}"),
    "html": option(html=lambda text: f"<p>{text}</p>"),
    "markdown": option(text=lambda _: None, markdown=lambda text: f"x {text}"),
    "header's name": option(header=lambda text: (f"{text}: x",)),
    "message-id": option(message_id=lambda text: text),
    "message-id's left": option(message_id=lambda text: f"<{text}@a.test>"),
    "in-reply-to": option(in_reply_to=lambda text: text),
    "list-unsubscribe": option(list_unsubscribe=alone),
    "list-unsubscribe's path": option(list_unsubscribe=lambda text: (f"https://a.test/{text}",)),
    "list-unsubscribe's mailbox": option(list_unsubscribe=lambda text: (f"mailto:{text}",)),
    "dsn": option(dsn=lambda text: text),
    "file name": attached,
    **{
        f"header {name}": header(name)
        for name in (
            *("X-Test", "Comments", "References", "Date", "Sender", "List-Id", "List-Help"),
            *("Disposition-Notification-To", "Errors-To", "List-Unsubscribe", "Content-Type"),
        )
    },
    "List-Id's name": header("List-Id", "{} <l.a.test>"),
    "value in a subject": variable(subject="Hi {{ x }}"),
    "value in a text": variable(text="Hi {{ x }}"),
    "value in HTML": variable(html="<a href='{{ x }}'>{{ x }}</a>"),
    "defaults.from": default(from_=lambda text: text),
    "defaults.reply_to": default(reply_to=lambda text: text),
    "defaults.headers' value": default(headers=lambda text: {"X-Test": text}),
    "defaults.headers' name": default(headers=lambda text: {text: "x"}),
}
# Here the text is the name of a header; there it is somebody who gets no mail.
NAMES = {"header's name", "defaults.headers' name"}
OTHER_PEOPLE = {"reply-to", "defaults.reply_to", "header Sender"}
EXTRA = {"reply-to", "x-test", "list-unsubscribe", "list-unsubscribe-post", "in-reply-to", "cc"}
EXTRA |= {"references", "comments", "sender", "list-id", "list-help", "errors-to"}
EXTRA |= {"disposition-notification-to"}


def attempt(place: Place, text: str) -> Mail | None:
    """Return the mail, None where the text is refused; either way at once."""
    begun = time.thread_time()
    mail = None
    with suppress(NexomailerError):
        mail = place(text)
    assert time.thread_time() - begun < SECONDS, text[:40]
    return mail


def verdict(
    mail: Mail, usual: Reading, *, names: Iterable[str] = (), meant: tuple[str, ...] = ()
) -> list[str]:
    """Say what is wrong with a mail that should differ from the usual one in the place alone."""
    reading = Reading(mail)
    surplus = reading.names - usual.names - Counter(EXTRA) - Counter(names)
    return [*reading.complaints(meant), *map(str, surplus)]


@pytest.fixture(scope="module")
def usual() -> Reading:
    return Reading(compose_mail(SendOptions(**USUAL), Defaults()))


def test_the_usual_message_is_one_that_readers_agree_on(usual: Reading) -> None:
    assert usual.complaints() == []
    assert usual.names.keys() >= {"from", "to", "subject", "date", "message-id"}


@pytest.mark.parametrize("name", [*RECIPIENTS, *PLACES])
def test_a_text_is_refused_or_neutral(name: str, usual: Reading) -> None:
    place = {**RECIPIENTS, **PLACES}[name]
    wrong: dict[str, Any] = {}
    for key, text in STRINGS.items():
        mail = attempt(place, text)
        if mail is None:
            continue
        own = [text.partition(":")[0].lower()] if name in NAMES else []
        meant = intended(text) if name in OTHER_PEOPLE else ()
        if found := verdict(mail, usual, names=own, meant=meant):
            wrong[key] = found
        if name in RECIPIENTS and not is_meant(text, mail.envelope.recipients):
            wrong[key] = mail.envelope.recipients
        if name not in RECIPIENTS and mail.envelope.recipients != ("b@b.test",):
            wrong[key] = mail.envelope.recipients
    assert not wrong


def test_a_text_is_not_changed(usual: Reading) -> None:
    for key, text in STRINGS.items():
        if mail := attempt(PLACES["subject"], text):
            assert Reading(mail).subject == text.strip(" "), key
        if (mail := attempt(PLACES["value in a text"], text)) is not None:
            ends = text.replace("\r\n", "\n").replace("\r", "\n")
            assert Reading(mail).text.rstrip("\n") == f"Hi {ends}".rstrip("\n"), key
            assert Reading(mail).parts == usual.parts


@pytest.mark.parametrize("name", [*RECIPIENTS, *PLACES])
def test_no_text_takes_long(name: str) -> None:
    place = {**RECIPIENTS, **PLACES}[name]
    for text in GIANTS.values():
        # The parser of Markdown is linear as well, and slow.
        attempt(place, text[: MANY // 2] if name == "markdown" else text)


def test_a_million_characters_of_addresses_take_no_time() -> None:
    for name in (*RECIPIENTS, "reply-to", "header Errors-To"):
        attempt({**RECIPIENTS, **PLACES}[name], MILLION.partition(",")[2])
        attempt({**RECIPIENTS, **PLACES}[name], MILLION)


@pytest.mark.parametrize("write", [command.ehlo, command.mail, command.rcpt])
def test_a_command_is_one_line_or_refused(write: Callable[[str], bytes]) -> None:
    for key, text in {**STRINGS, **GIANTS}.items():
        begun = time.thread_time()
        with suppress(NexomailerError):
            line = write(text)
            assert line.endswith(b"\r\n"), key
            assert not {*line[:-2]} & {0, 10, 13, 27}, key
            assert line.count(b">") <= 1, key
        assert time.thread_time() - begun < SECONDS


# Where a run of many has the value of a row.
TEMPLATES: dict[str, dict[str, Any]] = {
    "to": {"to": ("{{ x }}",)},
    "to's name": {"to": ("{{ x }} <b@b.test>",)},
    "to's quoted name": {"to": ('"{{ x }}" <b@b.test>',)},
    "to's local part": {"to": ("{{ x }}@b.test",)},
    "cc": {"cc": ("{{ x }}",)},
    "bcc": {"bcc": ("{{ x }}",)},
    "reply-to": {"reply_to": ("{{ x }}",)},
    "from's name": {"sender": "{{ x }} <a@a.test>"},
    "subject": {"subject": "Hi {{ x }}"},
    "text": {"text": "Hi {{ x }}"},
    "html": {"html": "<a href='{{ x }}'>{{ x }}</a>"},
    "markdown": {"text": None, "markdown": "# Hi {{ x }}"},
    "header": {"header": ("X-Test: {{ x }}",)},
    "list-unsubscribe": {"list_unsubscribe": ("https://a.test/{{ x }}",)},
    "attachment": {"attach": ("{{ x }}",), "html": "x"},
    "template": {"template": "letter.txt", "text": None, "subject": None, "to": ()},
}
LETTER = "To: {{ x }} <b@b.test>\nSubject: Hi {{ x }}\nX-Test: {{ x }}\n\nHi {{ x }}\n"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    lines = [{"x": "benign"}, *({"x": text} for text in STRINGS.values() if text != "\udcff")]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "letter.txt").write_text(LETTER)
    return path


def mails(rows: Path, **given: Any) -> Iterator[tuple[str, Mail]]:
    """Yield the mails of all rows that are not refused."""
    options = {**USUAL, "file": str(rows), **given}
    if options.get("template"):
        options["template"] = str(rows.parent / options["template"])
    with open_rows(str(rows)) as table:
        writer = Writing(BulkOptions(**options), Defaults(), table).writer("s", "a.test")
        for row in (each for each in table.examined() if isinstance(each, Row)):
            with suppress(NexomailerError):
                yield row.values["x"], writer.mail(row, str(row.number), 10**9)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_value_of_a_row_is_refused_or_neutral(name: str, rows: Path, usual: Reading) -> None:
    wrong: dict[str, Any] = {}
    arrived = 0
    for text, mail in mails(rows, **TEMPLATES[name]):
        arrived += 1
        recipients = mail.envelope.recipients
        meant = intended(text) if name == "reply-to" else ()
        if found := verdict(mail, usual, meant=meant):
            wrong[text] = found
        if name == "to" and not is_meant(text, recipients):
            wrong[text] = recipients
        if name in ("cc", "bcc") and not is_meant(f"b@b.test, {text}", recipients):
            wrong[text] = recipients
        if name not in ("to", "to's local part", "cc", "bcc") and recipients != ("b@b.test",):
            wrong[text] = recipients
    assert not wrong
    assert arrived > 0 or name == "attachment"


# Options whose values are shown when they are refused.
SHOWN = ("--provider", "--dsn", "--to", "--header", "--deadline", "--attach", "--var", "--template")


@pytest.mark.parametrize("given", SHOWN)
def test_what_is_refused_is_shown_harmlessly(given: str, tmp_path: Path) -> None:
    letter = ("--from", "a@a.test", "--to", "b@b.test", "--subject", "x", "--text", "x")
    (tmp_path / "nexomailer.toml").write_text(
        '[[providers]]\nname = "main"\n[providers.config]\nhost = "127.0.0.1"\nport = 9\n'
    )
    for key, text in STRINGS.items():
        if "\0" in text or "addresses" in key:
            continue  # no command line has a NUL
        result = run("send", *letter, "--dry-run", f"{given}={text}", cwd=tmp_path)
        assert result.exit_status not in (70, 1), (key, result.stderr)
        shown = result.stderr.replace("\n", "")
        assert printable(shown) == shown, key
        assert "Traceback" not in result.stderr
