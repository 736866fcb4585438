"""Which provider comes first, and which next. Pure: chance and the turn come in as arguments."""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from nexomailer_cli.config.settings import Provider


def rank(provider: Provider, author: str | None) -> tuple[bool, int] | None:
    """Return where a provider stands for mail from `author`: the lower, the sooner it is tried.

    One whose `from_addresses` have the author comes before those that have none and so take
    anybody's mail; one that is for others is `None`. Without an author nobody asks.
    """
    if author is None or not provider.from_addresses:
        return author is not None, provider.priority
    if any(_pattern(each).fullmatch(author) for each in provider.from_addresses):
        return False, provider.priority
    return None


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    """Return a pattern with stars for anything. Case counts nowhere, not even before the @.

    To whom a mail is sent is not at stake here, and people write From as they like.
    """
    local, at, domain = text.rpartition("@")
    if not domain.isascii():
        from nexomailer_cli.idn import to_ascii

        labels = (each if "*" in each else to_ascii(each) for each in domain.split("."))
        domain = ".".join(labels)
    parts = map(re.escape, f"{local}{at}{domain}".split("*"))
    return re.compile(".*".join(parts), re.IGNORECASE | re.DOTALL)


def serving(
    providers: Iterable[Provider], author: str | None
) -> tuple[tuple[Provider, ...], tuple[Provider, ...]]:
    """Return the providers that are for `author` in particular, and those that are for anybody."""
    named: list[Provider] = []
    others: list[Provider] = []
    for provider in providers:
        standing = rank(provider, author)
        if standing is not None:
            (others if standing[0] else named).append(provider)
    return tuple(named), tuple(others)


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
