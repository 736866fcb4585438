"""A run from the first connection to the last record, and what is seen of it meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from random import SystemRandom
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.bulk.course import Course
from nexomailer_cli.bulk.desk import Desk
from nexomailer_cli.bulk.ledger import Ledger
from nexomailer_cli.bulk.queue import Queue
from nexomailer_cli.bulk.ruling import LONGEST_WAIT
from nexomailer_cli.bulk.runner import Clock, LoopTurns, Run, new_loop
from nexomailer_cli.cli import signals
from nexomailer_cli.cli.bulk_display import View
from nexomailer_cli.cli.bulk_plan import Plan, line_up, with_connections
from nexomailer_cli.core import Surroundings, Wishes, chosen, open_pools
from nexomailer_cli.transport.base import Event, Said, Withheld, unobserved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nexomailer_cli.bulk.ahead import Ahead
    from nexomailer_cli.bulk.composer import Setup
    from nexomailer_cli.bulk.job import Job
    from nexomailer_cli.bulk.journal import Journal
    from nexomailer_cli.bulk.recipients import Rows
    from nexomailer_cli.bulk.worker import Worker
    from nexomailer_cli.bulk.writer import Writer
    from nexomailer_cli.cli.bulk_options import BulkOptions
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.config.settings import Config
    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.outcome import Attempt


class Work(Struct, frozen=True, kw_only=True):
    """All that a run needs; `sender` may name us to servers.

    `setup` is for a second process that makes messages ahead, None where that is not worth
    while. `author` is whom the mail is from where that decides about the provider.
    """

    config: Config
    options: BulkOptions
    plan: Plan
    rows: Rows
    journal: Journal
    writer: Writer
    setup: Setup | None
    sender: str
    author: str | None
    view: View
    output: Output


class Ended(Struct, frozen=True):
    """How a run ended. `trouble` is what kept a provider from working last."""

    desk: Desk
    elapsed: float
    was_interrupted: bool
    trouble: Attempt | None


def run(work: Work) -> Ended:
    """Send until every row is accounted for; raise what keeps the journal from being written."""
    started = time.monotonic()
    # What it says of a lost connection, a traceback and all, is what the outcome tells.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        with _worker(work.setup) as worker, asyncio.Runner(loop_factory=new_loop) as loop:
            desk, was_interrupted = loop.run(_run(work, worker))
    finally:
        work.view.close()
    if desk.failure is not None:
        raise desk.failure
    return Ended(desk, time.monotonic() - started, was_interrupted, desk.last_trouble)


@contextlib.contextmanager
def _worker(setup: Setup | None) -> Iterator[Worker | None]:
    worker = None
    if setup is not None:
        from nexomailer_cli.bulk.worker import start_worker

        worker = start_worker(setup)
    try:
        yield worker
    finally:
        if worker is not None:
            worker.close()


async def _run(work: Work, worker: Worker | None) -> tuple[Desk, bool]:
    clock = Clock()
    work.journal.hurry(clock() + LONGEST_WAIT)
    turns = LoopTurns(clock)
    options = work.options
    wishes = Wishes(
        sender=work.sender,
        provider=options.provider,
        author=work.author,
        failover=not options.no_failover,
    )
    config = with_connections(work.config, options.connections)
    providers = chosen(config, wishes, os.environ)
    gates = line_up(
        providers, config, work.plan, work.journal, author=work.author, random=SystemRandom()
    )
    span = work.plan.span(clock())
    ahead = None if worker is None else _ahead(work, worker, clock)
    look = iter if ahead is None else ahead.rows
    leases = not options.durable
    queue = Queue(lambda: work.rows, work.journal, span, leases=leases, look=look)
    course = _course(work, (ahead or work.writer).write, span.until)
    ledger = Ledger(work.journal, gates, turns, clock)
    desk = Desk(queue, gates, ledger, course, turns, clock)
    pools = open_pools(providers, wishes, _around(work.output), desk)
    course_of = Run(desk, pools, turns, _signals())
    names = [each.name for each in providers]
    await course_of.complete(
        lambda: work.view.tick(
            desk, {name: pool.state for name, pool in zip(names, pools, strict=True)}
        )
    )
    return desk, course_of.was_interrupted


def _ahead(work: Work, worker: Worker, clock: Clock) -> Ahead:
    # Not loaded by the many runs that are short.
    from nexomailer_cli.bulk.ahead import Ahead

    return Ahead(work.writer, worker, clock)


def _course(work: Work, write: Callable[[Job, int], Mail], until: float) -> Course:
    return Course(
        write=write,
        tell=work.view,
        random=SystemRandom(),
        until=until,
        patience=work.plan.retry_for,
        bounds=work.plan.bounds,
    )


def _signals() -> tuple[int, ...]:
    return tuple(signals.heard())


def _around(output: Output) -> Surroundings:
    from nexomailer_cli.config.secrets import terminal_prompt

    return Surroundings(
        env=os.environ,
        prompt=terminal_prompt(),
        warn=output.warn,
        blocking=signals.interruptible,
        # Nobody is told of every line who has not asked: they are ten for each message.
        observer=_Listener(output) if output.verbose else unobserved,
    )


class _Listener:
    """Tells people what connections do, when asked."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._started = time.monotonic()
        self._withheld: set[str] = set()

    def __call__(self, event: Event) -> None:
        """Take note of an event; what a server does not offer is told once."""
        match event:
            case Said(speaker, text):
                elapsed = time.monotonic() - self._started
                self._output.detail(f"{elapsed:8.3f} {speaker}: {text}")
            case Withheld(provider, what) if provider not in self._withheld:
                self._withheld.add(provider)
                self._output.warn(f"{provider}: the server does not offer {what}")
