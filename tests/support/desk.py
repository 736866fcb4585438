"""A desk for tests: hands out mails in order, and fails where a mail comes back twice."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from nexomailer_cli.pool.desk import PoolLimits
from nexomailer_cli.pool.pool import Pool
from nexomailer_cli.smtp.envelope import Mail
from nexomailer_cli.smtp.failure import Failure
from nexomailer_cli.smtp.outcome import Attempt, Outcome, Status
from nexomailer_cli.transport.limits import Limits
from tests.support.account import PROMPT, account, mail
from tests.support.script import Peer


@dataclass
class BackAgain:
    """A mail that was put back."""

    mail: Mail
    attempt: Attempt
    failure: Failure


@dataclass
class CountingDesk:
    """Takes note of everything. Without `goes_at_once`, the test calls the `go` in `intents`."""

    mails: Iterable[Mail]
    goes_at_once: bool = True
    settled: list[tuple[Mail, Outcome]] = field(default_factory=list)
    back: list[BackAgain] = field(default_factory=list)
    intents: list[tuple[Mail, Callable[[], None]]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.todo = deque(self.mails)
        self.out: list[Mail] = []

    def take(self, provider: str) -> Mail | None:
        assert provider == "main"
        if not self.todo:
            return None
        taken = self.todo.popleft()
        self.out.append(taken)
        return taken

    def intend(self, mail: Mail, go: Callable[[], None]) -> None:
        assert any(each is mail for each in self.out)
        self.intents.append((mail, go))
        if self.goes_at_once:
            go()
        self.changed.set()

    def settle(self, mail: Mail, outcome: Outcome) -> None:
        self._take_back(mail)
        told = tuple(each.recipient for each in outcome.dispositions)
        assert told == mail.envelope.recipients
        self.settled.append((mail, outcome))

    def put_back(self, mail: Mail, attempt: Attempt, failure: Failure) -> None:
        self._take_back(mail)
        self.back.append(BackAgain(mail, attempt, failure))

    def _take_back(self, mail: Mail) -> None:
        [index] = [number for number, each in enumerate(self.out) if each is mail]
        del self.out[index]
        self.changed.set()

    @property
    def statuses(self) -> list[Status]:
        return [outcome.status for _, outcome in self.settled]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of which this desk hears."""
        async with asyncio.timeout(10):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    async def until_empty(self) -> None:
        """Wait until no mail is left, here or out."""
        await self.until(lambda: not self.todo and not self.out)


def mails(count: int, content: bytes = b"Subject: x\r\n\r\n.body\r\n") -> list[Mail]:
    return [mail(f"r{number}@b.test", content=content) for number in range(1, count + 1)]


def pool_at(
    peer: Peer | int,
    desk: CountingDesk,
    *,
    limits: Limits = PROMPT,
    connections: int = 1,
    messages: int = 100,
    idle: float = 30.0,
    joined: bool = False,
) -> Pool:
    """Return a pool with one connection, which joins nothing unless asked to."""
    return Pool(
        account(peer, limits=limits),
        desk,
        PoolLimits(
            connections=connections,
            messages=messages,
            idle=idle,
            joined="auto" if joined else "never",
        ),
    )
