"""Which provider comes first, and which next."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexomailer_cli.config.settings import Provider, SmtpConfig
from nexomailer_cli.transport.strategy import by_priority, rank, round_robin, serving, weighted


def provider(name: str, priority: int = 1, weight: int = 1) -> Provider:
    config = SmtpConfig(host=f"{name}.test")
    return Provider(name=name, priority=priority, weight=weight, config=config)


def names(providers: tuple[Provider, ...]) -> str:
    return "".join(each.name for each in providers)


FIVE = (provider("x", 2), provider("a"), provider("b"), provider("y", 3), provider("c"))
SOME = st.lists(
    st.builds(provider, st.sampled_from("abcdef"), st.integers(0, 3), st.integers(0, 3)),
    max_size=6,
)


def test_priority_counts_first_and_the_order_of_the_file_next() -> None:
    assert names(by_priority(FIVE)) == "abcxy"


@pytest.mark.parametrize(
    ("turn", "order"),
    [(0, "abcxy"), (1, "bcaxy"), (2, "cabxy"), (3, "abcxy"), (2**31 + 1, "abcxy"), (-1, "cabxy")],
)
def test_turns_go_round_among_the_best_and_leave_the_rest_behind(turn: int, order: str) -> None:
    assert names(round_robin(FIVE, turn)) == order


def test_no_provider_at_all_is_no_mistake_of_a_strategy() -> None:
    assert round_robin((), 3) == ()
    assert weighted((), Random(1)) == ()


def test_weights_decide_how_often_a_provider_is_first() -> None:
    pair = (provider("a", weight=3), provider("b", weight=1), provider("z", 2, weight=1000))
    random = Random(4711)
    firsts = Counter(weighted(pair, random)[0].name for _ in range(4000))
    assert set(firsts) == {"a", "b"}
    assert firsts["a"] / 4000 == pytest.approx(0.75, abs=0.03)


def test_weight_zero_is_the_last_of_its_priority_and_before_the_next() -> None:
    three = (provider("o", weight=0), provider("a"), provider("b"), provider("x", 2))
    random = Random(1)
    for _ in range(200):
        order = names(weighted(three, random))
        assert order in ("abox", "baox")


def test_only_zeros_still_send() -> None:
    assert names(weighted((provider("a", weight=0), provider("b", weight=0)), Random(1))) == "ab"


class _Never(Random):
    """Chance at its extreme."""

    def random(self) -> float:
        return 0.0


def test_the_unluckiest_draw_still_comes_before_weight_zero() -> None:
    pair = (provider("o", weight=0), provider("a", weight=1))
    assert names(weighted(pair, _Never())) == "ao"


@settings(max_examples=60)
@given(SOME, st.integers(0, 100))
def test_every_strategy_keeps_every_provider_once_and_priorities_in_order(
    providers: list[Provider], turn: int
) -> None:
    for order in (
        by_priority(providers),
        round_robin(providers, turn),
        weighted(providers, Random(turn)),
    ):
        assert Counter(map(id, order)) == Counter(map(id, providers))
        assert [each.priority for each in order] == sorted(each.priority for each in providers)


# --- for whom ----------------------------------------------------------------------------------


def shop(name: str, *addresses: str, priority: int = 1) -> Provider:
    config = SmtpConfig(host=f"{name}.test")
    return Provider(name=name, priority=priority, from_addresses=addresses, config=config)


@pytest.mark.parametrize(
    ("pattern", "author", "is_for"),
    [
        ("*@shop.example", "ann@shop.example", True),
        ("*@shop.example", "Ann@SHOP.example", True),
        ("*@shop.example", "ann@web.shop.example", False),
        ("*@*.shop.example", "ann@web.shop.example", True),
        ("*@shop.example", "ann@shop.example.org", False),
        ("*@shop.example", "ann@myshop.example", False),
        ("ops+*@a.test", "ops+cron@a.test", True),
        ("ops+*@a.test", "ops@a.test", False),
        ("a.b@c.test", "aXb@c.test", False),
        ("*@bücher.example", "x@xn--bcher-kva.example", True),
        ("*@*.bücher.example", "x@a.xn--bcher-kva.example", True),
        ("*", "anybody@anywhere.test", True),
    ],
)
def test_whom_a_provider_is_for(pattern: str, author: str, is_for: bool) -> None:
    assert (rank(shop("a", pattern), author) is not None) is is_for


def test_who_names_the_author_comes_before_who_takes_anybody_and_others_do_not_come() -> None:
    general, ours, theirs = shop("g"), shop("o", "*@o.test", priority=9), shop("t", "*@t.test")
    providers = (general, theirs, ours)
    assert tuple(map(names, serving(providers, "x@o.test"))) == ("o", "g")
    assert tuple(map(names, serving(providers, "x@else.test"))) == ("", "g")
    assert tuple(map(names, serving(providers, None))) == ("gto", "")
    ranks = [rank(each, "x@o.test") for each in providers]
    assert ranks == [(True, 1), None, (False, 9)]
