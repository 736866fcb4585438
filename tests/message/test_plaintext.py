"""The text part of an HTML mail: readable, complete, and in linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexomailer_cli.message.markup import Tag, tokens
from nexomailer_cli.message.plaintext import plaintext


def lines(html: str) -> list[str]:
    return plaintext(html).splitlines()


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("Hi", "Hi\n"),
        ("<p>One</p><p>Two</p>", "One\n\nTwo\n"),
        ("<p>One<p>Two", "One\n\nTwo\n"),
        ("<div>One</div><div>Two</div>", "One\nTwo\n"),
        ("  a \n\t b  <b> c</b> ", "a b c\n"),
        ("a<br>b<br/>c", "a\nb\nc\n"),
        ("a<br><br><br><br>b", "a\n\nb\n"),
        ("a<hr>b", "a\n\n----------------------------------------\n\nb\n"),
        ("<h1>Title</h1>x", "Title\n=====\n\nx\n"),
        ("<h2>Title</h2>x", "Title\n-----\n\nx\n"),
        ("<h3>Title</h3>x", "Title\n\nx\n"),
        ("x &lt; y &amp; z &eacute; &#8364; &nope;", "x < y & z é € &nope;\n"),
        ("1 < 2 & 3 > 2", "1 < 2 & 3 > 2\n"),
        ("a&nbsp;b<p>&nbsp;</p>c", "a b\n\nc\n"),
        ("so&shy;ft\u200b&#27;[2J\x9b", "soft[2J\n"),
        ("a\r\nb\rc\u2028d", "a b c d\n"),
        ("<pre>\n  a\n    b  c\n</pre>d", "  a\n    b  c\n\nd\n"),
        ("<pre>a<br>b</pre>", "a\nb\n"),
        ("<pre> \n </pre>x", "x\n"),
        ("<p>a</p>b</p>", "a\n\nb\n"),
    ],
)
def test_blocks_and_white_space(html: str, text: str) -> None:
    assert plaintext(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ('<a href="https://x.example/a">Our site</a>.', "Our site <https://x.example/a>.\n"),
        ('<a href="https://x.example/">https://x.example</a>', "https://x.example\n"),
        ('<a href="https://x.example/">X.example</a>', "X.example\n"),
        ('<a href="mailto:a@b.example?subject=x">a@b.example</a>', "a@b.example\n"),
        ('<a href="mailto:a@b.example">Write</a> us', "Write <a@b.example> us\n"),
        ('<a href="tel:+1">call </a>us', "call <+1> us\n"),
        ('<a href="#top">up</a> <a href="JavaScript:x()">x</a> <a name=z>z</a>', "up x z\n"),
        ('<a href="https://x.example/a b&amp;c">x</a>', "x <https://x.example/a%20b&c>\n"),
        ('<a href="https://x.example"><img src=x></a>', "<https://x.example>\n"),
        ('<a href="https://x.example"><img src=x alt="Logo"></a>', "Logo <https://x.example>\n"),
        ('<a href="https://x.example"><div>Big</div></a>', "Big\n<https://x.example>\n"),
        ("<a href=http://a.example>a<a href=http://b.example>b", None),
    ],
)
def test_links(html: str, text: str | None) -> None:
    assert plaintext(html) == (text or "a <http://a.example>b <http://b.example>\n")


def test_images_give_their_alternative_text() -> None:
    assert plaintext('<img alt="A &quot;cat&quot;"> <img src=x><img alt="">.') == 'A "cat" .\n'


def test_nested_lists_are_indented_and_numbered() -> None:
    html = """<ul><li>one<li>two
      <ol start=3><li>x</li><li><p>y</p><p>z</p></li></ol>
      <li>three</ul>after"""
    assert lines(html) == [
        *["- one", "- two", "  3. x", "  4. y", "", "     z", "- three", "", "after"],
    ]


def test_list_without_a_list_or_items_is_still_text() -> None:
    assert plaintext("<li>a<li>b</ul>") == "- a\n- b\n"
    assert plaintext("<ul>a<li></li></ul><ol start=x><li>b</ol>") == "a\n\n1. b\n"


def test_definition_lists() -> None:
    assert lines("<dl><dt>T<dd>def<dt>U<dd>more</dl>x") == [
        "T",
        "    def",
        "U",
        "    more",
        "",
        "x",
    ]


def test_quotations_nest() -> None:
    html = "<blockquote><p>a</p><p>b</p><blockquote>c</blockquote></blockquote>d"
    assert lines(html) == ["> a", ">", "> b", ">", "> > c", "", "d"]


def test_data_table_has_columns() -> None:
    html = """<table><thead><tr><th>Item<th>Price</thead>
      <tr><td>Apple<td>5</tr><tr><td>Banana</td><td>12345</table>"""
    assert lines(html) == [
        *["Item    Price", "------  -----", "Apple   5", "Banana  12345"],
    ]


def test_layout_table_is_read_cell_by_cell() -> None:
    html = """<table><tr><td><table><tr><td>Logo</td><td>View</td><td></td></tr></table></tr>
      <tr><td><p>One</p><p>Two</p></td><td>Three</td><td>x<br>y</td></tr><tr><td></td></tr></table>"""
    assert lines(html) == ["Logo  View", "", "One", "", "Two", "Three", "", "x", "y"]


def test_rows_too_wide_for_columns_are_joined_or_stacked() -> None:
    html = f"<table><tr><td>{'x ' * 30}<td>a<tr><td>b<td>{'y ' * 30}<td>{'z ' * 30}</table>"
    short, long = ("x " * 30).strip() + "  a", ["b", ("y " * 30).strip(), ("z " * 30).strip()]
    assert lines(html) == [short, "", *long]


def test_rows_and_cells_without_a_table_are_text() -> None:
    assert lines("<tr><td>a</td><td>b</td></tr><td>c</td>") == ["a  b", "c"]
    assert lines("<table><td>a<td>b</table>") == ["a  b"]
    assert lines("<table>x<tr>y<td>a</table>") == ["x", "y", "a"]


def test_an_end_tag_inside_a_cell_does_not_end_what_is_around_the_table() -> None:
    html = "<blockquote><table><tr><td>a</blockquote></td></tr></table>b</blockquote>c"
    assert lines(html) == ["> a", ">", "> b", "", "c"]


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>'</p>' < 1</script>",
        "<style>p { color: red }</STYLE >",
        "<head><title>x</title><meta charset=utf-8><b>x</b></head>",
        "<head><b>x</b><body>",
        "<!-- <p>x</p> -->",
        "<!--[if mso]><p>x</p><![endif]-->",
        "<!-->",
        "<!DOCTYPE html><?xml version='1'?></ x></>",
        '<div style="display: none">x<div>x</div>x</div>',
        "<div style='color:red;max-height:0px'>x</div>",
        "<span style=opacity:0>x</span>",
        "<span style='VISIBILITY:hidden'>x</span>",
        "<div hidden>x</div>",
        "<p hidden>x<p>",
        "<p hidden>x<p hidden>x</p>",
        "<svg><text>x</text></svg><template>x</template>",
        "<img style='display:none' alt='' hidden>",
    ],
)
def test_hidden_things_are_left_out(hidden: str) -> None:
    assert plaintext(f"{hidden}Seen") == "Seen\n"


@pytest.mark.parametrize(
    "html",
    [
        '<div style="opacity:0.9">Seen</div>',
        "<div class=hidden>Seen</div>",
        "<b style=''>Seen</b>",
    ],
)
def test_what_only_looks_hidden_is_seen(html: str) -> None:
    assert plaintext(html) == "Seen\n"


def test_lines_are_at_most_78_wide_but_urls_stay_whole() -> None:
    url = "https://example.com/" + "x" * 200
    result = lines(f"<p>{'word ' * 100}<a href={url}>here</a></p>")
    assert f"<{url}>" in " ".join(result)
    assert max(len(line) for line in result if url not in line) <= 78
    assert all(len(line) > 70 for line in result[:5])


def test_quoted_attributes_may_contain_angle_brackets() -> None:
    assert plaintext("""<p title="a > b" class='<'>x</p><a href=x'y>z</a>""") == "x\n\nz <x'y>\n"


def test_attributes_first_one_counts_and_names_ignore_case() -> None:
    tag = next(iter(tokens("<A HREF=1 href=2 b c = '&amp;'>")))
    assert isinstance(tag, Tag)
    assert tag.attributes() == {"href": "1", "b": "", "c": "&"}


def test_huge_character_references_do_no_harm() -> None:
    assert plaintext("a&#" + "9" * 5000 + ";b&#x" + "f" * 5000 + ";c") == "a\ufffdb\ufffdc\n"


def _spent(html: str) -> float:
    started = time.process_time()
    plaintext(html)
    return time.process_time() - started


@pytest.mark.parametrize(
    "source",
    [
        *["<div>", "<blockquote>x", "<ul><li>x", "<ol><li>", "<table><tr><td>x", "<table>", "<h1>"],
        *["<", "<a", "<a href='", '<a href="x">', "<a href=x>y</a>", "<!--", "</", "<!", "&", "<?"],
        *[
            "<p hidden>",
            "<div hidden>",
            "<td>x",
            "<li>x",
            "<br>",
            "<script>",
            "<dd>",
            "<b>",
            "<pre>",
        ],
        *["</blockquote>", "</table>", "<a = ", "&#x", "\n", "x ", "<blockquote>x</blockquote>"],
    ],
)
def test_time_is_linear(source: str) -> None:
    def seconds(count: int) -> float:
        html = source * count + "<p>y" + "</div>" * count
        return min(_spent(html) for _ in range(2))  # the rest of the machine is not its fault

    # Quadratic would be sixteen times; the floor keeps the clock's noise out.
    assert seconds(10_000) < 8 * max(seconds(2_500), 0.05)


def test_a_table_with_one_wide_row_is_not_padded_out() -> None:
    html = "<table><tr>" + "<td>x" * 1000 + ("<tr><td>" + "y" * 20) * 10_000
    assert len(plaintext(html)) < 2 * len(html)


def test_text_in_100_000_nested_elements_is_found() -> None:
    assert "deep" in plaintext("<div><blockquote><b>" * 100_000 + "deep" + "</blockquote>" * 9)


SOUP = (
    *("<p>", "</p>", "<div>", "</div>", "<ul>", "<ol>", "<li>", "</li>", "</ul>", "<dl>", "<dd>"),
    *("<table>", "<tr>", "<td>", "<th>", "</td>", "</table>", "<pre>", "</pre>", "<br>", "<hr>"),
    *("<a href=x>", "</a>", "<h1>", "</h1>", "<blockquote>", "</blockquote>", "<div hidden>"),
    *("<!--", "-->", "&amp;", "<", ">", "&#", "word", " ", "\n"),
)


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(SOUP),
        max_size=40,
    )
)
def test_any_soup_gives_clean_lines(pieces: list[str]) -> None:
    text = plaintext("".join(pieces))
    assert text == text.rstrip() + "\n" or text == ""
    assert all(line == line.rstrip() for line in text.split("\n"))


@given(st.text(max_size=200))
def test_any_text_is_survived_without_control_characters(html: str) -> None:
    assert not any(char < " " and char not in "\n\t" for char in plaintext(html))


@given(st.lists(st.text(alphabet="abc", min_size=1, max_size=9), min_size=1, max_size=60))
def test_no_word_is_lost_or_reordered(words: list[str]) -> None:
    html = "<div>" + "</b> <p><b>".join(words)
    assert plaintext(html).split() == words
