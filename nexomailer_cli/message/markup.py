"""HTML as a stream of tags and text, in linear time.

The standard library's parser is quadratic on some input in releases we run on
(CVE-2025-6069), and mail is written by anybody. This follows the tokenizer of the HTML
standard as far as a reader would notice. Knows little of what the tags mean.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

# Possessive quantifiers: nothing is read twice. A quotation mark counts after `=` only.
_TAG = re.compile(
    r"""<(?P<end>/?)(?P<name>[a-zA-Z][^\s/>]*+)"""
    r"""(?P<attributes>(?:[^=>]++|=\s*+(?:"[^"]*+"|'[^']*+'|(?!["'])))*+)>"""
)
_ATTRIBUTE = re.compile(
    r"""([^\s=>/"'][^\s=>/]*+)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s>]*+)))?+"""
)
# fmt: off
BLOCKS = frozenset((
    "address", "article", "aside", "body", "caption", "center", "details", "div", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "head", "header", "html", "legend",
    "main", "nav", "p", "section", "summary", "tbody", "tfoot", "thead", "h1", "h2", "h3",
    "h4", "h5", "h6", "ul", "ol", "dl", "dd", "li", "table", "tr", "td", "th", "blockquote",
    "pre", "hr"
))
# fmt: on
# Their content is not markup, and nobody reads it.
_RAW = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
}
# `html.unescape` hands the digits to int(), which refuses more than 4300 of them.
_FAR_TOO_LARGE = re.compile(r"&#(?:[0-9]{8,}+|[xX][0-9a-fA-F]{8,}+);?")


class Tag(Struct, frozen=True):
    """A start or an end tag. `name` is in lower case; `source` is what stands behind it."""

    name: str
    is_end: bool = False
    source: str = ""

    def attributes(self) -> dict[str, str]:
        """Return the attributes, names in lower case; the first of a name counts."""
        found: dict[str, str] = {}
        for name, double, single, bare in _ATTRIBUTE.findall(self.source):
            found.setdefault(name.lower(), unescape(double or single or bare))
        return found


def tokens(html: str) -> Iterator[str | Tag]:
    """Yield text, its character references resolved, and tags. What is not closed is dropped."""
    position = 0
    while position < len(html):
        start = html.find("<", position)
        if start < 0:
            yield unescape(html[position:])
            return
        if start > position:
            yield unescape(html[position:start])
        match = _TAG.match(html, start)
        if match:
            tag = Tag(match["name"].lower(), bool(match["end"]), match["attributes"])
            yield tag
            position = _after_tag(html, match.end(), tag)
        else:
            position = _after_no_tag(html, start)
            if position == start + 1:
                yield "<"


def unescape(text: str) -> str:
    """Resolve character references."""
    if "&" not in text:
        return text
    from html import unescape as resolve

    return resolve(_FAR_TOO_LARGE.sub("\ufffd", text))


def _after_tag(html: str, end: int, tag: Tag) -> int:
    closing = None if tag.is_end else _RAW.get(tag.name)
    if closing is None:
        return end
    match = closing.search(html, end)
    return match.start() if match else len(html)


def _after_no_tag(html: str, start: int) -> int:
    following = html[start + 1 : start + 4]
    if following == "!--":
        # From the second hyphen on: `<!-->` is a whole comment.
        return _behind(html, "-->", start + 2)
    if following[:1] in {"!", "?"} or (following[:1] == "/" and len(following) > 1):
        return _behind(html, ">", start + 2)
    return len(html) if following[:1].isalpha() and following.isascii() else start + 1


def _behind(html: str, end: str, start: int) -> int:
    found = html.find(end, start)
    return found + len(end) if found >= 0 else len(html)
