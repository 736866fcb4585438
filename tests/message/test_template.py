"""Templates: what they say, what they refuse, and what no value can do."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.errors import TemplateError
from nexomailer_cli.message.markdown import html_from_markdown
from nexomailer_cli.message.plaintext import plaintext
from nexomailer_cli.message.template import Kind, Template
from nexomailer_cli.message.template_file import parse_template_file

MAILMERGE = """\
TO: {{email}}
SUBJECT: Testing mailmerge
FROM: My Self <myself@mydomain.com>
ATTACHMENT: one.pdf
Attachment: {{ file }}

Hi, {{name}},

Your number is {{number}}.
"""


def rendered(source: str, kind: Kind = "text", **values: object) -> str:
    return Template(source, name="letter.txt", kind=kind).render(values)


def refusal(source: str, **values: object) -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        rendered(source, "text", **values)
    return caught.value


def test_values_stand_where_their_names_stood() -> None:
    assert rendered("Dear {{ name }},\n\n{{n}}\n", name="Zoë", n=5) == "Dear Zoë,\n\n5\n"


def test_final_line_breaks_stay() -> None:
    assert rendered("a\n\n") == "a\n\n"


def test_loops_conditions_and_methods_of_strings_work() -> None:
    source = "{% for x in items %}{{ x.upper() }}{% if not loop.last %}, {% endif %}{% endfor %}"
    assert rendered(source, items=["a", "b"]) == "A, B"


@pytest.mark.parametrize("kind", ["text", "html", "markdown"])
def test_a_value_is_never_rendered_itself(kind: Kind) -> None:
    result = rendered("{{ x }}", kind, x="{{ 7*7 }}{% for %}${x}%s{0.__class__}")
    assert "49" not in result
    assert "class" in result


def test_html_escapes_values_and_text_does_not() -> None:
    assert rendered("<b>{{ x }}</b>", "html", x="<i>&\"'") == "<b>&lt;i&gt;&amp;&quot;&#x27;</b>"
    assert rendered("<b>{{ x }}</b>", x="<i>&") == "<b><i>&</b>"


def test_safe_marks_the_authors_own_markup() -> None:
    assert rendered("{{ x|safe }}", "html", x="<i>") == "<i>"
    assert rendered("{{ x|safe }}", "markdown", x="*i*") == "*i*"


def test_macros_are_escaped_once() -> None:
    source = "{% macro bold(x) %}**{{ x }}**{% endmacro %}{{ bold(x) }}"
    assert rendered(source, "markdown", x="*") == "**&#42;**"


@given(st.text(alphabet="*_`<>&[](){}#+-=|~!.\\\"' \nab1:/", max_size=30))
def test_no_value_becomes_markup_in_markdown(value: str) -> None:
    for source in ("{{ x }}", "a {{ x }} b", "<div>\n{{ x }}\n</div>", "- {{ x }}"):
        html = html_from_markdown(rendered(source, "markdown", x=value))
        # Indentation makes a code block of anything; what is in there is inert.
        for tag in ("<a", "<em", "<strong", "<h1", "<h2", "<img", "<s>", "<script", "<table"):
            assert tag not in html


@given(st.text(alphabet="*_`<>&[]#+-=|~!.\\\"'ab1:/", min_size=1, max_size=30))
def test_a_value_in_markdown_is_read_as_it_was_written(value: str) -> None:
    html = html_from_markdown(rendered("x{{ x }}x", "markdown", x=value))
    assert plaintext(html) == f"x{value}x\n"


def test_line_breaks_in_values_are_left_to_whoever_makes_headers() -> None:
    assert rendered("{{ x }}", x="a\r\nBcc: b") == "a\r\nBcc: b"


def test_unknown_name_is_told_with_file_line_and_a_suggestion() -> None:
    error = refusal("Hi\n{{ nmae }}", name="x", email="y")
    assert str(error) == "letter.txt:2: there is no value called 'nmae'; did you mean 'name'?"
    assert error.hint == "Known here: email, name."


def test_suggestion_knows_columns_with_spaces_and_capitals() -> None:
    assert "did you mean 'First Name'?" in str(refusal("{{ first_name }}", **{"First Name": 1}))


def test_unknown_name_without_any_values_has_no_suggestion() -> None:
    error = refusal("{{ zzz }}")
    assert str(error) == "letter.txt:1: there is no value called 'zzz'"
    assert error.hint == ""


def test_control_characters_are_shown_harmlessly() -> None:
    with pytest.raises(TemplateError) as caught:
        Template("{{ x }}", name="a\x1b[2J.txt").render({"b\x1b": 1})
    assert "\x1b" not in str(caught.value) + caught.value.hint


def test_variables_are_the_names_a_template_reads() -> None:
    template = Template("{{ a }}{{ b.c }}{% for x in range(n) %}{{ x }}{% endfor %}", name="t")
    assert template.variables == {"a", "b", "n"}
    assert repr(template) == "<Template t:1>"


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("a\nb {{ name", ":2: "),
        ("{% if %}", ":1: unexpected end of block"),
        ("{{ x|nosuch }}", "filter nosuch is unknown"),
        ("{% include '/etc/passwd' %}", "cannot include"),
        ("{% extends 'x' %}", "cannot include"),
        ("{{ ''.__class__ }}", "__class__"),
        ("\ud800", "not valid Unicode"),
    ],
)
def test_wrong_template_is_a_template_error(source: str, part: str) -> None:
    assert part in str(refusal(source, x="1"))


@pytest.mark.parametrize(
    "source",
    [
        "{% for x in range(10**9) %}{% endfor %}",
        "{{ 'a'*10**9 }}",
        "{% for x in range(99999) %}{% for y in range(99999) %}{% endfor %}{% endfor %}",
        "{% for x in range(90000) %}{{ large }}{% endfor %}",
        "{% for x in range(90000) %}" + "x" * 100_000 + "{% endfor %}",
        "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{{" + "-" * 100_000 + "1}}",
        "{{ large" + "|upper" * 100_000 + "}}",
        "{% if large %}" + "{% elif large %}" * 5000 + "{% endif %}",
        "{{" + "(" * 100_000,
        '{{ "' + '\\"' * 100_000,
        "{{ '%40000000d'|format(1) }}",
        "{{ many }}",
        "x" * (32 * 1024 * 1024 + 1),
    ],
)
def test_hostile_template_ends_soon(source: str) -> None:
    started = time.process_time()
    refusal(source, large="a" * 100_000, many=["x" * 1_000_000] * 40)
    assert time.process_time() - started < 5


def test_long_strings_in_a_tag_are_fine() -> None:
    assert rendered('{{ "' + "x" * 3000 + '" }}') == "x" * 3000


def test_a_large_page_without_loops_has_fuel_enough() -> None:
    assert len(rendered("<td>{{ x }}</td>" * 20_000, x="1")) == 20_000 * 10


def test_mailmerge_template_works_as_it_is() -> None:
    file = parse_template_file(MAILMERGE, "mailmerge_template.txt")
    values = {"email": "a@b.example", "file": "two.pdf", "name": "Bob", "number": 17}
    headers = [(name, template.render(values)) for name, template in file.headers]
    assert headers == [
        ("To", "a@b.example"),
        ("Subject", "Testing mailmerge"),
        ("From", "My Self <myself@mydomain.com>"),
        ("Attachment", "one.pdf"),
        ("Attachment", "two.pdf"),
    ]
    assert file.body.render(values) == "Hi, Bob,\n\nYour number is 17.\n"
    assert (file.kind, file.text) == ("text", None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.txt", "text"), ("a.MD", "markdown"), ("a.html", "html"), ("a.htm", "html"), ("a", "text")],
)
def test_the_ending_decides_the_kind(name: str, kind: Kind) -> None:
    assert parse_template_file("Hi", name).kind == kind


def test_content_type_has_precedence_and_is_not_a_header_to_send() -> None:
    file = parse_template_file("To: a@b.example\nContent-Type: text/html\n\n{{ x }}", "a.txt")
    assert file.kind == "html"
    assert [name for name, _ in file.headers] == ["To"]
    assert file.body.render({"x": "<"}) == "&lt;"


def test_markdown_has_a_text_part_with_values_untouched() -> None:
    file = parse_template_file("Subject: x\n\n*{{ x }}*", "a.md")
    assert file.text is not None
    assert file.text.render({"x": "_<"}) == "*_<*"
    assert file.body.render({"x": "_<"}) == "*&#95;&#60;*"


@pytest.mark.parametrize(
    "text",
    [
        "Hello {{ name }}\nSubject: of interest\n\nBye",
        "Note: bring a pen\n\nBye",
        "https://example.com/\n\nBye",
        "<!DOCTYPE html>\n<p>Hi",
        "\nTo: nobody\n\nBye",
        "",
    ],
)
def test_without_a_header_block_everything_is_body(text: str) -> None:
    file = parse_template_file(text, "a.txt")
    assert file.headers == ()
    assert file.body.source == text


def test_headers_may_be_folded_and_of_any_name_and_line_ends_do_not_matter() -> None:
    text = "\ufeffSubject: a\r\n {{ b }}\r\nX-Campaign:7\r\n\r\nbody\r\n"
    file = parse_template_file(text, "a.txt")
    assert [(name, t.render({"b": "B"})) for name, t in file.headers] == [
        ("Subject", "a B"),
        ("X-Campaign", "7"),
    ]
    assert file.body.source == "body\n"


def test_header_block_alone_has_an_empty_body() -> None:
    assert parse_template_file("To: a@b.example", "a.txt").body.source == ""


def test_lines_in_errors_are_lines_of_the_file() -> None:
    file = parse_template_file("To: {{ a }}\nSubject: {{ b }}\n\nHi\n{{ c }}", "a.txt")
    with pytest.raises(TemplateError, match=r"^a\.txt:2: "):
        file.headers[1][1].render({})
    with pytest.raises(TemplateError, match=r"^a\.txt:5: "):
        file.body.render({})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("To: a@b.example\nDear Bob\n\nHi", 2),
        ("{% if cc %}\nCc: {{ cc }}\n{% endif %}\nTo: a\n\nHi", 1),
    ],
)
def test_a_stray_line_in_the_header_block_is_refused(text: str, line: int) -> None:
    with pytest.raises(TemplateError, match=f"^a.txt:{line}: neither a header") as caught:
        parse_template_file(text, "a.txt")
    assert "comes out empty" in caught.value.hint


ALTERNATIVES = """\
TO: {{email}}
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="boundary"

This is a MIME-encoded message.

--boundary
Content-Type: text/plain; charset=us-ascii

Hi, {{name}},

--boundary
Content-Type: text/html; charset=us-ascii

<p>Hi, {{name}},</p>
{{ oops }}
--boundary--
"""


def test_mailmerge_alternatives_give_both_bodies() -> None:
    file = parse_template_file(ALTERNATIVES, "a.txt")
    assert file.kind == "html"
    assert file.text is not None
    assert file.text.render({"name": "<B>"}) == "Hi, <B>,\n\n"
    assert file.body.render({"name": "<B>", "oops": ""}) == "<p>Hi, &lt;B&gt;,</p>\n\n"
    with pytest.raises(TemplateError, match=r"^a\.txt:16: .*'oops'"):
        file.body.render({"name": "B"})


def test_a_part_without_a_header_is_text() -> None:
    text = (
        "Content-Type: multipart/alternative; boundary=b\n\n"
        "--b\n\nHi\n--b\nContent-Type: text/html\n\n<p>"
    )
    file = parse_template_file(text, "a.txt")
    assert file.text is not None
    assert file.text.source == "Hi\n"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (ALTERNATIVES.replace("text/html", "text/plain"), "a second part of the same type"),
        (ALTERNATIVES.replace("alternative", "mixed"), "needs one text and one HTML"),
        (ALTERNATIVES.replace("text/html", "image/png"), "cannot be of the type 'image/png'"),
        (ALTERNATIVES.replace('; boundary="boundary"', ""), "no boundary"),
        ("Content-Type: multipart/alternative; boundary=x\n\nHi", "needs one text"),
        ("Content-Transfer-Encoding: base64\nTo: x\n\nSGk=", "encoded as 'base64'"),
    ],
)
def test_bodies_we_cannot_write_are_refused(text: str, part: str) -> None:
    with pytest.raises(TemplateError, match=part):
        parse_template_file(text, "a.txt")


@given(st.text(alphabet="To: Sub\n\t{%}#-=;/ab", max_size=60), st.sampled_from(["a.md", "a.txt"]))
def test_any_text_gives_a_template_or_a_template_error(text: str, name: str) -> None:
    try:
        file = parse_template_file(text, name)
    except TemplateError:
        return
    assert file.body.source in text
