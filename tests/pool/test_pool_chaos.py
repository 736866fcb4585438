"""Whatever a capricious server does to several connections, every mail comes back once, truly."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from nexomailer_cli.pool import pool as pool_module
from nexomailer_cli.pool.desk import PoolLimits
from nexomailer_cli.pool.pool import Pool
from nexomailer_cli.smtp.envelope import Mail
from nexomailer_cli.smtp.failure import Failure
from nexomailer_cli.smtp.outcome import Attempt, Disposition, Outcome, Verdict
from tests.support.account import account, mail
from tests.support.chaos import Server, running

SHAPES = [
    (),
    ("PIPELINING",),
    ("PIPELINING", "CHUNKING"),
    ("CHUNKING",),
    ("PIPELINING", "LIMITS RCPTMAX=1 MAILMAX=7"),
    ("PIPELINING", "CHUNKING", "LIMITS RCPTMAX=1"),
]
MAX_BACK = 6


@dataclass
class ChaoticDesk:
    """Tries again what is put back, and takes its time by chance."""

    random: Random
    todo: deque[Mail]
    out: list[Mail] = field(default_factory=list)
    back: Counter[str] = field(default_factory=Counter)
    told: dict[str, Disposition] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)
    intended: list[Mail] = field(default_factory=list)
    wake: Callable[[], None] = lambda: None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, _provider: str) -> Mail | None:
        if not self.todo or self.random.random() < 0.1:
            asyncio.get_running_loop().call_soon(self.wake)
            return None
        self.out.append(self.todo.popleft())
        return self.out[-1]

    def intend(self, mail: Mail, go: Callable[[], None]) -> None:
        assert any(each is mail for each in self.out)
        self.intended.append(mail)
        loop = asyncio.get_running_loop()
        chance = self.random.random()
        if chance < 0.4:
            go()
        elif chance < 0.8:
            loop.call_soon(go)
        else:
            loop.call_later(0.001, go)

    def settle(self, mail: Mail, outcome: Outcome) -> None:
        self._take_back(mail)
        assert tuple(d.recipient for d in outcome.dispositions) == mail.envelope.recipients
        for each in outcome.dispositions:
            assert each.recipient not in self.told
            self.told[each.recipient] = each
            if each.verdict in (Verdict.ACCEPTED, Verdict.UNKNOWN):
                assert any(intended is mail for intended in self.intended)

    def put_back(self, mail: Mail, attempt: Attempt, failure: Failure) -> None:
        name = mail.envelope.recipients[0]
        self.back[name] += 1
        self.todo.append(mail)
        if not failure.is_transient:
            self._give_up(*self.todo)  # it wants a sign-in, or talks out of turn
        elif self.back[name] >= MAX_BACK:
            self._give_up(mail)
        self._take_back(mail)
        asyncio.get_running_loop().call_soon(self.wake)

    def _give_up(self, *mails: Mail) -> None:
        for each in mails:
            self.given_up.update(each.envelope.recipients)
            self.todo.remove(each)

    def _take_back(self, mail: Mail) -> None:
        [index] = [number for number, each in enumerate(self.out) if each is mail]
        del self.out[index]
        if not self.todo and not self.out:
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        if not self.todo and not self.out:
            self.done.set()


def truthful(desk: ChaoticDesk, delivered: Counter[str], everybody: set[str]) -> None:
    left = {name for mail in desk.todo for name in mail.envelope.recipients}
    assert {*desk.told, *desk.given_up, *left} == everybody
    assert not desk.out
    assert not [who for who, count in delivered.items() if count > 1]
    for name in everybody:
        verdict = desk.told[name].verdict if name in desk.told else Verdict.DEFERRED
        if verdict is not Verdict.UNKNOWN:
            assert delivered[name] == (verdict is Verdict.ACCEPTED), name


@pytest.mark.parametrize("kindness", [0.7, 0.97])
@pytest.mark.parametrize("keywords", SHAPES)
@pytest.mark.parametrize("is_cut", [False, True])
async def test_every_mail_is_settled_or_put_back_once_and_truly(
    keywords: tuple[str, ...], kindness: float, is_cut: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "FIRST_PAUSE", 0.0005)
    for seed in range(8):
        random = Random(seed)
        server = Server(random, ("chaos", *keywords), kindness)
        pairs = [(f"a{number}@b.test", f"b{number}@b.test") for number in range(30)]
        todo = deque(mail(*pair[: 1 + number % 2]) for number, pair in enumerate(pairs))
        desk = ChaoticDesk(random, todo)
        names = {name for each in desk.todo for name in each.envelope.recipients}
        async with running(server) as port:
            pool = Pool(account(port), desk, PoolLimits(connections=4, messages=9))
            desk.wake = pool.wake
            await pool.start()
            if is_cut:
                await asyncio.sleep(0.001 * seed)
                await pool.aclose(drain=seed % 2 == 0)
            else:
                await asyncio.wait_for(desk.done.wait(), 5)
                await pool.aclose(drain=True)
        truthful(desk, server.delivered, names)


async def test_chaos_meets_joined_groups_too() -> None:
    """The test above would mean little if no server ever passed its trials."""
    learnt = []
    for seed in range(8):
        random = Random(seed)
        server = Server(random, ("chaos", "PIPELINING"), 0.97)
        desk = ChaoticDesk(random, deque(mail(f"r{number}@b.test") for number in range(60)))
        async with running(server) as port:
            pool = Pool(account(port), desk, PoolLimits(connections=2))
            desk.wake = pool.wake
            await pool.start()
            await asyncio.wait_for(desk.done.wait(), 5)
            await pool.aclose(drain=True)
        learnt.append(pool.state.joined)
    assert learnt.count(True) >= 2
