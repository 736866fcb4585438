"""Filters and tests that a template names and that there are not, found before it is rendered.

minijinja finds them out row by row. Where this reading of the source is not sure of a word it
lets it pass, and minijinja has the last word.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# What is no expression: comments, raw text, and the strings within tags.
_COMMENT = r"\{#.*?#\}"
_RAW = r"\{%[-+]?\s*raw\s*[-+]?%\}.*?\{%[-+]?\s*endraw\s*[-+]?%\}"
_SILENT = re.compile(f"{_COMMENT}|{_RAW}", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"|' r"'(?:[^'\\]|\\.)*+'", re.DOTALL)
_TAG = re.compile(r"\{[{%].*?[}%]\}", re.DOTALL)
_WORD = re.compile(r"\|\s*(?P<filter>[A-Za-z_]\w*)|(?<![.\w])is\s+(?:not\s+)?(?P<test>[a-z_]\w*)")


def unknown_words(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line of each word that is unknown, and what to say of it."""
    source = _SILENT.sub(_blank, source)
    for tag in _TAG.finditer(source):
        expression = _STRING.sub(_blank, tag[0])
        for word in _WORD.finditer(expression):
            kind = word.lastgroup or ""
            if complaint := _complaint(kind, word[kind]):
                yield 1 + source.count("\n", 0, tag.start() + word.start(kind)), complaint


def _blank(found: re.Match[str]) -> str:
    """Return as much nothing as was found, on as many lines."""
    return re.sub(r"[^\n]", " ", found[0])


@cache
def _complaint(kind: str, name: str) -> str:
    """Return minijinja's words about a filter or a test that it does not know."""
    import minijinja

    expression = f"''|{name}" if kind == "filter" else f"'' is {name}"
    try:
        minijinja.Environment().render_str("{{ " + expression + " }}")
    except minijinja.TemplateError as error:
        # Any other error is about the value, or an argument that is wanted.
        return error.detail or "" if error.kind in ("UnknownFilter", "UnknownTest") else ""
    return ""
