"""One row on its way, and what this run has learnt about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexomailer_cli.bulk.recipients import Row
    from nexomailer_cli.bulk.state import Standing

NOBODY: frozenset[str] = frozenset()


class Job:
    """A row that is being sent. Changes as it goes; the journal has what must last.

    `avoided` are providers that failed it just now, `shut` those that will never take it;
    `sessions` is how often a connection was lost under it, `tries` how often a server put it
    off, and `is_intended` whether the journal says that its end may be out.
    """

    __slots__ = (
        *("avoided", "began", "flaw", "is_intended", "key", "number", "provider", "rest"),
        *("row", "sessions", "shut", "started", "tries"),
    )

    def __init__(self, row: Row, standing: Standing) -> None:
        self.row = row
        self.number = standing.number
        self.key = standing.key
        self.tries = standing.tries
        self.began = standing.began
        self.rest = standing.rest
        self.flaw = standing.flaw
        self.avoided = NOBODY
        self.shut = NOBODY
        self.sessions = 0
        self.started = 0.0
        self.is_intended = False
        self.provider = ""
