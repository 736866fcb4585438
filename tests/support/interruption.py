"""A signal that comes while the client waits for the answer to a certain line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from nexomailer_cli.transport.base import Event, Said


class Interruption:
    """An observer that listens for `line`, and the `blocking` whose next wait is then ended."""

    def __init__(self, line: str) -> None:
        self._line = line
        self._is_due = False

    def observe(self, event: Event) -> None:
        """Take note of what the client said."""
        said = isinstance(event, Said) and event.speaker == "C" and event.text
        self._is_due = self._is_due or bool(said and said.startswith(self._line))

    @contextlib.contextmanager
    def blocking(self) -> Iterator[None]:
        """Let one wait end with KeyboardInterrupt, as Ctrl-C does."""
        if self._is_due:
            self._is_due, self._line = False, "(once)"
            raise KeyboardInterrupt
        yield
