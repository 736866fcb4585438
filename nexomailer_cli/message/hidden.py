"""Which elements of HTML a reader does not see.

Newsletters hide a preview line for the in-box list this way. Knows no style sheets.
"""

from __future__ import annotations

import re

from nexomailer_cli.message.markup import BLOCKS, Tag

_NEVER_SHOWN = ("head", "template", "svg")
# fmt: off
_VOID = frozenset((
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source",
    "track", "wbr"
))
# fmt: on
# Elements that may lack their end tag.
_ENDED_BY = {"p": BLOCKS, "head": ("body",)}
_HIDING = re.compile(
    r"(?:^|;)\s*+(?:display\s*+:\s*+none|visibility\s*+:\s*+hidden"
    r"|(?:max-height|opacity)\s*+:\s*+0(?:px)?\s*+(?:;|!|$))",
    re.IGNORECASE,
)


class HiddenElements:
    """Whether we are inside an element that is not shown."""

    def __init__(self) -> None:
        self._tag = ""
        self._depth = 0

    def __bool__(self) -> bool:
        return bool(self._tag)

    def skips(self, tag: Tag) -> bool:
        """Tell whether a tag belongs to a hidden element, be it the first one."""
        if not self._tag:
            if tag.is_end or tag.name in _VOID or not _hides(tag):
                return False
            self._tag, self._depth = tag.name, 1
            return True
        if tag.name in _ENDED_BY.get(self._tag, ()):
            self._tag = ""
            return self.skips(tag)
        if tag.name == self._tag:
            self._depth += -1 if tag.is_end else 1
            self._tag = self._tag if self._depth else ""
        return True


def _hides(tag: Tag) -> bool:
    if tag.name in _NEVER_SHOWN:
        return True
    source = tag.source.lower()
    if "hidden" not in source and "style" not in source:
        return False
    attributes = tag.attributes()
    return "hidden" in attributes or bool(_HIDING.search(attributes.get("style", "")))
