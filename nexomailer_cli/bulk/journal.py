"""What was attempted and what became of it, on disk before it matters.

One writer. Every method that writes is one transaction, and when it returns the record
survives the death of this process; what survives a power cut is said at `lease`. Does not
know what is sent, nor to whom: a row is a number and a key.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nexomailer_cli.bulk.boot import boot_id
from nexomailer_cli.bulk.journal_file import explained, open_file
from nexomailer_cli.bulk.state import Record, Standing, State

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from nexomailer_cli.bulk.state import Entry, Intent, Verdicted

BLOCK = 1000  # rows read or inserted at a time

FACTS = "SELECT name, value FROM facts"
STATE_FACT = "INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)"
ADD_ROW = "INSERT INTO rows (number, key, state, text) VALUES (?, ?, ?, ?)"
INTEND = """UPDATE rows SET state = 3, provider = ?,
    began = CASE began WHEN 0 THEN ? ELSE began END WHERE number = ?"""
SETTLE = """UPDATE rows SET state = ?, tries = ?, provider = ?, code = ?, enhanced = ?, text = ?,
    due = ?, rest = ?, flaw = ? WHERE number = ?"""
LEASE_AGAIN = "UPDATE rows SET state = 2 WHERE number = ?"
UNLEASE = "UPDATE rows SET state = CASE tries WHEN 0 THEN 0 ELSE 4 END WHERE state = 2"
LOSE_SENDING = "UPDATE rows SET state = 7, code = NULL, enhanced = '', text = ? WHERE state = 3"
LOSE_LEASED = """UPDATE rows SET state = 7, code = NULL, enhanced = '', text = ?
    WHERE state = 2 OR (state = 0 AND number <= ?)"""
STANDINGS = """SELECT number, key, state, tries, began, due, rest, flaw FROM rows
    WHERE number > ? ORDER BY number LIMIT ?"""
RECORDS = """SELECT number, key, state, tries, provider, code, enhanced, text FROM rows
    WHERE number > ? ORDER BY number LIMIT ?"""
COUNTS = "SELECT state, count(*) FROM rows WHERE number BETWEEN ? AND ? GROUP BY state"
OPEN_DUE = """SELECT min(due) FROM rows
    WHERE state IN (0, 2, 4) AND due <= ? AND number BETWEEN ? AND ?"""
REOPEN = """UPDATE rows SET state = 0, due = 0, tries = 0, flaw = ''
    WHERE state = ? AND number BETWEEN ? AND ?"""
SPEND = """INSERT INTO spent (provider, period, slot, count) VALUES (?, ?, ?, ?)
    ON CONFLICT (provider, period, slot) DO UPDATE SET count = excluded.count"""
SPENT = (
    "SELECT slot, count FROM spent WHERE provider = ? AND period = ? AND slot >= ? ORDER BY slot"
)
FORGET_SPENT = "DELETE FROM spent WHERE provider = ? AND period = ? AND slot < ?"

# Who has a verdict keeps it; whoever is to be skipped now is, unless it is too late for that.
ADOPT_BEFORE = (
    "DROP TABLE IF EXISTS temp.fresh",
    "CREATE TEMP TABLE fresh (number INTEGER PRIMARY KEY, key TEXT, state INTEGER, text TEXT)",
)
ADOPT_ROW = "INSERT INTO temp.fresh (number, key, state, text) VALUES (?, ?, ?, ?)"
ADOPT_AFTER = (
    "CREATE INDEX rows_key ON rows (key)",
    """CREATE TEMP TABLE joined AS SELECT f.number, f.key,
        CASE WHEN k.state IN (5, 6, 7) THEN k.state WHEN f.state = 1 THEN 1
            WHEN k.state IS NULL OR k.state = 1 THEN 0 ELSE k.state END AS state,
        ifnull(k.tries, 0) AS tries, ifnull(k.began, 0) AS began, ifnull(k.due, 0) AS due,
        ifnull(k.provider, '') AS provider, k.code, ifnull(k.enhanced, '') AS enhanced,
        CASE WHEN f.state = 1 OR k.text IS NULL THEN f.text ELSE k.text END AS text,
        ifnull(k.rest, '') AS rest, ifnull(k.flaw, '') AS flaw
        FROM temp.fresh AS f LEFT JOIN rows AS k ON k.key = f.key""",
    "DROP INDEX rows_key",
    "DELETE FROM rows",
    "INSERT OR IGNORE INTO rows SELECT * FROM temp.joined",
    "DROP TABLE temp.joined",
    "DROP TABLE temp.fresh",
)

KILLED = "the run was killed after the message's end may have gone out"
POWER_CUT = "the machine went down while this row was being sent"
LAST = 2**62
_STATES = tuple(State)

Spending = tuple[str, float, int, int]  # provider, period, slot, count


class Journal:
    """One run's journal, open for this process alone.

    Raises OutputError from every method that writes, when it cannot; from then on it
    refuses to write, so that no further message ends unrecorded.
    """

    def __init__(self, path: str, *, create: bool = True, durable: bool = False) -> None:
        self.path = path
        self._durable = durable
        self._connection = open_file(path, create=create)
        self.facts: dict[str, str] = self._facts()
        self._leased_to = int(self.facts.get("leased_to", 0))
        if durable:
            self._execute("PRAGMA synchronous = FULL")

    def close(self) -> None:
        """Close the file; a journal without rows leaves none behind."""
        try:
            is_empty = not self.has_rows
        except Exception:
            is_empty = False
        self._connection.close()
        if is_empty:
            Path(self.path).unlink(missing_ok=True)

    @property
    def has_rows(self) -> bool:
        """Whether a run was begun here."""
        return bool(self._connection.execute("SELECT 1 FROM rows LIMIT 1").fetchone())

    def begin(self, entries: Iterable[Entry], facts: Callable[[], Mapping[str, str]]) -> None:
        """Record a new run and all of its rows: all or nothing.

        `facts` is asked when the entries are exhausted; an error that it raises leaves
        nothing behind.
        """
        with self._writing() as write:
            write.executemany(ADD_ROW, map(_added, entries))
            found = facts()
            write.executemany(STATE_FACT, found.items())
        self.facts |= found

    def adopt(self, entries: Iterable[Entry], facts: Callable[[], Mapping[str, str]]) -> None:
        """Let other rows take the place of those on record; who is known by key keeps a verdict.

        Whoever is not among the new ones is forgotten.
        """
        with self._writing() as write:
            for statement in ADOPT_BEFORE:
                write.execute(statement)
            write.executemany(ADOPT_ROW, map(_added, entries))
            found = facts()
            for statement in ADOPT_AFTER:
                write.execute(statement)
            write.executemany(STATE_FACT, found.items())
        self.facts |= found

    def note(self, **facts: str) -> None:
        """Record what is true of the run as a whole."""
        with self._writing() as write:
            write.executemany(STATE_FACT, facts.items())
        self.facts |= facts

    def recover(self) -> int:
        """Find out what an earlier process left open; return how many rows are now unknown.

        A row whose end may have gone out is unknown. After a restart of the machine so is
        every leased row, since the last records may not have reached the disk.
        """
        boot = boot_id()
        is_same_boot = self.facts.get("boot") == boot
        with self._writing() as write:
            lost = write.execute(LOSE_SENDING, (KILLED,)).rowcount
            if not is_same_boot:
                lost += write.execute(LOSE_LEASED, (POWER_CUT, self._leased_to)).rowcount
            write.execute(UNLEASE)
            write.executemany(STATE_FACT, (("leased_to", "0"), ("boot", boot)))
        self.facts["boot"] = boot
        self._leased_to = 0
        return lost

    def lease(self, up_to: int) -> None:
        """Let rows up to this number be sent; on disk, against a power cut, before it returns.

        Rows are leased in blocks, since only this waits for the disk.
        """
        if up_to <= self._leased_to:
            return
        with self._synced() as write:
            write.execute(STATE_FACT, ("leased_to", str(up_to)))
        self._leased_to = up_to

    @property
    def leased_to(self) -> int:
        """The last row that may be sent without another lease."""
        return self._leased_to

    def lease_again(self, numbers: Iterable[int]) -> None:
        """Let rows be sent that were deferred before; on disk like `lease`."""
        with self._synced() as write:
            write.executemany(LEASE_AGAIN, ((number,) for number in numbers))

    def release(self) -> None:
        """Record that whatever has no verdict now was not sent: the run ends in order."""
        with self._synced() as write:
            write.execute(UNLEASE)
            write.execute(STATE_FACT, ("leased_to", "0"))
        self._leased_to = 0

    def record(
        self,
        intents: Iterable[Intent],
        verdicts: Iterable[Verdicted],
        spending: Iterable[Spending] = (),
    ) -> None:
        """Record what is about to happen and what has happened, in one transaction."""
        with self._writing() as write:
            write.executemany(SETTLE, map(_settled, verdicts))
            write.executemany(INTEND, ((i.provider, i.began, i.number) for i in intents))
            write.executemany(SPEND, spending)

    def reopen(self, state: State, first: int = 0, last: int = LAST) -> int:
        """Let rows in `state` be sent again; return how many there are."""
        with self._writing() as write:
            return write.execute(REOPEN, (state, first, last)).rowcount

    def standings(self, first: int = 0) -> Iterator[Standing]:
        """Yield where each row stands, from `first` on; read in blocks, as of the moment."""
        for row in self._blocks(STANDINGS, first):
            number, key, state, tries, began, due, rest, flaw = row
            yield Standing(number, key, _STATES[state], tries, began, due, _unpacked(rest), flaw)

    def records(self) -> Iterator[Record]:
        """Yield all that is known of each row."""
        for number, key, state, *others in self._blocks(RECORDS, 0):
            yield Record(number, key, State(state), *others)

    def counts(self, first: int = 0, last: int = LAST) -> dict[State, int]:
        """Return how many rows stand where."""
        found = self._connection.execute(COUNTS, (first, last))
        return {State(state): count for state, count in found}

    def soonest(self, until: float, first: int = 0, last: int = LAST) -> float | None:
        """Return when the next open row is due, None if none is until then."""
        (due,) = self._connection.execute(OPEN_DUE, (until, first, last)).fetchone()
        return None if due is None else float(due)

    def spent(self, provider: str, period: float, since: int) -> tuple[tuple[int, int], ...]:
        """Return slot and count of what a provider has taken since a slot; forget the rest."""
        with self._writing() as write:
            write.execute(FORGET_SPENT, (provider, period, since))
        found = self._connection.execute(SPENT, (provider, period, since))
        return tuple((slot, count) for slot, count in found)

    def _blocks(self, statement: str, first: int) -> Iterator[tuple[Any, ...]]:
        after = first - 1
        while block := self._connection.execute(statement, (after, BLOCK)).fetchall():
            yield from block
            after = block[-1][0]

    def _facts(self) -> dict[str, str]:
        return dict(self._connection.execute(FACTS).fetchall())

    def _execute(self, statement: str) -> None:
        import sqlite3

        try:
            self._connection.execute(statement)
        except sqlite3.Error as error:
            raise explained(error, self.path) from error

    def _writing(self) -> _Transaction:
        return _Transaction(self._connection, self.path)

    def _synced(self) -> _Transaction:
        return _Transaction(self._connection, self.path, is_synced=not self._durable)


class _Transaction:
    """One transaction: committed at the end of a `with` block, or not at all.

    With `is_synced` it is on disk then, together with all that was committed before.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: str, *, is_synced: bool = False
    ) -> None:
        self._connection = connection
        self._path = path
        self._is_synced = is_synced

    def __enter__(self) -> sqlite3.Connection:
        if self._is_synced:
            self._connection.execute("PRAGMA synchronous = FULL")
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, _traceback: object) -> None:
        import sqlite3

        try:
            if error is None:
                self._connection.commit()
        except sqlite3.Error as failed:
            error = failed
        if error is not None:
            self._give_up()
        if self._is_synced and error is None:
            self._connection.execute("PRAGMA synchronous = NORMAL")
        if isinstance(error, sqlite3.Error):
            raise explained(error, self._path) from error

    def _give_up(self) -> None:
        import contextlib
        import sqlite3

        with contextlib.suppress(sqlite3.Error):
            self._connection.rollback()


def _added(entry: Entry) -> tuple[object, ...]:
    state = State.SKIPPED if entry.skipped else State.WAITING
    return entry.number, entry.key, int(state), entry.skipped


def _settled(verdict: Verdicted) -> tuple[object, ...]:
    return (
        int(verdict.state),
        verdict.tries,
        verdict.provider,
        verdict.code,
        verdict.enhanced,
        verdict.text,
        verdict.due,
        msgspec.json.encode(verdict.rest).decode() if verdict.rest else "",
        verdict.flaw,
        verdict.number,
    )


def _unpacked(rest: str) -> tuple[str, ...]:
    return msgspec.json.decode(rest, type=tuple[str, ...]) if rest else ()
