"""Where each value of a configuration came from, in words: `line 7`, `preset gmail`, `default`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.config.lines import lines_of, nearest_line

if TYPE_CHECKING:
    from nexomailer_cli.config.file import Loaded
    from nexomailer_cli.config.lines import KeyPath

DEFAULT = "default"
URL = "url"


class Origins:
    """The origins of the values of one configuration."""

    def __init__(self, loaded: Loaded) -> None:
        self._known = loaded.origins
        self._lines = lines_of(loaded.text)
        self._is_file = loaded.config.path is not None

    def of(self, path: KeyPath) -> str:
        """Return where the value of a key came from; `path` has the canonical names.

        An entry of a table that takes any name comes from where the table does.
        """
        origin = self._known.get(path) or self._known.get(path[:-1])
        if origin is None:
            return DEFAULT
        if isinstance(origin, str):
            return origin
        line = nearest_line(self._lines, (*origin, *path[len(origin) :]))
        return f"line {line}" if self._is_file and line else URL
