"""What can have become of a row, and what is kept of it."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct


class State(IntEnum):
    """Where a row stands. The numbers are what a journal holds."""

    WAITING = 0
    SKIPPED = 1  # suppressed, or the same address once more
    LEASED = 2  # to be tried again by this run: after a power cut nobody knows
    SENDING = 3  # the end of its content may be out
    DEFERRED = 4
    ACCEPTED = 5
    REJECTED = 6
    UNKNOWN = 7

    @property
    def word(self) -> str:
        """What people and programs call it."""
        return self.name.lower()

    @property
    def is_open(self) -> bool:
        """Whether the row is still to be sent without anybody asking for it."""
        return self in OPEN


OPEN = frozenset({State.WAITING, State.LEASED, State.DEFERRED})
FAILED = frozenset({State.REJECTED, State.DEFERRED})


class Entry(Struct, frozen=True):
    """A row before anything was done with it; `skipped` says why it gets no mail, if so."""

    number: int
    key: str
    skipped: str = ""


class Standing(Struct, frozen=True):
    """Where a row stands, as far as sending it again goes.

    `began` is the second of its first attempt, which is the Date of every copy. `rest` are
    the recipients that are still to be served, empty for all of them; `flaw` is what was
    said of those who were refused for good. `due` is a moment of the wall clock in seconds.
    """

    number: int
    key: str
    state: State
    tries: int = 0
    began: int = 0
    due: float = 0.0
    rest: tuple[str, ...] = ()
    flaw: str = ""


class Intent(Struct, frozen=True):
    """The end of a row's content is about to go out."""

    number: int
    provider: str
    began: int


class Verdicted(Struct, frozen=True):
    """What became of a row, for the record."""

    number: int
    state: State
    tries: int
    provider: str = ""
    code: int | None = None
    enhanced: str = ""
    text: str = ""
    due: float = 0.0
    rest: tuple[str, ...] = ()
    flaw: str = ""


class Record(Struct, frozen=True):
    """All that the journal holds of a row."""

    number: int
    key: str
    state: State
    tries: int
    provider: str
    code: int | None
    enhanced: str
    text: str
