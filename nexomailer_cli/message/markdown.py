"""Markdown to a whole HTML document that mail programs show well.

CommonMark with tables and strikethrough. Raw HTML goes through: it is the author's own
text. Values from elsewhere are made harmless before, by a template of kind `markdown`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it import MarkdownIt
    from markdown_it.token import Token

# Inside the elements, because several mail programs drop <style>.
_CELL = "border: 1px solid #d0d0d0; padding: 4px 10px"
_STYLES = {
    "table_open": "border-collapse: collapse; margin: 1em 0",
    "th_open": f"{_CELL}; background: #f4f4f4",
    "td_open": _CELL,
    "blockquote_open": "margin: 1em 0; padding-left: 1em; border-left: 3px solid #d0d0d0",
    "fence": "display: block; background: #f4f4f4; padding: 10px; overflow: auto",
    "code_block": "background: #f4f4f4; padding: 10px; overflow: auto",
    "image": "max-width: 100%",
}
_DOCUMENT = """\
<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
</head>
<body style="font-family: sans-serif; font-size: 16px; line-height: 1.5">
{body}</body>
</html>
"""


def html_from_markdown(text: str) -> str:
    """Return the HTML document; the text part that goes with it is the Markdown itself."""
    parser = _parser()
    tokens = parser.parse(text)
    _style(tokens)
    return _DOCUMENT.format(body=parser.renderer.render(tokens, parser.options, {}))


def escape_words(text: str) -> str:
    """Return what a word of a paragraph is in the HTML document."""
    from markdown_it.common.utils import escapeHtml

    return escapeHtml(text)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def _style(tokens: Sequence[Token]) -> None:
    for token in tokens:
        style = _STYLES.get(token.type)
        if style:
            alignment = token.attrGet("style") or ""
            token.attrSet("style", f"{style}; {alignment}".rstrip("; "))
        _style(token.children or ())
