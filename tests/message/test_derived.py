"""Converting once gives what converting every message gives."""

from __future__ import annotations

import html

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexomailer_cli.message.derived import Derived
from nexomailer_cli.message.markdown import html_from_markdown
from nexomailer_cli.message.plaintext import plaintext
from nexomailer_cli.message.template import Template

LETTER = """\
# Hello {{ name }}!

Dear *{{ name }}*, you **owe {{ sum }}**, see [the bill](https://x.example/b/{{ id }}) or
[this]({{ url }}), `as agreed`.

| what | sum |
|------|-----|
| {{ name }} | {{ sum }} |

- {{ id }}
"""


def escape(text: str) -> str:
    return html.escape(text, quote=False).replace('"', "&quot;")


def markdown(source: str) -> Derived:
    return Derived(Template(source, name="t", kind="markdown"), html_from_markdown, escape)


def readable(source: str) -> Derived:
    return Derived(Template(source, name="t", kind="html"), plaintext, str)


def test_an_ordinary_letter_is_converted_once() -> None:
    assert markdown(LETTER).is_quick
    assert readable("<h1>Dear {{ name }}</h1><p><a href='https://x.example/{{ id }}'>x").is_quick


@pytest.mark.parametrize(
    "source",
    [
        "`{{ a }}`",
        "    {{ a }}",
        "{{ a }}. one",
        "{{ a }}) one",
        "&{{ a }};",
        "&#{{ a }};",
        "\\{{ a }}",
        "<b title='{{ a }}'>",
        "<div>\n{{ a }}\n</div>",
        "a*{{ a }}*",
        "*{{ a }}*b",
        "{{ a|upper }}",
    ],
)
def test_what_depends_on_a_value_is_converted_every_time(source: str) -> None:
    derived = markdown(source)
    assert not derived.is_quick
    plain = Template(source, name="t", kind="markdown")
    for value in ("1", "amp", "!", "x y", ""):
        assert derived.render({"a": value}) == html_from_markdown(plain.render({"a": value}))


VALUES = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="ab1 .*_`<>&[]()#!:/\"'|~-=+\\\n", max_size=12),
    st.sampled_from(["https://x.example/a?b=1&c=2", "javascript:x", "a@b.example", "Ann Lee"]),
    st.integers(),
)


@settings(max_examples=300)
@given(VALUES, VALUES, VALUES, VALUES)
def test_no_value_tells_the_two_ways_apart(
    name: object, total: object, number: object, url: object
) -> None:
    values = {"name": name, "sum": total, "id": number, "url": url}
    plain = Template(LETTER, name="t", kind="markdown")
    assert DERIVED.render(values) == html_from_markdown(plain.render(values))


DERIVED = markdown(LETTER)

SOURCES = st.lists(
    st.sampled_from(
        [
            *("{{ a }}", "{{ b }}", "*", "**", "_", " ", "\n", "\n\n", "- ", "1. ", "# ", "> "),
            *("x", "[", "](https://x.example/", ")", "<", ">", "|", "&", "`", "    ", "~~", "\\"),
        ]
    ),
    max_size=10,
)


@settings(max_examples=500, deadline=None)
@given(SOURCES, VALUES, VALUES)
def test_no_template_tells_the_two_ways_apart(
    pieces: list[str], first: object, second: object
) -> None:
    source = "".join(pieces)
    if "{{" not in source:
        return
    values = {"a": first, "b": second}
    plain = Template(source, name="t", kind="markdown")
    assert markdown(source).render(values) == html_from_markdown(plain.render(values))


@given(st.text(alphabet="ab&<>\"'1/@. -", min_size=1, max_size=12))
def test_readable_text_says_the_value_itself(value: str) -> None:
    source = "<p>x{{ a }}x</p><p><a href='mailto:{{ b }}'>write</a>, {{ b }}</p>"
    text = readable(source).render({"a": value, "b": "a@x.example"})
    assert " ".join(f"x{value}x".split()) in " ".join(text.split())
    assert text.endswith("write <a@x.example>, a@x.example\n")


def test_a_link_that_is_its_own_text_is_shown_once() -> None:
    derived = readable("<a href='{{ url }}'>{{ url }}</a>")
    assert derived.render({"url": "https://x.example/"}) == "https://x.example/\n"
