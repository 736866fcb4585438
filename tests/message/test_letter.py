"""One message for many: every row gets its own, and nothing of it can be more than a value."""

from __future__ import annotations

import email.policy
import re
from datetime import UTC, datetime
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from nexomailer_cli.errors import InputError, MessageError, NexomailerError, Problem, TemplateError
from nexomailer_cli.message.columns import short_name
from nexomailer_cli.message.compose import compose
from nexomailer_cli.message.letter import Letter, Table, compile_letter
from nexomailer_cli.message.markdown import html_from_markdown
from nexomailer_cli.message.template import Template
from nexomailer_cli.message.wording import Wording

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path

    from nexomailer_cli.smtp.envelope import Mail

WHEN = datetime(2026, 11, 25, 8, 15, tzinfo=UTC)
OPS = "Ops <ops@example.com>"
COLUMNS = ("email", "name", "city")
HOSTILE = [
    *(f"a{character}Bcc: x@evil.example" for character in "\r\n\v\f\x85\u2028\u2029\0\x1b"),
    "a\r\n\r\n<script>",
    "=?utf-8?q?hi=0D=0ABcc=3A_x=40evil=2Eexample?=",
    "=?utf-8?b?DQpCY2M6IHhAZXZpbC5leGFtcGxl?=",
    'y.z>, <q@evil.example"',
    'a" <q@evil.example>, "',
    "q@evil.example, r@evil.example",
    "{{ email }}{% for x in range(10**9) %}",
    "a\\",
]


class Row(Struct):
    values: dict[str, Any]
    line: int = 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name in ("a.pdf", "b.pdf"):
        (tmp_path / "in" / name).write_bytes(name.encode())
    (tmp_path / "secret.txt").write_bytes(b"secret")
    return tmp_path / "in"


def letter(
    folder: Path | None = None,
    *,
    columns: tuple[str, ...] = COLUMNS,
    max_octets: int = 0,
    sender: str | None = OPS,
    **wording: Any,
) -> Letter:
    from pathlib import Path

    place = folder or Path("/nowhere")
    table = Table(
        name="people.csv",
        columns=columns,
        attach_root=place,
        template_folder=place,
        max_octets=max_octets,
    )
    return compile_letter(Wording(sender=sender, **wording), table)


def written(made: Letter, **values: Any) -> tuple[Mail, EmailMessage]:
    row = Row({"email": "ann@x.test", "name": "Ann", "city": "Bern"} | values)
    assert made.check(row).problems == ()
    mail = made.mail(row, message_id="<1@example.com>", date=WHEN)
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", mail.content)
    message: EmailMessage = BytesParser(policy=email.policy.default).parsebytes(mail.content)
    assert message.defects == []
    assert mail.envelope.recipients == made.check(row).recipients
    return mail, message


def problems(made: Letter, **values: Any) -> list[str]:
    row = Row({"email": "ann@x.test", "name": "Ann", "city": "Bern"} | values)
    return [str(problem) for problem in made.check(row).problems]


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return _lf(part.get_content())


def test_every_row_gets_its_own_message() -> None:
    made = letter(subject="For {{ name }}", text="Dear {{ name }} in {{ city }}")
    for name in ("Ann", "Zoë", "{{ city }}", "<b>"):
        mail, message = written(made, name=name)
        assert (message["Subject"], message["To"]) == (f"For {name}", "ann@x.test")
        assert body(message, "plain") == f"Dear {name} in Bern\n"
        assert mail.envelope.sender == "ops@example.com"
        assert (mail.message_id, message["Date"]) == (
            "<1@example.com>",
            "Wed, 25 Nov 2026 08:15:00 +0000",
        )


def test_the_same_row_gives_the_same_octets() -> None:
    made = letter(html="<p>{{ name }}</p>", subject="ä {{ name }}")
    assert written(made)[0] == written(made)[0]
    assert written(made)[0] != written(made, name="Bob")[0]


def test_all_people_of_a_message_may_depend_on_the_row() -> None:
    made = letter(
        sender="{{ name }} <{{ city }}@example.com>",
        to=("{{ name }} <{{ email }}>", "{{ city }}@x.test"),
        cc=("{{ cc }}",),
        bcc=("{{ bcc }}",),
        reply_to=("r@x.test",),
        text="x",
        columns=(*COLUMNS, "cc", "bcc"),
    )
    mail, message = written(made, cc="", bcc="z@x.test")
    assert [str(message[name]) for name in ("From", "To", "Reply-To")] == [
        "Ann <Bern@example.com>",
        "Ann <ann@x.test>, Bern@x.test",
        "r@x.test",
    ]
    assert "Cc" not in message
    assert "z@x.test" not in mail.content.decode()
    assert mail.envelope.recipients == ("ann@x.test", "Bern@x.test", "z@x.test")
    assert mail.envelope.sender == "Bern@example.com"
    assert made.sender(Row({"name": "A", "city": "b", "email": ""})).spec == "b@example.com"
    assert written(made, cc="c@x.test, d@x.test", bcc="")[1]["Cc"] == "c@x.test, d@x.test"


def test_defaults_hold_where_nothing_else_is_said() -> None:
    standing = (("X-Team", "{{ ops }}"), ("X-Own", "no"))
    made = letter(
        text="x",
        sender=None,
        default_sender=OPS,
        default_reply_to="r@x.test",
        standing=standing,
        headers=(("x-own", "{{ name }}"),),
        envelope_from="",
    )
    mail, message = written(made)
    assert (message["From"], message["Reply-To"], message["X-Team"]) == (
        OPS,
        "r@x.test",
        "{{ ops }}",
    )
    assert message.get_all("X-Own") == ["Ann"]
    assert mail.envelope.sender == ""
    with pytest.raises(MessageError, match="there is no sender"):
        letter(text="x", sender=None)


def test_an_empty_header_is_left_out() -> None:
    made = letter(
        subject="{{ name }}",
        text="x",
        headers=(("X-Tag", "{{ name }}"), ("Date", "{{ city }}")),
        list_unsubscribe=("{{ link }}",),
        columns=(*COLUMNS, "link"),
    )
    _, message = written(made, name=" ", link="", city="Tue, 24 Nov 2026 08:15:00 +0100")
    assert not {"X-Tag", "Subject", "List-Unsubscribe"} & set(message.keys())
    assert message.get_all("Date") == ["Tue, 24 Nov 2026 08:15:00 +0100"]
    _, message = written(made, link="https://x.test/u/1", city="Tue, 24 Nov 2026 08:15:00 +0100")
    assert message["List-Unsubscribe"] == "<https://x.test/u/1>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_it_is_known_whether_readers_can_unsubscribe() -> None:
    assert letter(text="x", list_unsubscribe=("https://x.test/",)).has_unsubscribe
    assert letter(text="x", headers=(("LIST-UNSUBSCRIBE", "<https://x.test/>"),)).has_unsubscribe
    assert not letter(text="x").has_unsubscribe


@pytest.mark.parametrize("name", ["<b>&\"'", "a*b*c", "plain", "two\nlines", ""])
def test_html_values_are_escaped_and_a_text_goes_with_it(name: str) -> None:
    _, message = written(letter(html="<p>Dear <i>{{ name }}</i>!</p>"), name=name)
    assert body(message, "html") == (
        Template("<p>Dear <i>{{ n }}</i>!</p>\n", name="t", kind="html").render({"n": name})
    )
    assert " ".join(body(message, "plain").split()) == " ".join(f"Dear {name}!".split())


@pytest.mark.parametrize("name", ["<b>&\"'", "a*b*c", "plain", "two\n\nlines", ""])
def test_markdown_becomes_text_and_html(name: str) -> None:
    source = "# Dear {{ name }}\n\n*{{ city }}*\n"
    _, message = written(letter(markdown=source), name=name)
    assert body(message, "plain") == f"# Dear {name}\n\n*Bern*\n"
    rendered = Template(source, name="t", kind="markdown").render({"name": name, "city": "Bern"})
    assert body(message, "html") == html_from_markdown(rendered)


MAILMERGE = """\
TO: {{email}}
SUBJECT: Testing mailmerge
FROM: My Self <myself@mydomain.com>
ATTACHMENT: ../secret.txt
ATTACHMENT: {{name}}.pdf

Hi, {{name}},

Your city is {{city}}.
"""


def test_a_mailmerge_template_works_as_it_is(folder: Path) -> None:
    made = letter(folder, sender=None, template=(MAILMERGE, "mailmerge_template.txt"))
    _, message = written(made, name="a")
    assert (message["From"], message["To"], message["Subject"]) == (
        "My Self <myself@mydomain.com>",
        "ann@x.test",
        "Testing mailmerge",
    )
    assert body(message, "plain") == "Hi, a,\n\nYour city is Bern.\n"
    assert [(each.get_filename(), each.get_content()) for each in message.iter_attachments()] == [
        ("secret.txt", "secret"),
        ("a.pdf", b"a.pdf"),
    ]


def test_a_template_may_be_markdown_by_its_content_type() -> None:
    text = "Content-Type: text/markdown\nSubject: x\nX-Tag: {{ city }}\n\n*{{ name }}*\n"
    _, message = written(letter(template=(text, "a.txt")), name="*")
    assert body(message, "plain") == "***\n"
    assert "<em>*</em>" in body(message, "html")
    assert message["X-Tag"] == "Bern"


def test_options_come_before_the_template() -> None:
    text = "To: no@x.test\nSubject: no\nX-Tag: no\nCc: c@x.test\n\nyes\n"
    made = letter(
        template=(text, "a.txt"),
        to=("{{ email }}",),
        subject="{{ name }}",
        headers=(("x-tag", "1"),),
    )
    _, message = written(made)
    assert [message.get_all(name) for name in ("To", "Subject", "X-Tag", "Cc")] == [
        ["ann@x.test"],
        ["Ann"],
        ["1"],
        ["c@x.test"],
    ]


@pytest.mark.parametrize(
    ("wording", "why"),
    [
        ({"template": ("x", "t.txt"), "text": "x"}, "a template file and --text do not go"),
        ({"markdown": "x", "html": "x"}, "--html and --markdown do not go together"),
        ({"template": ("Subject: a\nSubject: b\n\nx", "t.txt")}, "Subject: given more than once"),
        ({"text": "{{"}, "--text:1: "),
        ({"subject": "x"}, "there is no body"),
        ({"text": "x", "headers": (("Bcc", "x"),)}, "Bcc: not to be set as a header"),
        ({"text": "x", "to": ("nobody",)}, "To: not an address"),
        ({"text": "x", "sender": "a@x.test, b@x.test"}, "From names more"),
        ({"text": "x", "attach": ("/missing.pdf",)}, "'/missing.pdf': no such file"),
    ],
)
def test_what_is_wrong_with_all_rows_is_told_before_them(wording: Any, why: str) -> None:
    with pytest.raises(NexomailerError, match=why):
        made = letter(**wording)
        raise MessageError(problems(made)[0])


def test_all_unknown_names_are_told_at_once_with_their_places() -> None:
    text = "Subject: {{ nmae }}\nX-A: {{ row['Citty'] }}\n\n{{ name }}\n{{ nmae }} {{ zip }}\n"
    made = letter(template=(text, "t.txt"), to=("{{ mail }}",), columns=("email", "name", "City"))
    assert sorted(map(str, made.unknown_names())) == [
        "--to:1: there is no column called 'mail'; did you mean 'email'?",
        "t.txt:1: there is no column called 'nmae'; did you mean 'name'?",
        "t.txt:2: there is no column called 'Citty'; did you mean 'City'?",
        "t.txt:5: there is no column called 'zip'",
    ]


def test_names_a_template_can_do_without_are_no_problem() -> None:
    text = "{{ a|default('x') }}{% if b is defined %}{{ b }}{% endif %}{{ row['name'] }}{{ city }}"
    made = letter(text=text)
    assert made.unknown_names() == ()
    assert body(written(made)[1], "plain") == "xAnnBern\n"


def test_columns_that_are_no_names_have_a_short_one_and_their_own() -> None:
    columns = ("E-Mail", "First name", "firstName", "2nd Ort", "Größe", "row", "A b", "a-b")
    text = "{{ first_name }}|{{ firstName }}|{{ _2nd_ort }}|{{ größe }}|{{ row }}|{{ e_mail }}"
    made = letter(text=text, to=("{{ e_mail }}",), columns=columns)
    assert [str(each) for each in made.unknown_names()] == [
        "--text:1: there is no column called 'first_name'; did you mean 'First name'?"
    ]
    made = letter(text=text.replace("{{ first_name }}", ""), to=("{{ e_mail }}",), columns=columns)
    row = Row(dict(zip(columns, ["a@x.test", *"1234567"], strict=True)))
    assert made.check(row).problems == ()
    content = made.draft(row, message_id="", date=WHEN)
    assert content.text == "|2|3|4|5|a@x.test"
    made = letter(
        text='{{ row["First name"] }}{% if row["a-b"] %}!{% endif %}',
        columns=columns[:5] + columns[6:],
        to=("a@x.test",),
    )
    assert made.unknown_names() == ()
    assert made.draft(row, message_id="", date=WHEN).text == "1!"


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("email", "email"),
        ("E-Mail Adresse", "e_mail_adresse"),
        ("firstName", "first_name"),
        (" (x) ", "x"),
        ("2x", "_2x"),
        ("ÄÖ", "äö"),
        ("?", ""),
    ],
)
def test_short_names(column: str, name: str) -> None:
    assert short_name(column) == name


def test_nested_values_and_numbers_of_json_can_be_used() -> None:
    made = letter(
        subject="{{ n }}",
        html="{% for x in items %}<b>{{ x.name }}</b>{% endfor %}{{ price }}",
        columns=("email", "n", "items", "price"),
    )
    _, message = written(made, n=7, items=[{"name": "<"}, {"name": "b"}], price="1.10")
    assert message["Subject"] == "7"
    assert body(message, "html") == "<b>&lt;</b><b>b</b>1.10\n"


def test_a_row_that_lacks_a_value_is_a_problem_of_that_row() -> None:
    made = letter(text="{{ name }} {{ city }}", html="{{ a|default('x') }}")
    assert made.unknown_names() == ()
    row = Row({"email": "a@x.test", "name": "x"}, 7)
    assert [str(each) for each in made.check(row).problems] == [
        "people.csv:7: --text:1: there is no value called 'city'"
    ]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"email": "nobody"}, "To: not an address: 'nobody': there is no @"),
        ({"email": ""}, "an address is missing: To, Cc and Bcc are empty"),
        ({"email": "a@x.test\nb@x.test"}, "To: a line feed at character 9"),
        ({"name": "a\r\nBcc: x@x.test"}, "Subject: a carriage return at character 2"),
        ({"city": "a\x85b"}, "X-City: a line break"),
        ({"link": "http://x.test/"}, "List-Unsubscribe: 'http://x.test/' is not https"),
        ({"file": "missing.pdf"}, "attachment 'missing.pdf': no such file"),
        ({"sender": ""}, "From is empty"),
        ({"sender": "a@x.test, b@x.test"}, "From names more than one sender"),
    ],
)
def test_what_is_wrong_with_a_row_is_told(folder: Path, values: Any, why: str) -> None:
    extra = {"link": "https://x.test/", "file": "", "sender": "a@x.test"}
    made = letter(
        folder,
        sender="{{ sender }}",
        subject="{{ name }}",
        text="x",
        headers=(("X-City", "{{ city }}"),),
        list_unsubscribe=("{{ link }}",),
        attach=("{{ file }}",),
        columns=(*COLUMNS, *extra),
    )
    assert problems(made, **extra) == []
    (problem,) = problems(made, **extra | values)
    assert problem.startswith(f"people.csv:2: {why}")


def test_all_that_is_wrong_with_a_row_is_told_at_once(folder: Path) -> None:
    made = letter(folder, subject="{{ name }}", text="{{ city.x }}", attach=("{{ name }}",))
    found = problems(made, email="nobody", name="\x1b")
    assert [re.split(r":2: ", each)[1].split(":")[0] for each in found] == [
        "To",
        "Subject",
        "attachment '\\x1b'",
        "--text",
    ]


def test_what_is_wrong_with_every_message_is_found_with_the_first() -> None:
    made = letter(text="x", headers=(("In-Reply-To", "{{ name }}"), ("in-reply-to", "<a@b>")))
    assert problems(made, name="<c@d>") == ["people.csv:2: in-reply-to: given more than once"]


def test_a_message_that_is_too_large_is_told(folder: Path) -> None:
    made = letter(folder, text="{{ name }}", attach=("{{ city }}",), max_octets=100_000)
    (folder / "large").write_bytes(bytes(80_000))
    assert problems(made, city="a.pdf") == []
    assert problems(made, city="a.pdf", name="x" * 50_000) == []
    assert problems(made, city="large")[0].startswith("people.csv:2: the message has 110,")
    assert problems(made, city="a.pdf", name="x" * 100_000)[0].startswith("people.csv:2: the mess")


@pytest.mark.parametrize(
    "name", ["../secret.txt", "/etc/passwd", "link.txt", "sub/../a.pdf", "../*", "pipe", "."]
)
def test_a_row_reaches_no_file_outside_of_its_folder(folder: Path, name: str) -> None:
    import os

    (folder / "link.txt").symlink_to("../secret.txt")
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    made = letter(folder, text="x", attach=("{{ name }}",))
    (problem,) = problems(made, name=name)
    assert "attachment " in problem
    row = Row({"email": "a@x.test", "name": name})
    with pytest.raises(InputError, match="attachment"):
        made.mail(row, message_id="", date=WHEN)


def test_a_file_is_read_once_for_all_rows(folder: Path) -> None:
    made = letter(folder, text="x", attach=("{{ name }}.pdf",))
    first, second = (written(made, name="a", city=city)[0] for city in "xy")
    draft = made.draft(Row({"email": "a@x.test", "name": "a"}), message_id="", date=WHEN)
    again = made.draft(Row({"email": "b@x.test", "name": "a"}), message_id="", date=WHEN)
    assert draft.attachments[0] is again.attachments[0]
    assert first == second


def test_a_blank_cell_attaches_nothing_and_a_pattern_several(folder: Path) -> None:
    made = letter(folder, text="x", attach=("{{ name }}",))
    assert written(made, name=" ")[1].get_content_type() == "text/plain"
    assert len(list(written(made, name="*.pdf")[1].iter_attachments())) == 2


def test_the_fingerprint_follows_the_wording() -> None:
    assert letter(text="x").sources == letter(text="x").sources
    assert letter(text="x").sources != letter(text="y").sources


EVERYWHERE = {
    "sender": "{{ name }} <ops@example.com>",
    "to": ("{{ name }} <{{ email }}>",),
    "subject": "{{ name }}",
    "headers": (("X-Tag", "{{ name }}"), ("List-Help", "<mailto:{{ name }}>")),
}


@pytest.mark.parametrize("value", HOSTILE)
def test_no_hostile_value_adds_a_header_or_a_recipient(value: str) -> None:
    for field in EVERYWHERE:
        _require_harmless(everywhere(field), value)


@settings(max_examples=300)
@given(
    st.one_of(
        st.text(max_size=20),
        st.text(alphabet='ab<>"@,;:\\\r\n =?_q()[]\x85\u2028', max_size=20),
        st.sampled_from(HOSTILE),
    )
)
def test_no_value_adds_a_header_or_a_recipient(value: str) -> None:
    for field in EVERYWHERE:
        _require_harmless(everywhere(field), value)


def everywhere(field: str) -> Letter:
    wording: dict[str, Any] = {"text": "{{ name }}", field: EVERYWHERE[field]}
    return letter(**wording)


def _require_harmless(made: Letter, value: str) -> None:
    row = Row({"email": "ann@x.test", "name": value, "city": ""})
    found = made.check(row).problems
    try:
        mail = made.mail(row, message_id="<1@example.com>", date=WHEN)
    except NexomailerError:
        # What cannot be written has been told before the first message.
        assert found
        return
    assert not found
    message: EmailMessage = BytesParser(policy=email.policy.default).parsebytes(mail.content)
    assert set(message.keys()) <= {
        *("Date", "From", "To", "Subject", "Message-ID", "X-Tag", "List-Help"),
        *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    }
    assert len(message.keys()) == len(set(message.keys()))
    assert mail.envelope.recipients == ("ann@x.test",)
    assert [each.addr_spec for each in message["To"].addresses] == ["ann@x.test"]
    assert [each.addr_spec for each in message["From"].addresses] == ["ops@example.com"]


@settings(max_examples=200)
@given(
    st.text(max_size=20),
    st.text(alphabet="a<>&\"'é\n\r*", max_size=30),
    st.sampled_from(["text", "html", "markdown", "both"]),
)
def test_a_letter_says_what_the_ordinary_way_says(name: str, city: str, kind: str) -> None:
    text, source = "Dear {{ name }}, {{ city }}.\n", "<p>Dear {{ name }}, <b>{{ city }}</b>.\n"
    wording: dict[str, Any] = {
        "text": {"text": text},
        "html": {"html": source},
        "markdown": {"markdown": text},
        "both": {"text": text, "html": source},
    }[kind]
    made = letter(subject="x", **wording)
    row = Row({"email": "ann@x.test", "name": name, "city": city})
    try:
        mail = made.mail(row, message_id="<1@example.com>", date=WHEN)
    except MessageError:
        return
    draft = made.draft(row, message_id="<1@example.com>", date=WHEN)
    assert mail == compose(draft)
    values = {"name": name, "city": city}
    message: EmailMessage = BytesParser(policy=email.policy.default).parsebytes(mail.content)
    if "text" in wording:
        assert body(message, "plain") == _lf(Template(text, name="t").render(values))
    if "html" in wording:
        rendered = Template(source, name="t", kind="html").render(values)
        assert body(message, "html") == _lf(rendered)


def _lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def test_a_wrong_template_is_named() -> None:
    with pytest.raises(TemplateError, match=r"^t\.txt:3: "):
        letter(template=("Subject: x\n\n{{ open", "t.txt"))
    assert isinstance(letter(text="{{ x }}").unknown_names()[0], Problem)
