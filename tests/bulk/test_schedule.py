"""Rates, speed and breakers: pure, with a clock that is an argument."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.bulk.breaker import FIRST_SECONDS, LONGEST_SECONDS, Breaker, Circuit
from nexomailer_cli.bulk.pace import CALM_SECONDS, SLOWEST, Pace
from nexomailer_cli.bulk.schedule import FIRST, Gate, LineUp, Rank, Strategy
from nexomailer_cli.bulk.window import Window
from nexomailer_cli.config.rate import Rate

NOW = 1_800_000_000.0
NOBODY: frozenset[str] = frozenset()


def gate(name: str = "a", *windows: Window, weight: int = 1, rank: Rank = FIRST) -> Gate:
    return Gate(name, windows, Random(1), weight=weight, rank=rank)


@given(
    limit=st.integers(1, 20),
    period=st.sampled_from([1.0, 60.0, 3600.0]),
    pauses=st.lists(st.floats(0, 2), max_size=80),
)
def test_no_stretch_of_time_holds_more_than_the_rate(
    limit: int, period: float, pauses: list[float]
) -> None:
    window, now, taken = Window("a", Rate(limit, period)), NOW, []
    for pause in pauses:
        now += pause * period / limit
        if wait := window.wait(now):
            now += wait
        assert window.wait(now) == pytest.approx(0, abs=1e-5)
        window.take(now)
        taken.append(now)
    for first, last in zip(taken, taken[limit:], strict=False):
        assert last - first >= period * (1 - 1e-9)


def test_a_window_goes_on_where_another_run_stopped() -> None:
    first = Window("a", Rate(5, 3600))
    for _ in range(5):
        first.take(NOW)
    changed = first.changes()
    assert first.changes() == ()
    second = Window("a", Rate(5, 3600), changed)
    assert second.wait(NOW + 10) == pytest.approx(3590, abs=4)
    assert second.oldest_kept(NOW) <= changed[0][0]


def test_a_window_with_more_taken_than_a_new_smaller_rate_allows_waits_for_enough() -> None:
    window = Window("a", Rate(2, 10), [(int(NOW * 100), 5), (int(NOW * 100) + 500, 1)])
    assert window.wait(NOW + 6) == pytest.approx(4, abs=0.1)


def test_what_was_not_used_is_given_back() -> None:
    window = Window("a", Rate(1, 60))
    window.give_back()
    window.take(NOW)
    assert window.wait(NOW) > 0
    window.give_back()
    assert window.wait(NOW) == 0


def test_a_clock_that_is_set_back_does_not_make_the_past_forget() -> None:
    window = Window("a", Rate(2, 60))
    window.take(NOW)
    window.take(NOW - 30)
    assert window.wait(NOW) > 0


def test_a_complaint_halves_the_speed_and_calm_raises_it() -> None:
    pace, now = Pace(), NOW
    for _ in range(100):
        pace.take(now)
        now += 0.1
    pace.complain(now)
    assert pace.speed == pytest.approx(5, rel=0.2)
    pace.complain(now + 0.5)  # of another connection, about the same
    assert pace.speed == pytest.approx(5, rel=0.2)
    pace.complain(now + 10)
    slow = pace.speed
    assert slow == pytest.approx(2.5, rel=0.2)
    for step in range(1, 40):
        pace.wait(now + 10 + step * CALM_SECONDS)
    assert pace.speed is None


def test_even_the_slowest_speed_is_one() -> None:
    pace = Pace()
    for number in range(50):
        pace.complain(NOW + 10 * number)
    assert pace.speed == SLOWEST
    assert pace.wait(NOW + 500) <= 61


def test_messages_are_spaced_after_a_complaint() -> None:
    pace, now = Pace(), NOW
    pace.complain(now)
    taken = []
    for _ in range(5):
        now += pace.wait(now)
        pace.take(now)
        taken.append(now)
    gaps = [b - a for a, b in pairwise(taken)]
    assert all(gap == pytest.approx(2.0) for gap in gaps)


def test_three_failures_in_a_row_open_a_breaker() -> None:
    breaker = Breaker(Random(1))
    breaker.fail(NOW)
    breaker.fail(NOW)
    breaker.succeed()
    breaker.fail(NOW)
    breaker.fail(NOW)
    assert breaker.wait(NOW) == 0
    breaker.fail(NOW)
    assert breaker.circuit is Circuit.OPEN
    assert breaker.wait(NOW) >= FIRST_SECONDS
    breaker.fail(NOW)  # of a connection that was being opened
    assert breaker.wait(NOW) <= FIRST_SECONDS * 1.2


def test_one_mail_tries_a_half_open_breaker() -> None:
    breaker = Breaker(Random(1))
    for _ in range(3):
        breaker.fail(NOW)
    later = NOW + LONGEST_SECONDS
    assert breaker.wait(later) == 0
    breaker.take()
    assert breaker.wait(later) == float("inf")
    breaker.undecided()
    assert breaker.wait(later) == 0
    breaker.take()
    breaker.fail(later)
    assert breaker.wait(later) >= 2 * FIRST_SECONDS
    breaker.take()
    breaker.succeed()
    assert breaker.circuit is Circuit.CLOSED


def test_a_provider_that_is_away_is_passed_over() -> None:
    first, second = gate("a"), gate("b")
    line_up = LineUp((first, second))
    assert line_up.may_serve("a", NOBODY, NOW)
    assert not line_up.may_serve("b", NOBODY, NOW)
    assert line_up.may_serve("b", frozenset({"a"}), NOW)
    first.park(NOW)
    assert line_up.may_serve("b", NOBODY, NOW)
    assert first.state(NOW) == "quota used up"
    assert first.trouble(NOW) > 0


def test_a_long_wait_for_a_rate_spills_and_a_short_one_does_not() -> None:
    fast, slow = Window("a", Rate(1, 1)), Window("a", Rate(1, 3600))
    first, second = gate("a", fast), gate("b")
    line_up = LineUp((first, second))
    first.take(NOW)
    assert first.wait(NOW) > 0
    assert first.state(NOW) == "waiting for its rate"
    assert not line_up.may_serve("b", NOBODY, NOW)
    first = gate("a", slow)
    line_up = LineUp((first, second))
    first.take(NOW)
    assert line_up.may_serve("b", NOBODY, NOW)


def test_weights_are_shares() -> None:
    line_up = LineUp((gate("a", weight=3), gate("b", weight=1), gate("c", weight=0)), "weighted")
    for _ in range(400):
        for name in ("b", "a", "c"):
            if line_up.may_serve(name, NOBODY, NOW):
                line_up.gates[name].take(NOW)
                break
    taken = {name: each.taken for name, each in line_up.gates.items()}
    assert taken["c"] == 0
    assert 2.4 <= taken["a"] / taken["b"] <= 3.6


@pytest.mark.parametrize("strategy", ["round-robin", "weighted"])
def test_a_spare_serves_when_none_of_the_better_ones_does(strategy: Strategy) -> None:
    gates = (gate("a"), gate("b"), gate("z", rank=(False, 2), weight=9), gate("y", rank=(True, 0)))
    line_up = LineUp(gates, strategy)

    def served_by() -> str:
        usable = [each.name for each in gates if not each.is_off]
        return "".join(name for name in usable if line_up.may_serve(name, NOBODY, NOW))

    assert served_by() == "ab"
    line_up.gates["a"].switch_off()
    assert served_by() == "b"
    line_up.gates["b"].switch_off()
    assert served_by() == "z"
    assert line_up.may_serve("y", frozenset("z"), NOW)


def test_a_weight_of_nothing_serves_when_nobody_else_does() -> None:
    line_up = LineUp((gate("a", weight=3), gate("c", weight=0)), "weighted")
    line_up.gates["a"].switch_off()
    assert line_up.may_serve("c", NOBODY, NOW)
    assert line_up.usable() == {"c"}
    assert line_up.gates["a"].state(NOW) == "off"
    assert line_up.gates["a"].wait(NOW) == float("inf")


def test_the_states_of_a_gate_have_words() -> None:
    one = gate()
    assert one.state(NOW) == "ready"
    one.slow_down(NOW)
    assert one.state(NOW) == "slowed to 0.5/s"
    for _ in range(3):
        one.fail(NOW)
    assert one.state(NOW) == "failing"
    one.fail(NOW, is_lasting=True)
    assert one.trouble(NOW) == float("inf")
    assert not LineUp((one,)).hopeful(NOW, NOW)
    one.take(NOW)  # somebody finds out
    assert LineUp((one,)).hopeful(NOW, NOW) == {"a"}
