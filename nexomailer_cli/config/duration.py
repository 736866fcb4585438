"""Times as people write them, `"5s"` or `"1m30s"`, and as programs use them, seconds.

Knows neither which unit a bare number has (the caller says) nor which times make sense.
"""

from __future__ import annotations

import re
from typing import Literal

_UNITS = (("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001))
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
# Largest unit first and each once: "1s1h" is a slip, not a time. Compiled when there is one.
_TIME = "".join(rf"(?:({_NUMBER})\s*{unit}\s*)?" for unit, _ in _UNITS)

# What `parse_duration` takes, as a pattern that JSON Schema understands as well.
PATTERN = rf"^\s*(?=[0-9])(?:{_NUMBER}|{_TIME})\s*$"


def parse_duration(text: str, *, bare: Literal["ms", "s"] = "ms") -> float:
    """Return the seconds that `text` means; raise ValueError if it means none.

    Takes `500ms`, `5s`, `2m`, `1h`, `1m30s`, and a number alone, which is
    milliseconds as in NexoMailer's documentation unless `bare` says seconds.
    """
    text = text.strip()
    if re.fullmatch(_NUMBER, text):
        return float(text) * dict(_UNITS)[bare]
    match = re.fullmatch(_TIME, text)
    if not text or match is None:
        raise ValueError('a time is written like "500ms", "5s" or "1m30s"')
    parts = zip(match.groups(), _UNITS, strict=True)
    return sum(float(number) * seconds for number, (_, seconds) in parts if number)


def format_duration(seconds: float) -> str:
    """Return `seconds` the way `parse_duration` reads it, to the millisecond."""
    rest = round(seconds * 1000)
    parts = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, round(size * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
