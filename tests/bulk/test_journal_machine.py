"""Whatever is recorded, and whenever process or machine die: nobody is open who may have it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nexomailer_cli.bulk import journal as journal_module
from nexomailer_cli.bulk.journal import Journal
from nexomailer_cli.bulk.state import OPEN, Intent, State, Verdicted
from tests.bulk.office import entries

ROWS, LEASE = 4, 1
LEAST = 3  # records, so that there is something to lose
ENDS = [State.ACCEPTED, State.REJECTED, State.UNKNOWN, *[State.DEFERRED, State.WAITING] * 2]


class Life(RuleBasedStateMachine):
    """A journal's life, with a model of what it has to know; the rows go out as a queue lets them.

    `stands` is what is on record, `sending` who has no verdict yet, `gone` who may have got
    their message. The disk holds what it held when it was last waited for, or anything since.
    """

    def __init__(self) -> None:
        super().__init__()
        # In memory where that can be: to wait for a real disk takes its time.
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.patch = pytest.MonkeyPatch()
        self.lives = self.records = 0
        self.boots = 0
        self.patch.setattr(journal_module, "boot_id", lambda: f"boot {self.boots}")

    @initialize()
    def begin(self) -> None:
        self.journal = Journal(self._path)
        self.journal.begin(entries(ROWS), lambda: {"run": "x"})
        self.journal.recover()
        self.stands = dict.fromkeys(range(1, ROWS + 1), State.WAITING)
        self.tries = dict.fromkeys(self.stands, 0)
        # Some were put off by an earlier run: they go out far beyond what is leased.
        late = range(ROWS // 2 + 1, ROWS + 1)
        self.journal.record((), [Verdicted(n, State.DEFERRED, 1) for n in late])
        self.stands.update(dict.fromkeys(late, State.DEFERRED))
        self.tries.update(dict.fromkeys(late, 1))
        self.gone: set[int] = set()
        self.again: set[int] = set()  # leased one by one
        self.synced: Path | None = None
        self.journal.lease(LEASE)
        self._sync()

    @property
    def _path(self) -> str:
        return (
            str(self.folder / f"life{self.lives}" / "x.journal")
            if self.lives
            else str(self.folder / "x.journal")
        )

    def _copy(self, into: Path) -> None:
        into.mkdir()
        source = Path(self._path)
        for name in (source.name, f"{source.name}-wal"):
            if (source.parent / name).exists():
                shutil.copy(source.parent / name, into)

    def _sync(self) -> None:
        """The disk has been waited for: this is the least that it holds."""
        self.synced = self.folder / f"synced{len(list(self.folder.iterdir()))}"
        self._copy(self.synced)

    def _may_go(self, number: int) -> bool:
        is_leased = number in self.again if self.tries[number] else number <= self.journal.leased_to
        return self.stands[number] in OPEN and is_leased

    @precondition(lambda self: self.journal.leased_to < ROWS)
    @rule()
    def lease(self) -> None:
        self.journal.lease(self.journal.leased_to + LEASE)
        self._sync()

    @precondition(lambda self: State.DEFERRED in self.stands.values())
    @rule(some=st.lists(st.booleans(), min_size=ROWS, max_size=ROWS))
    def lease_again(self, some: list[bool]) -> None:
        put_off = [n for n, state in self.stands.items() if state is State.DEFERRED]
        again = [n for n in put_off if some[n - 1]] or put_off
        self.journal.lease_again(again)
        self.stands.update(dict.fromkeys(again, State.LEASED))
        self.again.update(again)
        self._sync()

    @rule(
        ends=st.lists(st.sampled_from([*ENDS, None]), min_size=ROWS, max_size=ROWS),
        goes=st.lists(st.booleans(), min_size=ROWS, max_size=ROWS),
    )
    def record(self, ends: list[State | None], goes: list[bool]) -> None:
        """Verdicts on those that are out, and the next ones to go, together."""
        out = [n for n, state in self.stands.items() if state is State.SENDING]
        verdicts = [self._verdict(n, end) for n in out if (end := ends[n - 1]) is not None]
        going = [n for n in self.stands if goes[n - 1] and self._may_go(n)]
        self.journal.record([Intent(n, "main", 1) for n in going], verdicts)
        self.records += 1
        self.stands.update(dict.fromkeys(going, State.SENDING))
        self.gone.update(going)  # from now on the end is out

    def _verdict(self, number: int, end: State) -> Verdicted:
        if end is State.WAITING and self.tries[number]:
            end = State.LEASED
        if end is not State.ACCEPTED and end is not State.UNKNOWN:
            self.gone.discard(number)  # the server said no, or the end was not out
        self.tries[number] += end is State.DEFERRED
        if end is State.DEFERRED:
            self.again.discard(number)
        self.stands[number] = end
        return Verdicted(number, end, self.tries[number])

    @precondition(lambda self: self.records >= LEAST)
    @rule(how=st.sampled_from(["killed", "no power", "hardly any power", "in order"]))
    def end(self, how: str) -> None:
        """However it ends, the next one goes on with what is there."""
        self.records = 0
        expected = self._after_kill()
        if how == "in order" and State.SENDING not in self.stands.values():
            self.journal.release()  # all is known then, also if the machine is restarted
            self.boots += 1
            self._move_to(None)
        elif how in ("no power", "hardly any power"):
            self.boots += 1
            self._move_to(self.synced if how == "no power" else None)
            return
        else:
            self._move_to(None)
        assert self.stands == expected

    def _after_kill(self) -> dict[int, State]:
        unleased = {n: State.DEFERRED if self.tries[n] else State.WAITING for n in self.stands}
        changed = {State.SENDING: dict.fromkeys(self.stands, State.UNKNOWN), State.LEASED: unleased}
        return {n: changed.get(state, self.stands)[n] for n, state in self.stands.items()}

    def _move_to(self, disk: Path | None) -> None:
        """Let the process be gone, and open what is there."""
        target = self.folder / f"life{self.lives + 1}"
        if disk is None:
            self._copy(target)
        else:
            shutil.copytree(disk, target)
        self.journal.close()
        self.lives += 1
        self._continue()

    def _continue(self) -> None:
        self.journal = Journal(self._path)
        was_unknown = self.journal.counts().get(State.UNKNOWN, 0)
        lost = self.journal.recover()
        found = list(self.journal.records())
        self.stands = {each.number: each.state for each in found}
        assert lost == list(self.stands.values()).count(State.UNKNOWN) - was_unknown
        self.tries = {each.number: each.tries for each in found}
        self.again = set()
        self.journal.lease(self.journal.leased_to + LEASE)
        self._sync()

    @invariant()
    def nobody_is_open_who_may_have_it(self) -> None:
        if not hasattr(self, "journal"):
            return
        for each in self.journal.records():
            if each.number in self.gone:
                assert not each.state.is_open, (each.number, each.state)

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
        self.patch.undo()
        shutil.rmtree(self.folder)


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTheLifeOfAJournal = Life.TestCase
