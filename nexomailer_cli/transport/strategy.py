"""Which provider comes first, and which next. Pure: chance and the turn come in as arguments."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from nexomailer_cli.config.settings import Provider


def by_priority(providers: Iterable[Provider]) -> tuple[Provider, ...]:
    """Return 1 before 2, and equals as the file has them."""
    return tuple(sorted(providers, key=lambda provider: provider.priority))


def round_robin(providers: Iterable[Provider], turn: int) -> tuple[Provider, ...]:
    """Let each provider of the best priority begin in turn; the rest stay behind as they are."""
    first, rest = _best(providers)
    start = turn % len(first) if first else 0
    return (*first[start:], *first[:start], *rest)


def weighted(providers: Iterable[Provider], random: Random) -> tuple[Provider, ...]:
    """Draw the order of the providers of the best priority, by their weights.

    A provider of weight 0 is only used when the others have failed.
    """
    first, rest = _best(providers)
    # Efraimidis and Spirakis: sorted by u ** (1 / weight), each prefix is a weighted sample.
    drawn = sorted(first, key=lambda each: -_key(each.weight, random.random()))
    return (*drawn, *rest)


def _key(weight: int, chance: float) -> float:
    return chance ** (1.0 / weight) if weight else -1.0


def _best(
    providers: Iterable[Provider],
) -> tuple[tuple[Provider, ...], tuple[Provider, ...]]:
    ordered = by_priority(providers)
    groups = [tuple(group) for _, group in itertools.groupby(ordered, lambda each: each.priority)]
    return (groups[0], tuple(itertools.chain(*groups[1:]))) if groups else ((), ())
