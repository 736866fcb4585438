"""What was attempted and what became of it, on disk before it matters.

One writer. Every method that writes is one transaction, and when it returns the record
survives the death of this process; what survives a power cut is said at `lease`. Does not
know what is sent, nor to whom: a row is a number and a key.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from nexomailer_cli.bulk import statements as sql
from nexomailer_cli.bulk.boot import boot_id
from nexomailer_cli.bulk.journal_file import Transaction, explained, open_file
from nexomailer_cli.bulk.state import Record, Standing, State
from nexomailer_cli.errors import NexomailerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from nexomailer_cli.bulk.state import Entry, Intent, Verdicted

BLOCK = 1000  # rows read or inserted at a time

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
        is_empty = False
        with contextlib.suppress(NexomailerError):
            is_empty = not self.has_rows
        self._connection.close()
        if is_empty:
            Path(self.path).unlink(missing_ok=True)

    @property
    def has_rows(self) -> bool:
        """Whether a run was begun here."""
        return bool(self._read(sql.ANY_ROW))

    @property
    def has_begun(self) -> bool:
        """Whether an attempt was ever made at any row."""
        return bool(self._read(sql.ANY_BEGUN))

    def begin(self, entries: Iterable[Entry], facts: Callable[[], Mapping[str, str]]) -> None:
        """Record a new run and all of its rows: all or nothing.

        `facts` is asked when the entries are exhausted; an error that it raises leaves
        nothing behind.
        """
        with self._writing() as write:
            write.executemany(sql.ADD_ROW, map(_added, entries))
            found = facts()
            write.executemany(sql.STATE_FACT, found.items())
        self.facts |= found

    def adopt(self, entries: Iterable[Entry], facts: Callable[[], Mapping[str, str]]) -> None:
        """Let other rows take the place of those on record; who is known by key keeps a verdict.

        Whoever is not among the new ones is forgotten.
        """
        with self._writing() as write:
            for statement in sql.ADOPT_BEFORE:
                write.execute(statement)
            write.executemany(sql.ADOPT_ROW, map(_added, entries))
            found = facts()
            for statement in sql.ADOPT_AFTER:
                write.execute(statement)
            write.executemany(sql.STATE_FACT, found.items())
        self.facts |= found

    def note(self, **facts: str) -> None:
        """Record what is true of the run as a whole."""
        with self._writing() as write:
            write.executemany(sql.STATE_FACT, facts.items())
        self.facts |= facts

    def recover(self) -> int:
        """Find out what an earlier process left open; return how many rows are now unknown.

        A row whose end may have gone out is unknown. After a restart of the machine so is
        every leased row, since the last records may not have reached the disk.
        """
        boot = boot_id()
        # Where nobody says, it may have been restarted.
        is_same_boot = bool(boot) and self.facts.get("boot") == boot
        with self._writing() as write:
            lost = write.execute(sql.LOSE_SENDING, (KILLED,)).rowcount
            if not is_same_boot:
                lost += write.execute(sql.LOSE_LEASED, (POWER_CUT, self._leased_to)).rowcount
            write.execute(sql.UNLEASE)
            write.executemany(sql.STATE_FACT, (("leased_to", "0"), ("boot", boot)))
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
            write.execute(sql.STATE_FACT, ("leased_to", str(up_to)))
        self._leased_to = up_to

    @property
    def leased_to(self) -> int:
        """The last row that may be sent without another lease."""
        return self._leased_to

    def lease_again(self, numbers: Iterable[int]) -> None:
        """Let rows be sent that were deferred before; on disk like `lease`."""
        with self._synced() as write:
            write.executemany(sql.LEASE_AGAIN, ((number,) for number in numbers))

    def release(self) -> None:
        """Record that whatever has no verdict now was not sent: the run ends in order."""
        with self._synced() as write:
            write.execute(sql.UNLEASE)
            write.execute(sql.STATE_FACT, ("leased_to", "0"))
        self._leased_to = 0

    def record(
        self,
        intents: Iterable[Intent],
        verdicts: Iterable[Verdicted],
        spending: Sequence[Spending] = (),
    ) -> None:
        """Record what is about to happen and what has happened, in one transaction."""
        with self._writing() as write:
            write.executemany(sql.SETTLE, map(_settled, verdicts))
            write.executemany(sql.INTEND, ((i.provider, i.began, i.number) for i in intents))
            if spending:
                write.executemany(sql.SPEND, spending)

    def reopen(self, state: State, first: int = 0, last: int = LAST) -> int:
        """Let rows in `state` be sent again; return how many there are."""
        with self._writing() as write:
            return write.execute(sql.REOPEN, (state, first, last)).rowcount

    def standings(self, first: int = 0) -> Iterator[Standing]:
        """Yield where each row stands, from `first` on; read in blocks, as of the moment."""
        for row in self._blocks(sql.STANDINGS, first):
            number, key, state, tries, began, due, rest, flaw = row
            yield Standing(number, key, _STATES[state], tries, began, due, _unpacked(rest), flaw)

    def records(self, states: Iterable[State] = State) -> Iterator[Record]:
        """Yield all that is known of each row that is in one of the states."""
        wanted = msgspec.json.encode(sorted(states)).decode()
        for number, key, state, *others in self._blocks(sql.RECORDS, 0, wanted):
            yield Record(number, key, _STATES[state], *others)

    def counts(self, first: int = 0, last: int = LAST) -> dict[State, int]:
        """Return how many rows stand where."""
        found = self._read(sql.COUNTS, (first, last))
        return {State(state): count for state, count in found}

    def soonest(self, until: float, first: int = 0, last: int = LAST) -> float | None:
        """Return when the next open row is due, None if none is until then."""
        ((due,),) = self._read(sql.OPEN_DUE, (until, first, last))
        return None if due is None else float(due)

    def hurry(self, latest: float) -> None:
        """Let rows that wait for a later moment wait no more.

        Nothing is put off for so long: it was recorded by a clock that was fast.
        """
        with self._writing() as write:
            write.execute(sql.HURRY, (latest,))

    def spent(
        self, provider: str, period: float, since: int, now: int = LAST
    ) -> tuple[tuple[int, int], ...]:
        """Return slot and count of what a provider has taken since a slot; forget the rest.

        What a clock that was fast recorded of a time to come was taken `now`.
        """
        with self._writing() as write:
            write.execute(sql.FORGET_SPENT, (provider, period, since))
            ((later,),) = write.execute(sql.SPENT_LATER, (provider, period, now))
            if later:
                write.execute(sql.FORGET_LATER, (provider, period, now))
                write.execute(sql.SPEND_MORE, (provider, period, now, later))
        found = self._read(sql.SPENT, (provider, period, since))
        return tuple((slot, count) for slot, count in found)

    def _blocks(self, statement: str, first: int, *wanted: str) -> Iterator[tuple[Any, ...]]:
        after = first - 1
        while block := self._read(statement, (*wanted, after, BLOCK)):
            yield from block
            after = block[-1][0]

    def _read(self, statement: str, values: tuple[object, ...] = ()) -> list[Any]:
        import sqlite3

        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise explained(error, self.path) from error

    def _facts(self) -> dict[str, str]:
        return dict(self._read(sql.FACTS))

    def _execute(self, statement: str) -> None:
        import sqlite3

        try:
            self._connection.execute(statement)
        except sqlite3.Error as error:
            raise explained(error, self.path) from error

    def _writing(self) -> Transaction:
        return Transaction(self._connection, self.path)

    def _synced(self) -> Transaction:
        return Transaction(self._connection, self.path, is_synced=not self._durable)


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
