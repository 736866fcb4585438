"""Everything that can be known before the first message, in one pass over the input.

Nothing is rendered. Problems are collected with their lines; what is not wrong becomes an
entry of the journal while the pass goes on, so that a million rows need no memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

from nexomailer_cli.bulk.identity import NumbersDigest, RowsDigest
from nexomailer_cli.bulk.state import Entry
from nexomailer_cli.bulk.suppression import Duplicates, Suppression
from nexomailer_cli.errors import Problem
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.bulk.recipients import Row, Rows

MAX_PROBLEMS = 100  # more are counted, not named
Dedupe = Literal["error", "skip", "keep"]


class Checked(Protocol):
    """What a letter says of a row (`message.letter.Checked`)."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return what is wrong with its message."""
        ...

    @property
    def recipients(self) -> tuple[str, ...]:
        """Return whom it goes to, as canonical addr-specs."""
        ...


class Letter(Protocol):
    """What is asked of the message (`message.letter.Letter`)."""

    def check(self, row: Row) -> Checked:
        """Return what can be known of a row's message."""
        ...


class Policy(Struct, frozen=True):
    """Who gets no message, and what a row is called by: a column, or `""` for the address."""

    key: str = ""
    dedupe: Dedupe = "error"
    suppression: Suppression | None = None


class Examination:
    """A pass over all rows. Complete when `entries` is exhausted."""

    def __init__(self, rows: Rows, letter: Letter, policy: Policy) -> None:
        self.problems: list[Problem] = []
        self.invalid = 0  # rows with problems
        self.right = 0  # rows without
        self.rows = 0
        self.suppressed = 0
        self.duplicates = 0
        self._rows = rows
        self._letter = letter
        self._policy = policy
        self._digest = RowsDigest(rows.columns)
        self._passed_over = NumbersDigest()
        self._met = Duplicates()
        self._keys = Duplicates()

    @property
    def skipped(self) -> int:
        """How many rows get no message although nothing is wrong with them."""
        return self.suppressed + self.duplicates

    @property
    def digest(self) -> str:
        """The fingerprint of the input."""
        return self._digest.hex

    @property
    def skipped_digest(self) -> str:
        """The fingerprint of who gets no message."""
        return self._passed_over.hex

    def entries(self) -> Iterator[Entry]:
        """Yield every row that nothing is wrong with."""
        for row in self._rows.examined():
            if isinstance(row, Problem):
                self._complain((row,))
                continue
            self.rows += 1
            self._digest.add(row)
            entry = self._entry(row)
            if entry is not None:
                self.right += 1
                if entry.skipped:
                    self._passed_over.add(row.number)
                yield entry

    def _entry(self, row: Row) -> Entry | None:
        checked = self._letter.check(row)
        if checked.problems:
            self._complain(checked.problems)
            return None
        recipients = checked.recipients
        key = self._key(row, recipients)
        if not key:
            self._complain((self._problem(row, f"the key column {self._policy.key!r} is empty"),))
            return None
        return self._judged(row, recipients, key)

    def _judged(self, row: Row, recipients: tuple[str, ...], key: str) -> Entry | None:
        suppression = self._policy.suppression
        if suppression is not None and any(map(suppression.covers, recipients)):
            self.suppressed += 1
            return Entry(row.number, key, "suppressed")
        earlier = self._met.earlier("\x1f".join(recipients), row.line) or (
            self._policy.key and self._keys.earlier(key, row.line)
        )
        if not earlier:
            return Entry(row.number, key)
        match self._policy.dedupe:
            case "keep":
                # Two rows of one key would be one message twice, by their Message-ID.
                return Entry(row.number, f"{key} ({row.number})")
            case "skip":
                self.duplicates += 1
                return Entry(row.number, key, f"as on line {earlier}")
            case "error":
                self._complain((self._problem(row, f"{printable(key)} is on line {earlier} too"),))
                return None

    def _key(self, row: Row, recipients: tuple[str, ...]) -> str:
        if self._policy.key:
            return printable(str(row.values.get(self._policy.key, "")).strip())
        return printable(recipients[0])

    def _problem(self, row: Row, why: str) -> Problem:
        return Problem(why, file=self._rows.name, line=row.line)

    def _complain(self, problems: tuple[Problem, ...]) -> None:
        self.invalid += 1
        self.problems += problems[: max(0, MAX_PROBLEMS - len(self.problems))]
