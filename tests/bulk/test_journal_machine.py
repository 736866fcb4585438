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

ROWS, LEASE = 12, 4
ENDS = [State.ACCEPTED, State.REJECTED, State.UNKNOWN, State.DEFERRED, State.WAITING]


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
        self.lives = 0
        self.boot = "boot 0"
        self.patch.setattr(journal_module, "boot_id", lambda: self.boot)

    @initialize()
    def begin(self) -> None:
        self.journal = Journal(self._path)
        self.journal.begin(entries(ROWS), lambda: {"run": "x"})
        self.journal.recover()
        self.stands = dict.fromkeys(range(1, ROWS + 1), State.WAITING)
        self.tries = dict.fromkeys(self.stands, 0)
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

    @rule(numbers=st.sets(st.integers(1, ROWS), min_size=1, max_size=4))
    def lease_again(self, numbers: set[int]) -> None:
        again = [n for n in numbers if self.tries[n] and self.stands[n] is State.DEFERRED]
        self.journal.lease_again(again)
        self.stands.update(dict.fromkeys(again, State.LEASED))
        self.again.update(again)
        self._sync()

    @rule(
        numbers=st.sets(st.integers(1, ROWS), max_size=5),
        ends=st.dictionaries(st.integers(1, ROWS), st.sampled_from(ENDS), max_size=5),
    )
    def record(self, numbers: set[int], ends: dict[int, State]) -> None:
        """Verdicts on those that are out, and the next ones to go, together."""
        verdicts = []
        for number, end in ends.items():
            if self.stands[number] is State.SENDING:
                verdicts.append(self._verdict(number, end))
        going = [n for n in numbers if self._may_go(n)]
        self.journal.record([Intent(n, "main", 1) for n in going], verdicts)
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

    @precondition(lambda self: State.SENDING not in self.stands.values())
    @rule()
    def end_in_order(self) -> None:
        """All is known then, also if the machine is restarted."""
        expected = self._after_kill()
        self.journal.release()
        self.journal.close()
        self.boot = f"boot after life {self.lives}"
        self._continue()
        assert self.stands == expected

    @rule()
    def kill(self) -> None:
        """Everything that was committed is there, and exact."""
        expected = self._after_kill()
        self._move_to(None)
        assert self.stands == expected

    def _after_kill(self) -> dict[int, State]:
        unleased = {n: State.DEFERRED if self.tries[n] else State.WAITING for n in self.stands}
        changed = {State.SENDING: dict.fromkeys(self.stands, State.UNKNOWN), State.LEASED: unleased}
        return {n: changed.get(state, self.stands)[n] for n, state in self.stands.items()}

    @rule(is_all_there=st.booleans())
    def pull_the_plug(self, is_all_there: bool) -> None:
        self.boot = f"boot after life {self.lives}"
        self._move_to(None if is_all_there else self.synced)

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


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestTheLifeOfAJournal = Life.TestCase
