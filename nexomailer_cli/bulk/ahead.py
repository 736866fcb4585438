"""Messages made a little before they are wanted, by a second process.

Rows are looked ahead at, some of them at a time, and given to the worker; when one of them is
sent, its mail is there. One that is not there in time is written here, as all are without a
worker, and comes to the same octets but for a Date that is some seconds later.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

from nexomailer_cli.bulk.composer import Order
from nexomailer_cli.bulk.state import State
from nexomailer_cli.bulk.worker import MAX_OWED

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.bulk.composer import Made
    from nexomailer_cli.bulk.job import Job
    from nexomailer_cli.bulk.queue import Pass
    from nexomailer_cli.bulk.recipients import Row
    from nexomailer_cli.bulk.state import Standing
    from nexomailer_cli.bulk.worker import Worker
    from nexomailer_cli.bulk.writer import Writer
    from nexomailer_cli.smtp.envelope import Mail

ROWS: Final = 32  # of one order
# Twice as many as the worker may owe: where it is as slow as we are, both work, and none of it
# twice.
ROWS_AHEAD: Final = 2 * MAX_OWED * ROWS
# A mail's Date is when it is first sent, which a mail that has waited for its turn missed.
STALE_SECONDS: Final = 5


class Ahead:
    """Writes mails, and has them written by a worker. `clock` is that of the run."""

    def __init__(self, writer: Writer, worker: Worker, clock: Callable[[], float]) -> None:
        self._writer = writer
        self._worker = worker
        self._clock = clock
        self._made: dict[int, Made] = {}
        self._last = 0  # the row that was written last, in their order

    def rows(self, rows: Pass) -> Pass:
        """Yield what `rows` yields; the messages of those to come are being made."""
        self._made.clear()
        self._last = 0
        coming: deque[tuple[Row, Standing]] = deque()
        while chunk := list(islice(rows, ROWS)):
            self._ask(chunk)
            coming.extend(chunk)
            kept = 0 if self._worker.is_gone else ROWS_AHEAD - ROWS
            while len(coming) > kept:
                yield coming.popleft()
        yield from coming

    def write(self, job: Job, now: int) -> Mail:
        """Return the mail of a job, which begins now if it has not begun before.

        Raises MessageError.
        """
        made = self._made.pop(job.number, None)
        if made is None and self._worker.is_owing:
            self._collect()
            made = self._made.pop(job.number, None)
        self._last = max(self._last, job.number)
        if made is None or made.mail is None or not _is_right(made, job, now):
            return self._writer.write(job, now)
        job.began = made.began
        return made.mail

    def _ask(self, rows: list[tuple[Row, Standing]]) -> None:
        self._collect()
        if not self._worker.may_be_asked:
            return
        now = int(self._clock())
        orders = [
            Order(row.number, row.line, row.values, standing.key, standing.began or now)
            for row, standing in rows
            if standing.state is State.WAITING
        ]
        if orders:
            self._worker.ask(orders)

    def _collect(self) -> None:
        for made in self._worker.collect():
            # What comes too late was written here.
            if made.number > self._last:
                self._made[made.number] = made


def _is_right(made: Made, job: Job, now: int) -> bool:
    if job.began:
        return made.began == job.began
    return now - made.began <= STALE_SECONDS
