"""A run in a time of its own against a stand-in for a server, as real towards the disk as any.

    python -m tests.crash.rehearsal FOLDER SEED

For a trace: what is on its way to be delivered is written to FOLDER/delivered, one address at
a time, at the moment when the end of its content would go out. Several runs follow each
other; leases are short and the journal is folded up often, so that little happens between
two moments at which the disk is waited for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from nexomailer_cli.bulk import queue
from nexomailer_cli.smtp.envelope import Mail
from nexomailer_cli.smtp.failure import Scope
from nexomailer_cli.smtp.reply import Reply
from tests.bulk.office import START, Answer, Office, StubPool

ROWS, RUNS, LEASE, FRONT, FOLDED_PAGES = 60, 3, 7, 5, 25
PROVIDERS = ("main", "spare")
DELIVERED = "delivered"


@dataclass
class TellingPool(StubPool):
    """Writes down what goes out; sometimes the session is lost when all is on record already."""

    random: Random = field(default_factory=Random)
    descriptor: int = -1

    def _begin(self) -> bool:
        assert self.desk is not None
        if self.random.random() > 0.15:
            return super()._begin()
        mail = self.desk.take(self.name)
        if mail is None:
            return False
        self.busy += 1
        self.desk.intend(mail, self._lose(mail))
        return True

    def _lose(self, mail: Mail) -> Callable[[], None]:
        scope = Scope.SESSION if self.random.random() < 0.8 else Scope.PROVIDER
        return lambda: self.time.soon(lambda: self._put_back(mail, scope))

    def _go(self, mail: Mail, answer: Reply | str) -> None:
        is_refused = isinstance(answer, Reply) and answer.code != 250
        if not is_refused:
            for each in mail.envelope.recipients:
                os.write(self.descriptor, f"{each}\n".encode())
        super()._go(mail, answer)


def answers(random: Random) -> Callable[[str, int], Answer]:
    """Return what a server says by chance."""

    def answer(_address: str, _try: int) -> Answer:
        chance = random.random()
        if chance < 0.55:
            return Reply(250, "2.0.0", ("Ok",))
        if chance < 0.75:
            return Reply(451, "4.7.1", ("Greylisted",))
        if chance < 0.85:
            return Reply(550, "5.1.1", ("no such user",))
        return Scope.SESSION if chance < 0.95 else "timeout"

    return answer


def rehearse(folder: Path, seed: int) -> None:
    """Run several times, a day apart."""
    queue.LEASED_ROWS, queue.MAX_FRONT = LEASE, FRONT
    random = Random(seed)
    descriptor = os.open(folder / DELIVERED, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for day in range(RUNS):
        office = Office(folder, ROWS, retry_for=day * 86400.0 + 400.0, providers=PROVIDERS)
        office.journal._connection.execute(f"PRAGMA wal_autocheckpoint = {FOLDED_PAGES}")
        office.time.now = START + day * 86400.0
        office.time.pools = [
            TellingPool(
                *(office.time, name, answers(random)),
                desk=office.desk,
                random=random,
                descriptor=descriptor,
            )
            for name in PROVIDERS
        ]
        office.run(limit=RUNS * 86400.0)
        office.journal.close()


if __name__ == "__main__":
    rehearse(Path(sys.argv[1]), int(sys.argv[2]))
