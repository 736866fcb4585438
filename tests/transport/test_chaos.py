"""Whatever two capricious but honest servers do, nothing is delivered twice or misreported."""

from collections import Counter
from random import Random

import pytest

from nexomailer_cli.smtp.outcome import Outcome, Verdict
from nexomailer_cli.transport.failover import FailoverTransport
from nexomailer_cli.transport.provider import ProviderTransport
from nexomailer_cli.transport.retry import Clock, RetryTransport
from tests.support.account import CONTENT, account, mail
from tests.support.aside import Aside
from tests.support.chaos import Server, running

RECIPIENTS = tuple(f"r{number}@b.test" for number in range(5))


class Impatient(Clock):
    """Lets no time pass, and says that it did."""

    def __init__(self) -> None:
        self._time = 0.0

    def now(self) -> float:
        return self._time

    def sleep(self, seconds: float) -> None:
        self._time += seconds + 0.001


def truthful(outcome: Outcome, delivered: Counter[str]) -> None:
    assert [each.recipient for each in outcome.dispositions] == list(RECIPIENTS)
    assert not [who for who, count in delivered.items() if count > 1]
    for each in outcome.dispositions:
        if each.verdict is Verdict.ACCEPTED:
            assert delivered[each.recipient] == 1, each
        elif each.verdict is not Verdict.UNKNOWN:
            assert delivered[each.recipient] == 0, each


@pytest.mark.parametrize(
    "keywords",
    [
        ("x",),
        ("PIPELINING",),
        ("PIPELINING", "CHUNKING"),
        ("CHUNKING",),
        ("PIPELINING", "LIMITS RCPTMAX=2"),
        ("PIPELINING", "CHUNKING", "LIMITS RCPTMAX=1"),
    ],
)
async def test_nothing_is_delivered_twice_or_misreported(keywords: tuple[str, ...]) -> None:
    for seed in range(25):
        random = Random(seed)
        one, two = Server(random, ("chaos", *keywords)), Server(random, ("chaos", *keywords))
        async with running(one) as first, running(two) as second:
            failover = FailoverTransport(
                (ProviderTransport(account(first)), ProviderTransport(account(second)))
            )
            transport = Aside(
                RetryTransport(failover, seconds=2000.0, random=random, clock=Impatient())
            )
            outcome = await transport.send(mail(*RECIPIENTS, content=CONTENT))
            await transport.close()
        truthful(outcome, one.delivered + two.delivered)
