"""Rates as people write them, `"14/s, 2000/h"`: so many messages in any time of that length."""

from __future__ import annotations

import re

from msgspec import Struct

MAX_LIMIT = 100_000_000
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Compiled when there is a rate: few configurations have one.
_RATE = r"([0-9]{1,9})\s*(?:/|\s+per\s+)\s*([0-9]{0,4})\s*([a-z]+)"
_UNIT = r"(s)(ec(ond)?s?)?|(m)(in(ute)?s?)?|(h)(ours?)?|(d)(ays?)?"


class Rate(Struct, frozen=True, order=True):
    """At most `limit` messages in any `period` seconds."""

    limit: int
    period: float


def parse_rates(text: str) -> tuple[Rate, ...]:
    """Return the rates of a list with commas, all of which hold; raise ValueError."""
    return tuple(map(_rate, text.split(",")))


def _rate(text: str) -> Rate:
    match = re.fullmatch(_RATE, text.strip().lower())
    if match is None or not re.fullmatch(_UNIT, match[3]):
        raise ValueError('a rate is written like "14/s", "2000/h" or "100/15m"')
    limit = int(match[1])
    times = int(match[2] or 1)
    if not (0 < limit <= MAX_LIMIT and times):
        raise ValueError("a rate of nothing sends nothing")
    return Rate(limit, times * _UNITS[match[3][0]])
