"""Filling places is the same as rendering, only quicker."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nexomailer_cli.errors import TemplateError
from nexomailer_cli.message.template import Kind, Template

KINDS = st.sampled_from(["text", "html", "markdown"])
PIECES = st.sampled_from(
    [
        *("{{ a }}", "{{b}}", '{{ row["First name"] }}', "{{ row['c'] }}", "{{\n a\t}}"),
        *("<p>", "{", "}", "}}", "é\n", "\r\n", "$", "{ {", "a"),
    ]
)
VALUES = st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.none(), st.floats())


@pytest.mark.parametrize(
    "source",
    [
        "{{ a|upper }}",
        "{{ a.b }}",
        "{{- a }}",
        "{% if a %}{% endif %}",
        "x {# note #}",
        "{{ none }}",
        "{{ range }}",
        "{{ 'a' }}",
        "{{ row[a] }}",
    ],
)
def test_anything_else_is_left_to_the_language(source: str) -> None:
    assert Template(source, name="t").straight is None


@given(st.lists(PIECES, max_size=6), VALUES, VALUES, KINDS)
@example(["{", "{", "a", "a", "}}"], None, None, "text")
def test_filling_gives_what_rendering_gives(
    pieces: list[str], first: object, second: object, kind: Kind
) -> None:
    try:
        template = Template("".join(pieces), name="t", kind=kind)
    except TemplateError:
        return
    values: dict[str, object] = {"a": first, "b": second, "row": {"First name": first, "c": second}}
    try:
        rendered = template._run(values)
    except TemplateError:  # the pieces have made a name that nobody has a value for
        with pytest.raises(TemplateError):
            template.render(values)
        return
    assert template.render(values) == rendered


def test_a_missing_member_is_told_as_by_the_language() -> None:
    template = Template('{{ row["x"] }}', name="t")
    assert template.straight is not None
    rows: tuple[dict[str, object], ...] = ({"row": {}}, {"row": "text"}, {"row": 7}, {})
    for values in rows:
        with pytest.raises(TemplateError, match=r"^t:1: "):
            template.render(values)


def test_a_text_without_places_is_the_template_itself() -> None:
    source = "nothing here\n" * 3
    assert Template(source, name="t").render({}) == source
