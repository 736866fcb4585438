from __future__ import annotations

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from nexomailer_cli.config.lines import KeyPath, lines_of, nearest_line

DOCUMENT = '''\
# comment = 1
top = 1 # [trap]
"quoted \\u0061" = 'x'
text = """
[trap]
trap = 1 \\""" still ""
"""""
raw = \'\'\'
trap = 2
\'\'\'\'
list = [
  1, # trap = 3
  { deep = [ [ "]" ], 1979-05-27 07:32:00 ], more.dots = "}" },
]
[ a . 'b' ]
c.d = { e = 1, f = "{ trap = 4" }
[[rows]]
x = 1
[[rows]]
[rows.sub]
y = 2
[[rows.inner]]
z = 3
[[rows.inner]]
z = 4
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("quoted a",), 3),
        (("text",), 4),
        (("raw",), 8),
        (("list",), 11),
        (("list", 0), 12),
        (("list", 1, "deep"), 13),
        (("list", 1, "deep", 0, 0), 13),
        (("list", 1, "more", "dots"), 13),
        (("a", "b"), 15),
        (("a", "b", "c", "d", "f"), 16),
        (("rows",), 17),
        (("rows", 0), 17),
        (("rows", 0, "x"), 18),
        (("rows", 1), 19),
        (("rows", 1, "sub", "y"), 21),
        (("rows", 1, "inner", 0, "z"), 23),
        (("rows", 1, "inner", 1), 24),
        (("rows", 1, "inner", 1, "z"), 25),
    ],
)
def test_every_key_is_found_on_its_line(path: KeyPath, line: int) -> None:
    assert lines_of(DOCUMENT)[path] == line


def test_exactly_the_keys_of_the_document_are_found() -> None:
    assert set(lines_of(DOCUMENT)) == set(paths_of(tomllib.loads(DOCUMENT)))


def test_what_is_not_there_is_shown_at_what_is_around_it() -> None:
    lines = lines_of(DOCUMENT)
    assert nearest_line(lines, ("rows", 1, "sub", "missing")) == 20
    assert nearest_line(lines, ("nothing", "like", "it")) is None


def test_windows_line_ends_count_once() -> None:
    assert lines_of("a = 1\r\n\r\nb = 2\r\n")[("b",)] == 3


def paths_of(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    children: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    own = [path] if path else []
    return own + [found for key, child in children for found in paths_of(child, (*path, key))]


# Surrogates are no text; tomli_w writes the rest as TOML wants it.
TEXTS = st.text(
    alphabet=st.one_of(st.sampled_from("\"'\\[]{}#=,.\n\t ab"), st.characters(codec="utf-8"))
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(), st.datetimes()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.booleans())
def test_whatever_can_be_written_is_walked_over(document: dict[str, Any], multiline: bool) -> None:
    text = tomli_w.dumps(document, multiline_strings=multiline)
    assert set(lines_of(text)) == set(paths_of(tomllib.loads(text)))


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_the_line_of_a_key_is_where_it_was_written(document: dict[str, Any]) -> None:
    before = tomli_w.dumps({"other": document})
    text = f"{before}\n[marker]\nkey = 1\n"
    if "marker" not in tomllib.loads(before):
        assert lines_of(text)[("marker", "key")] == text.count("\n")
