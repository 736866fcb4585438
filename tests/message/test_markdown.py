"""Markdown mail: what a reader sees."""

from __future__ import annotations

import pytest

from nexomailer_cli.message.markdown import html_from_markdown
from nexomailer_cli.message.plaintext import plaintext


def test_the_result_is_a_whole_document() -> None:
    html = html_from_markdown("# Hi\n")
    assert html.startswith("<!DOCTYPE html>\n<html>")
    assert '<meta charset="utf-8">' in html
    assert "<h1>Hi</h1>" in html
    assert html.endswith("</body>\n</html>\n")


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("*a* **b** ~~c~~", "<em>a</em> <strong>b</strong> <s>c</s>"),
        ("[a](https://x.example)", '<a href="https://x.example">a</a>'),
        ("https://x.example", "<p>https://x.example</p>"),
        ("a <b>b</b>", "a <b>b</b>"),
        ("{x} {{ y }} %s", "{x} {{ y }} %s"),
        ("![a](x.png)", '<img src="x.png" alt="a" style="max-width: 100%" />'),
    ],
)
def test_commonmark_with_strikethrough_and_raw_html(markdown: str, html: str) -> None:
    assert html in html_from_markdown(markdown)


def test_script_urls_are_no_links() -> None:
    assert "href" not in html_from_markdown("[a](javascript:alert(1))")


def test_tables_carry_their_style_in_every_cell() -> None:
    html = html_from_markdown("| a | b |\n|---|--:|\n| 1 | 2 |\n")
    assert html.count("border: 1px solid") == 4
    assert html.count("text-align:right") == 2
    assert "border-collapse: collapse" in html
    assert plaintext(html) == "a  b\n-  -\n1  2\n"


def test_code_and_quotations_are_styled() -> None:
    html = html_from_markdown("> q\n\n    code\n\n```\nfence\n```\n")
    assert html.count("style=") == 1 + 3
    assert "<code>code\n</code>" in html


@pytest.mark.parametrize("piece", ["*", "[", "`", "> ", "- ", "<", "*a ", "|", "![[", "<!--"])
def test_repetition_is_survived(piece: str) -> None:
    assert html_from_markdown(piece * 5000).endswith("</html>\n")
