"""Whatever a server says: no control character, no escape sequence, nothing too wide."""

from __future__ import annotations

import re
from itertools import cycle
from typing import Any, cast, get_type_hints
from unicodedata import category

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexomailer_cli.cli.screen_page import Page, cells, page_of, wrapped
from nexomailer_cli.cli.screen_table import table
from nexomailer_cli.printable import printable
from nexomailer_cli.probe.report import Examinations, Report
from tests.cli import screen_examples as examples
from tests.cli.test_screen_golden import drawn

NASTY = (
    *("", " ", " " * 200, "[bold]x[/bold]", "[/foo]", ":smile:", "a" * 300, "漢字" * 60),
    *(
        "\x1b[2J\x1b]0;title\x07",
        "\x9b31m",
        "line\nforged: 250 ok\r",
        "\u202eevil",
        "👩‍👩‍👧❤\ufe0f" * 30,
    ),
    *("e\u0301" * 90, "\udcff", "\0", "· a · " * 40, "ﷺ" * 50, "x -" + " - y" * 60),
)
TEXTS = st.lists(st.sampled_from(NASTY) | st.text(max_size=120), min_size=1, max_size=6)
PAGES = st.builds(
    Page,
    width=st.integers(40, 100),
    is_framed=st.booleans(),
    is_verbose=st.booleans(),
    is_colored=st.booleans(),
)
COLOR = re.compile(r"\x1b\[(?:1|2|32|33|31;1)m|\x1b\[0m")
# These became wide with Unicode 16, which not every Python and no old terminal knows.
WIDENED = re.compile("[\u2630-\u2637\u268a-\u268f\u4dc0-\u4dff\U0001d300-\U0001d376]")
EVERY = (*examples.FIVE, examples.interrupted)


def scrambled(value: Any, texts: cycle[str]) -> Any:
    """Put other words in every place that takes any words."""
    if isinstance(value, tuple):
        return tuple(scrambled(each, texts) for each in value)
    if not isinstance(value, msgspec.Struct):
        return value
    hints = get_type_hints(type(value))
    changes: dict[str, Any] = {}
    for name in value.__struct_fields__:
        old, hint = getattr(value, name), hints[name]
        if hint in (str, str | None):
            changes[name] = next(texts)
        elif hint == tuple[str, ...]:
            changes[name] = (next(texts), next(texts))
        elif hint == dict[str, str]:
            changes[name] = {"CN": next(texts), next(texts): next(texts)}
        else:
            changes[name] = scrambled(old, texts)
    return msgspec.structs.replace(value, **changes)


def assert_harmless(lines: list[str], page: Page) -> None:
    for line in lines:
        bare = COLOR.sub("", line) if page.is_colored else line
        assert printable(bare) == bare
        assert cells(bare) <= page.width


@settings(deadline=None)
@given(st.sampled_from(EVERY), TEXTS, PAGES)
def test_no_words_break_a_screen(make: Any, texts: list[str], page: Page) -> None:
    report = cast("Report", scrambled(make(), cycle(texts)))
    assert_harmless(list(drawn(report, page)), page)


@settings(deadline=None)
@given(TEXTS, PAGES)
def test_no_words_break_the_table(texts: list[str], page: Page) -> None:
    several = cast("Examinations", scrambled(examples.several(), cycle(texts)))
    assert_harmless(list(table(several, page)), page)


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["ascii", "latin-1", "cp1252"]))
def test_an_encoding_without_a_character_shows_its_number(texts: list[str], encoding: str) -> None:
    page = Page(encoding=encoding, is_ascii=True, is_framed=True)
    report = cast("Report", scrambled(examples.wrong_name(), cycle(texts)))
    lines = list(drawn(report, page))
    assert_harmless(lines, page)
    assert "\n".join(lines).encode(encoding)


@settings(deadline=None)
@given(st.text(), st.integers(2, 30))
def test_wrapping_loses_nothing_but_spaces(text: str, width: int) -> None:
    text = printable(text)
    lines = list(wrapped(text, width))
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(cells(line) <= width for line in lines)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_the_width_of_a_text_is_what_rich_takes_it_for_or_more(text: str) -> None:
    from rich.cells import cell_len

    known = (each for each in printable(text) if category(each) not in ("Cn", "Co"))
    text = WIDENED.sub("", "".join(known))
    assert cells(text) >= cell_len(text)


def test_the_command_to_run_next_cannot_run_another_one() -> None:
    about = msgspec.structs.replace(examples.wrong_tls_mode().target, ascii_host="a;rm -rf ~")
    report = msgspec.structs.replace(examples.wrong_tls_mode(), target=about)
    text = "\n".join(drawn(report, Page(width=100)))
    assert "test-connection 'a;rm -rf ~:587' --security" in text


@pytest.mark.parametrize("columns", ["0", "-5", "x", "", "99999999999", "٣"])
def test_a_strange_width_does_no_harm(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert 40 <= page_of(None, color=True, verbose=False).width <= 100
