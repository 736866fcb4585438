"""Later, for those whom time may help, and for nobody else."""

from collections.abc import Callable
from random import Random

import pytest

from nexomailer_cli.smtp.envelope import Mail
from nexomailer_cli.smtp.failure import Failure, Scope
from nexomailer_cli.smtp.outcome import (
    Attempt,
    Disposition,
    Outcome,
    Phase,
    Status,
    Verdict,
    summary,
)
from nexomailer_cli.smtp.reply import Reply
from nexomailer_cli.transport.base import Event, Waiting
from nexomailer_cli.transport.retry import (
    JITTER,
    LONGEST_GREYLIST_SECONDS,
    LONGEST_SECONDS,
    NEVER,
    Clock,
    RetryTransport,
    retry_delay,
)
from tests.support.account import mail

Answers = dict[str, list[Callable[[str], Disposition]]]


class FakeClock(Clock):
    """Time passes when somebody sleeps, and a little more than asked for."""

    def __init__(self, overshoot: float = 0.0) -> None:
        self.time = 1000.0
        self.slept: list[float] = []
        self._overshoot = overshoot

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds + self._overshoot


def accepted(recipient: str) -> Disposition:
    return Disposition(recipient, Verdict.ACCEPTED, Phase.END, Reply(250))


def unknown(recipient: str) -> Disposition:
    return Disposition(recipient, Verdict.UNKNOWN, Phase.END, None, "closed")


def failed(scope: Scope, *, is_transient: bool = True) -> Callable[[str], Disposition]:
    verdict = Verdict.DEFERRED if is_transient else Verdict.REJECTED

    def make(recipient: str) -> Disposition:
        failure = Failure(scope, is_transient)
        return Disposition(recipient, verdict, Phase.RCPT, Reply(450), "", failure)

    return make


greylisted = failed(Scope.RECIPIENT)
refused = failed(Scope.RECIPIENT, is_transient=False)
overloaded = failed(Scope.PROVIDER)


class Stub:
    """Gives each recipient the answers of its list, the last of them for ever."""

    name = "stub"

    def __init__(
        self,
        answers: Answers,
        clock: FakeClock,
        *,
        seconds: float = 0.0,
    ) -> None:
        self.sent: list[tuple[float, tuple[str, ...]]] = []
        self.closed = 0
        self._answers = answers
        self._clock = clock
        self._seconds = seconds

    def send(self, mail: Mail) -> Outcome:
        self.sent.append((self._clock.now() - 1000.0, mail.envelope.recipients))
        self._clock.time += self._seconds
        dispositions = tuple(self._next(each) for each in mail.envelope.recipients)
        attempt = Attempt(
            provider="stub",
            host="h",
            port=25,
            tls="",
            phase=Phase.RCPT,
            status=summary(dispositions),
            elapsed=0.0,
        )
        return Outcome(dispositions, (attempt,))

    def _next(self, recipient: str) -> Disposition:
        answers = self._answers[recipient]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer(recipient)

    def close(self) -> None:
        self.closed += 1


def retried(
    answers: Answers,
    *,
    seconds: float = 3600.0,
    overshoot: float = 0.0,
    takes: float = 0.0,
    events: list[Event] | None = None,
) -> tuple[Outcome, Stub, FakeClock]:
    clock = FakeClock(overshoot)
    stub = Stub(answers, clock, seconds=takes)
    heard: list[Event] = [] if events is None else events
    transport = RetryTransport(
        stub, seconds=seconds, random=Random(1), observer=heard.append, clock=clock
    )
    outcome = transport.send(mail(*answers))
    return outcome, stub, clock


def recipients_of(stub: Stub) -> list[tuple[str, ...]]:
    return [recipients for _, recipients in stub.sent]


@pytest.mark.parametrize(
    ("disposition", "tries", "least"),
    [
        (greylisted("a"), 1, 300.0),
        (greylisted("a"), 2, 600.0),
        (greylisted("a"), 3, 1200.0),
        (greylisted("a"), 4, LONGEST_GREYLIST_SECONDS),
        (greylisted("a"), 10**6, LONGEST_GREYLIST_SECONDS),
        (overloaded("a"), 1, 5.0),
        (overloaded("a"), 2, 10.0),
        (overloaded("a"), 7, LONGEST_SECONDS),
        (overloaded("a"), 10**6, LONGEST_SECONDS),
        (failed(Scope.MESSAGE)("a"), 1, 5.0),
        (failed(Scope.SESSION)("a"), 1, 5.0),
        (failed(Scope.RATE)("a"), 1, 5.0),
    ],
)
def test_each_try_waits_longer_up_to_a_bound(
    disposition: Disposition, tries: int, least: float
) -> None:
    assert retry_delay(disposition, tries) == least


@pytest.mark.parametrize(
    "disposition",
    [accepted("a"), unknown("a"), refused("a"), failed(Scope.PROVIDER, is_transient=False)("a")],
)
def test_what_time_cannot_cure_is_never_tried_again(disposition: Disposition) -> None:
    assert retry_delay(disposition, 1) == NEVER


def test_who_failed_together_comes_back_together() -> None:
    answers: dict[str, list[Callable[[str], Disposition]]] = {
        name: [overloaded, accepted] for name in ("a", "b", "c", "d", "e")
    }
    outcome, stub, clock = retried(answers, seconds=60.0)
    assert recipients_of(stub) == [tuple(answers), tuple(answers)]
    assert [5.0 <= seconds <= 5.0 * (1 + JITTER) for seconds in clock.slept] == [True]
    assert outcome.status is Status.ACCEPTED


def test_greylisting_waits_five_minutes_and_asks_for_nobody_else() -> None:
    events: list[Event] = []
    outcome, stub, clock = retried(
        {
            "a@b.test": [accepted],
            "g@b.test": [greylisted, accepted],
            "r@b.test": [refused],
            "u@b.test": [unknown],
        },
        events=events,
    )
    assert recipients_of(stub) == [("a@b.test", "g@b.test", "r@b.test", "u@b.test"), ("g@b.test",)]
    assert 300.0 <= clock.slept[0] <= 360.0
    assert len(clock.slept) == 1
    assert [each.verdict for each in outcome.dispositions] == [
        Verdict.ACCEPTED,
        Verdict.ACCEPTED,
        Verdict.REJECTED,
        Verdict.UNKNOWN,
    ]
    assert len(outcome.attempts) == 2
    assert events == [Waiting(clock.slept[0], 1)]
    assert stub.closed == 1


def test_nothing_to_wait_for_returns_at_once() -> None:
    outcome, stub, clock = retried({"a@b.test": [accepted], "r@b.test": [refused]})
    assert outcome.status is Status.PARTIAL
    assert len(stub.sent) == 1
    assert clock.slept == []
    assert stub.closed == 0


def test_a_wait_that_would_pass_the_window_is_not_begun() -> None:
    outcome, stub, clock = retried({"g@b.test": [greylisted]}, seconds=299.0)
    assert outcome.status is Status.DEFERRED
    assert len(stub.sent) == 1
    assert clock.slept == []


def test_tries_go_on_until_the_window_closes() -> None:
    outcome, stub, _ = retried({"p@b.test": [overloaded]}, seconds=120.0)
    assert outcome.status is Status.DEFERRED
    times = [at for at, _ in stub.sent]
    assert times[0] == 0.0
    assert len(times) == 5  # 5, 10, 20 and 40 seconds and their jitter
    assert times[-1] <= 120.0
    assert len(outcome.attempts) == len(times)


def test_each_recipient_comes_when_it_is_due() -> None:
    _, stub, _ = retried({"p@b.test": [overloaded, accepted], "g@b.test": [greylisted, accepted]})
    assert recipients_of(stub) == [("p@b.test", "g@b.test"), ("p@b.test",), ("g@b.test",)]
    assert stub.sent[1][0] < 10.0
    assert stub.sent[2][0] >= 300.0


@pytest.mark.parametrize("overshoot", [0.0, 0.002, 500.0])
def test_a_sleep_that_overshoots_the_window_sends_nothing_twice(overshoot: float) -> None:
    _, stub, _ = retried(
        {
            "a@b.test": [accepted],
            "u@b.test": [unknown],
            "r@b.test": [refused],
            "g@b.test": [greylisted, accepted],
        },
        seconds=360.0,
        overshoot=overshoot,
    )
    assert recipients_of(stub)[1:] == [("g@b.test",)]


def test_a_slow_server_does_not_make_anything_be_sent_twice() -> None:
    answers: Answers = {
        "a@b.test": [accepted],
        "p@b.test": [overloaded, accepted],
        "g@b.test": [greylisted, accepted],
    }
    _, stub, _ = retried(answers, seconds=800.0, takes=420.0)
    assert recipients_of(stub) == [
        ("a@b.test", "p@b.test", "g@b.test"),
        ("p@b.test",),
        ("g@b.test",),
    ]


def test_nobody_is_tried_after_the_window() -> None:
    answers: Answers = {"p@b.test": [overloaded, accepted], "g@b.test": [greylisted, accepted]}
    outcome, stub, _ = retried(answers, seconds=700.0, takes=650.0)
    assert all(at <= 700.0 for at, _ in stub.sent)
    assert len(outcome.dispositions) == 2


def test_the_name_and_the_end_are_those_of_the_transport_below() -> None:
    clock = FakeClock()
    stub = Stub({}, clock)
    transport = RetryTransport(stub, seconds=1.0, random=Random(1))
    assert transport.name == "stub"
    transport.close()
    assert stub.closed == 1


def test_the_real_clock_goes_forward() -> None:
    clock = Clock()
    before = clock.now()
    clock.sleep(0.01)
    assert 0.005 < clock.now() - before < 5.0
