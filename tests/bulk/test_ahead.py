"""Rows that are looked ahead at: none is lost, and each mail is that of its row and its time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.bulk.ahead import ROWS, ROWS_AHEAD, STALE_SECONDS, Ahead
from nexomailer_cli.bulk.composer import Made, Order
from nexomailer_cli.bulk.job import Job
from nexomailer_cli.bulk.recipients import Row
from nexomailer_cli.bulk.state import Standing, State
from nexomailer_cli.bulk.worker import Worker
from nexomailer_cli.errors import MessageError
from nexomailer_cli.smtp.envelope import Envelope, Mail
from tests.bulk.test_composer import setup

NOW = 1_800_000_000


class FakeWorker:
    """Makes what it is asked for when it is told to."""

    def __init__(self) -> None:
        self.is_gone = False
        self.may_be_asked = True
        self.is_quick = True
        self.asked: list[Order] = []
        self.waiting: list[Order] = []

    @property
    def is_owing(self) -> bool:
        return bool(self.waiting)

    def ask(self, orders: Sequence[Order]) -> None:
        self.asked += orders
        self.waiting += orders

    def collect(self) -> Iterator[Made]:
        if self.is_quick:
            orders, self.waiting = self.waiting, []
            yield from map(made, orders)


def made(order: Order) -> Made:
    mail = Mail(Envelope("a@a.test", (order.key,)), b"made ahead\r\n", f"<{order.number}@a>")
    return Made(order.number, order.began, None if order.key == "unmade@b.test" else mail)


class Bench:
    """An `Ahead` with a worker that does as it is told, and a clock."""

    def __init__(self) -> None:
        self.worker = FakeWorker()
        self.now = float(NOW)
        self.ahead = Ahead(setup().writer(), cast("Worker", self.worker), lambda: self.now)

    def pairs(self, *standings: Standing) -> Iterator[tuple[Row, Standing]]:
        return self.ahead.rows((row(each.number), each) for each in standings)

    def write(self, pair: tuple[Row, Standing]) -> tuple[Job, Mail]:
        job = Job(*pair)
        return job, self.ahead.write(job, int(self.now))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def row(number: int) -> Row:
    return Row(number, number + 1, {"email": f"r{number}@b.test", "name": "Ann", "n": "1"})


def standing(number: int, state: State = State.WAITING, began: int = 0, key: str = "") -> Standing:
    return Standing(number, key or f"r{number}@b.test", state, began=began)


def many(number: int) -> list[Standing]:
    return [standing(each) for each in range(1, number + 1)]


def was_ahead(mail: Mail) -> bool:
    return mail.content == b"made ahead\r\n"


@given(states=st.lists(st.sampled_from(State), max_size=3 * ROWS_AHEAD))
def test_all_rows_come_through_in_their_order(states: list[State]) -> None:
    bench = Bench()
    standings = [standing(number, state) for number, state in enumerate(states, 1)]
    assert [each for _, each in bench.pairs(*standings)] == standings
    waiting = [each.number for each in standings if each.state is State.WAITING]
    assert [each.number for each in bench.worker.asked] == waiting


def test_a_mail_that_is_there_is_used(bench: Bench) -> None:
    job, mail = bench.write(next(bench.pairs(standing(1))))
    assert was_ahead(mail)
    assert job.began == NOW
    assert mail.message_id == "<1@a>"


def test_no_more_is_read_than_there_is_time_for(bench: Bench) -> None:
    numbers = count(1)
    pairs = bench.ahead.rows((row(each), standing(each)) for each in numbers)
    for _ in range(10 * ROWS):
        next(pairs)
    assert next(numbers) <= 10 * ROWS + ROWS_AHEAD + 1


def test_without_a_worker_nothing_is_read_ahead(bench: Bench) -> None:
    bench.worker.is_gone, bench.worker.may_be_asked = True, False
    numbers = count(1)
    pairs = bench.ahead.rows((row(each), standing(each)) for each in numbers)
    for _ in range(10 * ROWS):
        assert not was_ahead(bench.write(next(pairs))[1])
    assert next(numbers) == 10 * ROWS + 1
    assert not bench.worker.asked


def test_one_that_is_busy_is_not_asked(bench: Bench) -> None:
    bench.worker.may_be_asked = False
    assert not was_ahead(bench.write(next(bench.pairs(standing(1))))[1])
    assert not bench.worker.asked


def test_a_mail_that_is_late_is_written_here_and_forgotten(bench: Bench) -> None:
    bench.worker.is_quick = False
    pairs = bench.pairs(*many(2))
    assert not was_ahead(bench.write(next(pairs))[1])
    bench.worker.is_quick = True
    second = next(pairs)
    assert was_ahead(bench.write(second)[1])
    first = row(1), standing(1)
    assert not was_ahead(bench.write(first)[1])


def test_a_mail_that_has_waited_too_long_is_written_with_a_new_date(bench: Bench) -> None:
    pair = next(bench.pairs(standing(1)))
    bench.now += STALE_SECONDS + 1
    job, mail = bench.write(pair)
    assert job.began == NOW + STALE_SECONDS + 1
    assert not was_ahead(mail)


def test_a_mail_that_is_tried_again_keeps_its_date(bench: Bench) -> None:
    job, mail = bench.write(next(bench.pairs(standing(1, began=NOW - 3600))))
    assert bench.worker.asked[0].began == job.began == NOW - 3600
    assert was_ahead(mail)


def test_a_mail_with_another_date_than_its_first_one_is_not_used(bench: Bench) -> None:
    one, _ = next(bench.pairs(standing(1)))
    job, mail = bench.write((one, standing(1, began=NOW - 1)))
    assert job.began == NOW - 1
    assert not was_ahead(mail)


def test_a_mail_is_used_once(bench: Bench) -> None:
    pair = next(bench.pairs(standing(1)))
    assert was_ahead(bench.write(pair)[1])
    assert not was_ahead(bench.write(pair)[1])


def test_what_could_not_be_made_is_written_here(bench: Bench) -> None:
    pair = next(bench.pairs(standing(1, key="unmade@b.test")))
    assert not was_ahead(bench.write(pair)[1])
    broken = row(1), standing(1, key="unmade@b.test")
    broken[0].values["email"] = "nobody"  # type: ignore[index]
    with pytest.raises(MessageError):
        bench.write(broken)


def test_another_pass_begins_anew(bench: Bench) -> None:
    for pair in bench.pairs(*many(ROWS)):
        bench.write(pair)
    job, mail = bench.write(next(bench.pairs(standing(1))))
    assert was_ahead(mail)
    assert job.number == 1
