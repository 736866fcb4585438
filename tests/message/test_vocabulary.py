"""Words of a template that nobody knows are found before it is rendered, and no others."""

import pytest

from nexomailer_cli.message.vocabulary import unknown_words


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("{{ a|foo }}", [(1, "filter foo is unknown")]),
        ("x\n\n{{ a | upper |\n foo(1) }}", [(4, "filter foo is unknown")]),
        ("{% if a is foo %}{% endif %}", [(1, "test foo is unknown")]),
        (
            "{% if a is not foo %}{{ b|bar }}{% endif %}",
            [(1, "test foo is unknown"), (1, "filter bar is unknown")],
        ),
        ("{% for x in y|foo %}{% endfor %}", [(1, "filter foo is unknown")]),
        ("{# {{ x|foo }} #}\n{{ x|bar }}", [(2, "filter bar is unknown")]),
    ],
)
def test_what_there_is_not_is_named_with_its_line(
    source: str, found: list[tuple[int, str]]
) -> None:
    assert list(unknown_words(source)) == found


@pytest.mark.parametrize(
    "source",
    [
        "a|foo is foo",
        "{{ a|upper|truncate(3)|default('|foo') }}",
        '{{ "a \\" |foo" ~ b }}',
        "{# {{ a|foo }} #}",
        "{% raw %}{{ a|foo }}{% endraw %}",
        "{%- raw -%}{{ a|foo }}{%- endraw -%}",
        "{% if a is divisibleby(3) and b is not defined %}{% endif %}",
        "{{ this.is and that }}",
        "{{ a|replace('x', 'y') }}",
        "{% if a in b or c == 'is foo' %}{% endif %}",
    ],
)
def test_what_there_is_passes(source: str) -> None:
    assert list(unknown_words(source)) == []
