"""Templates and values become the texts of a message."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexomailer_cli.cli.body import Body, body_of
from nexomailer_cli.cli.filling import Filling, filled
from nexomailer_cli.cli.send_options import SendOptions
from nexomailer_cli.errors import AddressError, TemplateError, UsageError
from tests.support.run import run

HEADERS = """\
From: Änne <aenne@a.test>
To: b@b.test
To: {{ more }}
Cc: {% if boss %}{{ boss }}{% endif %}
Bcc: z@z.test
Reply-To: r@a.test
Subject: Hi {{ name }}
X-Note: {{ name }}
Attachment: one.pdf
Attachment: two.pdf
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def template(name: str, text: str) -> str:
    Path(name).write_text(text)
    return name


def test_nothing_in_braces_is_touched_without_values() -> None:
    filling = filled(SendOptions(subject="{{ a }}", text="{% b %}", html="{{ c"))
    assert (filling.subject, filling.text, filling.html) == ("{{ a }}", "{% b %}", "{{ c")


def test_a_file_of_values_is_enough_to_render(tmp_path: Path) -> None:
    Path("v.json").write_text('{"a": {"b": [1, "<"]}}')
    options = SendOptions(subject="{{ a.b[0] }}", html="{{ a.b[1] }}", vars_file="v.json")
    filling = filled(options)
    assert (filling.subject, filling.html) == ("1", "&lt;")


def test_values_are_rendered_once(tmp_path: Path) -> None:
    filling = filled(SendOptions(text="{{ a }}", var=("a={{ b }}",)))
    assert filling.text == "{{ b }}"


def test_markdown_has_a_plain_twin() -> None:
    filling = filled(SendOptions(markdown="*{{ a }}*", var=("a=1 * 2 < 3",)))
    assert filling.plain_markdown == "*1 * 2 < 3*"
    body = body_of(filling, attached=False)
    assert body.text == "*1 * 2 < 3*"
    assert "<em>1 * 2 &lt; 3</em>" in (body.html or "")


def test_an_empty_text_is_a_text() -> None:
    assert body_of(Filling(text=""), attached=False) == Body("")
    assert body_of(Filling(text="", html="<p>x"), attached=False) == Body("", "<p>x")


def test_a_template_s_headers_are_read(tmp_path: Path) -> None:
    path = template("t.txt", HEADERS + "\nDear {{ name }}\n")
    filling = filled(
        SendOptions(template=path, var=("name=Bé", "more=C <c@c.test>, d@d.test", "boss="))
    )
    assert filling.sender is not None
    assert filling.sender.spec == "aenne@a.test"
    assert [each.spec for each in filling.to] == ["b@b.test", "c@c.test", "d@d.test"]
    assert filling.cc == ()
    assert [each.spec for each in (*filling.bcc, *filling.reply_to)] == ["z@z.test", "r@a.test"]
    assert (filling.subject, filling.text) == ("Hi Bé", "Dear Bé\n")
    assert filling.attach == ("one.pdf", "two.pdf")
    assert filling.headers == (("X-Note", "Bé"),)


@pytest.mark.parametrize(
    ("name", "html", "markdown", "text"),
    [
        ("t.txt", None, None, "<b> &lt;\n"),
        ("t.html", "&lt;b&gt; &lt;\n", None, None),
        ("t.md", None, "", "<b> &lt;\n"),
    ],
)
def test_the_ending_decides_the_kind(
    name: str, html: str | None, markdown: str | None, text: str | None
) -> None:
    filling = filled(SendOptions(template=template(name, "{{ a }} &lt;\n"), var=("a=<b>",)))
    assert filling.html == html
    assert (filling.markdown is None) == (markdown is None)
    assert (filling.plain_markdown if name == "t.md" else filling.text) == text


def test_a_template_s_own_text_part_is_kept() -> None:
    parts = "--b\nContent-Type: text/plain\n\nplain {{ a }}\n"
    parts += "--b\nContent-Type: text/html\n\n<p>{{ a }}\n--b--\n"
    head = 'Subject: x\nContent-Type: multipart/alternative; boundary="b"\n\n'
    path = template("t.txt", head + parts)
    body = body_of(filled(SendOptions(template=path, var=("a=<",))), attached=False)
    assert body == Body("plain <\n", "<p>&lt;\n")


def test_the_subject_of_the_command_line_is_a_template_too() -> None:
    options = SendOptions(
        template=template("t.txt", "Subject: t\n\nx"), subject="{{ a }}!", var=("a=1",)
    )
    assert filled(options).subject == "1!"


def test_an_empty_subject_on_the_command_line_wins() -> None:
    options = SendOptions(template=template("t.txt", "Subject: t\n\nx"), subject="")
    assert filled(options).subject == ""


def test_an_address_that_comes_out_wrong_is_named_with_its_header() -> None:
    path = template("t\x1b.txt", "To: {{ a }}\nSubject: x\n\nx")
    with pytest.raises(AddressError, match=r"^t\\x1b\.txt, To: "):
        filled(SendOptions(template=path, var=("a=nobody",)))


def test_a_value_cannot_add_a_recipient_by_a_line_break(tmp_path: Path) -> None:
    path = template("t.txt", "To: b@b.test\nFrom: a@a.test\nSubject: {{ a }}\n\nx")
    result = run(
        *("send", "--dry-run", "--template", path, "--var", "a=x\r\nBcc: evil@x.test"),
        cwd=tmp_path,
    )
    assert (result.exit_status, result.stdout) == (65, b"")


def test_a_template_has_one_sender() -> None:
    path = template("t.txt", "From: a@a.test, b@b.test\n\nx")
    with pytest.raises(AddressError, match="more than one sender"):
        filled(SendOptions(template=path))


@pytest.mark.parametrize(
    "body", ["{{ unknown }}", "{{ open", "{% for i in range(9999999) %}{% endfor %}"]
)
def test_a_template_that_cannot_be_rendered_is_named(body: str) -> None:
    with pytest.raises(TemplateError, match=r"^t\.txt:3: "):
        filled(SendOptions(template=template("t.txt", f"Subject: x\n\n{body}")))
    with pytest.raises(TemplateError, match=r"^--text:1: "):
        filled(SendOptions(text=body, var=("a=1",)))


def test_a_template_cannot_read_files_or_the_environment() -> None:
    Path("secret").write_text("secret")
    for body in ('{% include "secret" %}', "{{ environ }}", "{{ ''.__class__ }}"):
        with pytest.raises(TemplateError):
            filled(SendOptions(text=body, var=("a=1",)))


@pytest.mark.parametrize("option", ["text", "html", "markdown"])
def test_a_template_is_a_body_already(option: str) -> None:
    options = {
        "text": SendOptions(template="t", text="x"),
        "html": SendOptions(template="t", html="x"),
        "markdown": SendOptions(template="t", markdown="x"),
    }[option]
    with pytest.raises(UsageError, match=f"--template and --{option}"):
        filled(options)
