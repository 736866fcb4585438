"""A run on a real event loop, with pools of its own kind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from nexomailer_cli.bulk.course import Course
from nexomailer_cli.bulk.desk import Desk
from nexomailer_cli.bulk.journal import Journal
from nexomailer_cli.bulk.ledger import Ledger
from nexomailer_cli.bulk.queue import Queue, Span
from nexomailer_cli.bulk.runner import Clock, LoopTurns, Run, new_loop
from nexomailer_cli.bulk.schedule import Gate, LineUp
from nexomailer_cli.bulk.state import State
from nexomailer_cli.smtp.outcome import Disposition, Outcome, Phase, Verdict
from nexomailer_cli.smtp.reply import Reply
from tests.bulk.office import entries, rows, write

COUNT = 20


class AtOnce:
    """A pool that delivers as soon as it may; `bug` is raised at the third mail."""

    def __init__(self, desk: Desk, bug: Exception | None = None) -> None:
        self.desk = desk
        self.drained: list[bool] = []
        self._bug = bug
        self._count = 0

    def wake(self) -> None:
        asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        mail = self.desk.take("main")
        if mail is None:
            return
        self._count += 1
        if self._bug is not None and self._count == 3:
            raise self._bug
        (recipient,) = mail.envelope.recipients
        told = Disposition(recipient, Verdict.ACCEPTED, Phase.END, Reply(250))
        self.desk.intend(mail, lambda: self.desk.settle(mail, Outcome((told,))))
        self.wake()

    async def start(self) -> None:
        pass

    async def aclose(self, *, drain: bool) -> None:
        self.drained.append(drain)


async def complete(journal: Journal, bug: Exception | None = None) -> AtOnce:
    clock = Clock()
    turns = LoopTurns(clock)
    gates = LineUp((Gate("main", (), Random(1)),))
    queue = Queue(lambda: rows(COUNT), journal, Span(until=clock() + 60))
    course = Course(write=write, tell=lambda _event: None, random=Random(1))
    desk = Desk(queue, gates, Ledger(journal, gates, turns, clock), course, turns, clock)
    pool = AtOnce(desk, bug)
    await Run(desk, (pool,), turns).complete(lambda: None)
    return pool


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(str(tmp_path / "x.journal"))
    journal.begin(entries(COUNT), dict)
    journal.recover()
    return journal


def test_a_run_ends_when_every_row_has(journal: Journal) -> None:
    with asyncio.Runner(loop_factory=new_loop) as loop:
        pool = loop.run(complete(journal))
    assert journal.counts() == {State.ACCEPTED: COUNT}
    assert pool.drained == [True]


def test_a_bug_in_a_callback_ends_the_run_instead_of_hanging_it(journal: Journal) -> None:
    with pytest.raises(ZeroDivisionError), asyncio.Runner(loop_factory=new_loop) as loop:
        loop.run(complete(journal, ZeroDivisionError("a bug")))
    assert journal.counts()[State.ACCEPTED] == 2


def test_without_uvloop_there_is_the_loop_of_the_standard_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvloop", None)
    loop = new_loop()
    assert type(loop).__module__.startswith("asyncio")
    loop.close()
