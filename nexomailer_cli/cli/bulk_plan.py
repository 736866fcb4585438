"""What `bulk` is to do, made of options and configuration: numbers, rates, bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, structs

from nexomailer_cli.bulk.queue import Span
from nexomailer_cli.bulk.schedule import FIRST, Gate, LineUp
from nexomailer_cli.bulk.tally import Bounds
from nexomailer_cli.bulk.window import Window
from nexomailer_cli.config.duration import parse_duration
from nexomailer_cli.config.rate import Rate, parse_rates
from nexomailer_cli.errors import UsageError
from nexomailer_cli.printable import printable
from nexomailer_cli.transport.strategy import rank, serving

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from nexomailer_cli.bulk.journal import Journal
    from nexomailer_cli.cli.bulk_options import BulkOptions
    from nexomailer_cli.config.settings import Config, Defaults, Provider

RETRY_SECONDS = 3600.0
WHOLE_RUN = ""  # who owns the rates of the command line


class Plan(Struct, frozen=True):
    """How a run is to go, apart from what it sends. Durations are seconds."""

    first: int
    last: int
    retry_for: float
    bounds: Bounds
    rates: tuple[Rate, ...]

    def span(self, now: float) -> Span:
        """Return the rows it is about, and until when they are tried."""
        return Span(self.first, self.last, now + self.retry_for)


def plan_of(options: BulkOptions, defaults: Defaults) -> Plan:
    """Return the plan; raise UsageError for what makes no sense."""
    if options.dedupe not in ("error", "skip", "keep"):
        raise UsageError(
            f"--dedupe: “{printable(options.dedupe)}” is not understood",
            hint="Write error, skip or keep.",
        )
    first = options.offset + 1
    last = 2**62 if options.limit is None else options.offset + options.limit
    return Plan(first, last, _retry_for(options, defaults), _bounds(options), _rates(options))


def _retry_for(options: BulkOptions, defaults: Defaults) -> float:
    if options.retry_for is None:
        return RETRY_SECONDS if defaults.retry_for is None else defaults.retry_for
    try:
        return parse_duration(options.retry_for, bare="s")
    except ValueError as error:
        raise UsageError(f"--retry-for: “{printable(options.retry_for)}”: {error}") from error


def _bounds(options: BulkOptions) -> Bounds:
    text = options.max_errors
    if text is None:
        return Bounds()
    number = text.removesuffix("%")
    is_share = text.endswith("%")
    is_number = number.isascii() and number.isdigit() and len(number) < 19
    if not is_number or not int(number) or (is_share and int(number) > 100):
        raise UsageError(
            f"--max-errors: “{printable(text)}” is not understood",
            hint="Write a number of rows, 50, or a part of them, 5%.",
        )
    return Bounds(share=int(number) / 100) if is_share else Bounds(rows=int(number))


def _rates(options: BulkOptions) -> tuple[Rate, ...]:
    try:
        return tuple(rate for text in options.rate for rate in parse_rates(text))
    except ValueError as error:
        raise UsageError(f"--rate: {error}") from error


def author_of_run(config: Config, senders: Iterable[str]) -> str | None:
    """Return one of `senders`, where a provider is for some of them only; None where none is.

    Raises UsageError if the senders of one run belong to different providers.
    """
    if not any(each.from_addresses for each in config.providers):
        return None
    author = None
    first: tuple[tuple[Provider, ...], tuple[Provider, ...]] | None = None
    for sender in senders:
        found = serving(config.providers, sender)
        if author is None:
            author, first = sender, found
        elif found != first:
            raise UsageError(
                f"rows are from {printable(author)} and from {printable(sender)},"
                " which different providers are for",
                hint="Run bulk once for each sender, or name one provider with --provider.",
            )
    return author


def with_connections(config: Config, count: int | None) -> Config:
    """Return the configuration with another number of connections."""
    if count is None:
        return config
    providers = tuple(
        structs.replace(each, config=structs.replace(each.config, max_connections=count))
        for each in config.providers
    )
    return structs.replace(config, providers=providers)


def line_up(
    providers: tuple[Provider, ...],
    config: Config,
    plan: Plan,
    journal: Journal,
    *,
    author: str | None,
    random: Random,
) -> LineUp:
    """Return the gates before the providers, with what earlier runs have taken of their rates."""
    import time

    now = time.time()
    shared = _windows(WHOLE_RUN, plan.rates, journal, now)
    gates = (
        Gate(
            each.name,
            (*shared, *_own_windows(each, journal, now)),
            random,
            weight=each.weight,
            rank=rank(each, author) or FIRST,
        )
        for each in providers
    )
    return LineUp(tuple(gates), config.failover.strategy)


def _own_windows(provider: Provider, journal: Journal, now: float) -> tuple[Window, ...]:
    rate = provider.config.rate
    return _windows(provider.name, parse_rates(rate), journal, now) if rate else ()


def _windows(
    owner: str, rates: tuple[Rate, ...], journal: Journal, now: float
) -> tuple[Window, ...]:
    # Of two rates over the same time the smaller one holds anyway.
    smallest = {rate.period: rate for rate in sorted(rates, reverse=True)}
    return tuple(_window(owner, rate, journal, now) for rate in smallest.values())


def _window(owner: str, rate: Rate, journal: Journal, now: float) -> Window:
    empty = Window(owner, rate)
    spent = journal.spent(owner, rate.period, empty.oldest_kept(now), empty.slot(now))
    return Window(owner, rate, spent)
