"""The table of findings, `findings.toml`, and when a row of it holds.

To parse it whole takes longer than the conversation that failed. So a row is read when the
look-up gets to it, and not at all where its text says that it is about other phases, or about
a reason where there is none. Knows nothing about how a finding is worded.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from nexomailer_cli.probe.severity import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nexomailer_cli.probe.diagnosis import Evidence

_SECONDS = {"s": 1, "m": 60, "h": 3600}


class Condition(Struct, frozen=True):
    """What must be so; what is empty may be anything."""

    phases: frozenset[str]
    ports: frozenset[int]
    codes: frozenset[str]
    reason: str
    enhanced: str
    text: str
    host: str

    def holds(self, seen: Evidence) -> bool:
        """Whether this is what was seen."""
        return (
            (not self.phases or seen.phase in self.phases)
            and (not self.ports or seen.port in self.ports)
            and (not self.codes or not self.codes.isdisjoint(_code_names(seen.code)))
            and _is_whole(self.reason, seen.reason)
            and _is_whole(self.enhanced, seen.enhanced)
            and _is_within(self.text, seen.text)
            and _is_within(self.host, seen.host)
        )

    @property
    def weight(self) -> int:
        """How much it looked at; words tell most, and a class of codes nothing."""
        is_exact = self.enhanced != "" and r"\d" not in self.enhanced
        names_codes = bool(self.codes) and all(map(str.isdecimal, self.codes))
        return 4 * bool(self.text) + 2 * bool(self.host) + 2 * is_exact + names_codes


class Row(Struct, frozen=True):
    """A finding before it is worded; `retry_after` is in seconds."""

    id: str
    when: tuple[Condition, ...]
    severity: Severity
    exit_status: int
    retry_after: int | None
    heading: str
    title: str
    meaning: str
    fix: str

    def weight(self, seen: Evidence) -> int:
        """How much of what was seen speaks for this row; -1 where it does not hold."""
        return max((when.weight for when in self.when if when.holds(seen)), default=-1)


class Transience(Struct, frozen=True):
    """What a 4xx reply adds to a finding that is not temporary by itself."""

    note: str
    retry_after: int


def find(seen: Evidence) -> Row:
    """Return the first row that holds; the last one always does."""
    for source in _sources():
        if _may_hold(source, seen):
            row = _row(source)
            if any(when.holds(seen) for when in row.when):
                return row
    raise AssertionError("the last finding catches everything")


def every_row() -> Iterator[Row]:
    """Yield the whole table in its order."""
    return map(_row, _sources())


@cache
def transience() -> Transience:
    """Return what is said after a finding that the reply made temporary."""
    import tomllib

    raw = tomllib.loads(_parts()[0])
    return Transience(raw["temporary_note"], _in_seconds(raw["temporary_retry"]))


def _is_whole(pattern: str, value: str) -> bool:
    return not pattern or re.fullmatch(pattern, value, re.IGNORECASE) is not None


def _is_within(pattern: str, value: str) -> bool:
    return not pattern or re.search(pattern, value, re.IGNORECASE) is not None


def _code_names(code: int | None) -> tuple[str, ...]:
    return ("none",) if code is None else (str(code), f"{code // 100}xx")


@cache
def _parts() -> tuple[str, ...]:
    from pathlib import Path

    text = Path(__file__).with_name("findings.toml").read_text("utf-8")
    return tuple(text.split("\n[[finding]]\n"))


def _sources() -> tuple[str, ...]:
    return _parts()[1:]


def _may_hold(source: str, seen: Evidence) -> bool:
    if f'"{seen.phase}"' in source:
        return True
    leading = _leading_keys(source) - {"phase"}
    return bool(leading if seen.reason else leading - {"reason"})


@cache
def _leading_keys(source: str) -> frozenset[str]:
    # The tests see to it that a condition begins with its phase, or else with its reason.
    return frozenset(re.findall(r"(?m)^(?:when = \[|  )\{ ?(\w*)", source))


@cache
def _row(source: str) -> Row:
    import tomllib

    raw = tomllib.loads(source)
    retry = raw.get("retry")
    return Row(
        id=raw["id"],
        when=tuple(map(_condition, raw["when"])),
        severity=Severity(raw.get("severity", Severity.FAIL)),
        exit_status=raw["exit"],
        retry_after=_in_seconds(retry) if retry else None,
        heading=raw["heading"],
        title=raw["title"],
        meaning=raw["meaning"],
        fix=raw["fix"],
    )


def _condition(raw: dict[str, Any]) -> Condition:
    return Condition(
        phases=frozenset(raw.get("phase", ())),
        ports=frozenset(raw.get("port", ())),
        codes=_names(raw.get("code", ())),
        reason=raw.get("reason", ""),
        enhanced=raw.get("enhanced", ""),
        text=raw.get("text", ""),
        host=raw.get("host", ""),
    )


def _names(codes: Iterable[int | str]) -> frozenset[str]:
    return frozenset(map(str, codes))


def _in_seconds(duration: str) -> int:
    return int(duration[:-1]) * _SECONDS[duration[-1]]
