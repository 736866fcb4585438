"""Times and sizes as they are typed. What is none is a UsageError that names the option."""

from __future__ import annotations

from nexomailer_cli.errors import UsageError
from nexomailer_cli.printable import printable

LONGEST_SECONDS = 366 * 86400.0
MAX_DIGITS = 20  # of a size, RFC 1870 section 3

_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmg", 1):
    _UNITS |= {_letter: 1000**_power, f"{_letter}b": 1000**_power, f"{_letter}ib": 1024**_power}


def seconds_of(value: str | None, option: str) -> float | None:
    """Return the seconds that an option means, such as `5`, `5s` or `1m30s`."""
    if value is None:
        return None
    from nexomailer_cli.config.duration import parse_duration

    try:
        seconds = parse_duration(value, bare="s")
    except ValueError as error:
        raise UsageError(f"{option}: “{printable(value)}”: {error}") from error
    if seconds > LONGEST_SECONDS:
        raise UsageError(f"{option}: “{printable(value[:20])}”: nobody waits longer than a year")
    return seconds


def octets_of(value: str | None, option: str) -> int | None:
    """Return the octets that an option means, such as `26214400`, `25MB` or `25MiB`."""
    if value is None:
        return None
    import re

    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)", value.strip(), re.ASCII)
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None or len(value) > MAX_DIGITS:
        raise UsageError(
            f"{option}: “{printable(value[:30])}” is no size",
            hint="A size is a number of octets, or one like 25MB (millions) or 25MiB.",
        )
    return round(float(found[1]) * unit) if "." in found[1] else int(found[1]) * unit
