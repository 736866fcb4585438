"""Evidence of a failure becomes a finding: what happened, and what cures it.

The knowledge is `findings.toml`; here is only how it is looked up. Knows nothing about
connections, and believes nothing that a server says: its words may select a finding
and be shown as a quotation, but never become part of the advice.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

# EX_TEMPFAIL of sysexits.h: the one exit status that says "safe to try again".
TEMPORARY = 75
# Google's longest refusals have about 600 characters; the patterns run on no more than this.
MAX_TEXT = 2000
MAX_QUOTED = 300


class Evidence(Struct, frozen=True):
    """What was seen when a conversation failed.

    `phase` is a `smtp.outcome.Phase`, `reason` a tag as in `errors.TransportError`,
    `code` and `enhanced` are of the reply that ended it, `text` its words or the detail of
    the exception (for `WRONG_VERSION_NUMBER` perhaps the first bytes, as text).
    """

    phase: str
    reason: str = ""
    code: int | None = None
    enhanced: str = ""
    text: str = ""
    host: str = ""
    port: int | None = None


class Finding(Struct, frozen=True):
    """A diagnosis. `id` is stable; the words are harmless to show, but not to mark up."""

    id: str
    title: str
    meaning: str
    fix: str
    temporary: bool
    exit_status: int


def diagnose(evidence: Evidence) -> Finding:
    """Say what happened and what to do about it; there is an answer to everything.

    A 4xx reply is temporary whatever the finding says (RFC 5321 section 4.2.1).
    """
    seen = _harmless(evidence)
    row = next(row for row in _table().rows if any(when.holds(seen) for when in row.when))
    finding = _worded(row, seen)
    if finding.temporary or not _is_transient(seen.code):
        return finding
    meaning = f"{finding.meaning} {_table().temporary_note}"
    return structs.replace(finding, meaning=meaning, temporary=True, exit_status=TEMPORARY)


class _Condition(Struct, frozen=True):
    """What must be so; what is empty may be anything."""

    phases: frozenset[str]
    ports: frozenset[int]
    codes: frozenset[str]
    reason: str
    enhanced: str
    text: str
    host: str

    def holds(self, seen: Evidence) -> bool:
        return (
            (not self.phases or seen.phase in self.phases)
            and (not self.ports or seen.port in self.ports)
            and (not self.codes or not self.codes.isdisjoint(_code_names(seen.code)))
            and _is_whole(self.reason, seen.reason)
            and _is_whole(self.enhanced, seen.enhanced)
            and _is_within(self.text, seen.text)
            and _is_within(self.host, seen.host)
        )


class _Row(Struct, frozen=True):
    id: str
    when: tuple[_Condition, ...]
    title: str
    meaning: str
    fix: str
    exit_status: int


class _Table(Struct, frozen=True):
    rows: tuple[_Row, ...]
    temporary_note: str


def _is_whole(pattern: str, value: str) -> bool:
    return not pattern or re.fullmatch(pattern, value, re.IGNORECASE) is not None


def _is_within(pattern: str, value: str) -> bool:
    return not pattern or re.search(pattern, value, re.IGNORECASE) is not None


def _code_names(code: int | None) -> tuple[str, ...]:
    return ("none",) if code is None else (str(code), f"{code // 100}xx")


def _is_transient(code: int | None) -> bool:
    return code is not None and code // 100 == 4


def _harmless(evidence: Evidence) -> Evidence:
    return structs.replace(
        evidence,
        reason=printable(evidence.reason),
        enhanced=printable(evidence.enhanced),
        text=printable(evidence.text[:MAX_TEXT]),
        host=printable(evidence.host),
    )


def _worded(row: _Row, seen: Evidence) -> Finding:
    server = _server(seen)
    words = {
        "server": server or "the server",
        "at": f" at {server}" if server else "",
        "host": _shortened(seen.host) or "the server",
        "port": "it asked for" if seen.port is None else str(seen.port),
        "said": _quoted(seen),
    }
    return Finding(
        id=row.id,
        title=row.title.format_map(words),
        meaning=row.meaning.format_map(words),
        fix=row.fix.format_map(words),
        temporary=row.exit_status == TEMPORARY,
        exit_status=row.exit_status,
    )


def _server(seen: Evidence) -> str:
    host = _shortened(seen.host)
    if not host or seen.port is None:
        return host
    return f"{_bracketed(host)}:{seen.port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _quoted(seen: Evidence) -> str:
    code = "" if seen.code is None else str(seen.code)
    said = " ".join(part for part in (code, seen.enhanced, seen.text) if part)
    return f"“{_shortened(said)}”" if said else "nothing"


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…"


@cache
def _table() -> _Table:
    import tomllib
    from pathlib import Path

    raw = tomllib.loads(Path(__file__).with_name("findings.toml").read_text("utf-8"))
    return _Table(tuple(map(_row, raw["finding"])), raw["temporary_note"])


def _row(raw: dict[str, Any]) -> _Row:
    return _Row(
        id=raw["id"],
        when=tuple(map(_condition, raw["when"])),
        title=raw["title"],
        meaning=raw["meaning"],
        fix=raw["fix"],
        exit_status=raw["exit"],
    )


def _condition(raw: dict[str, Any]) -> _Condition:
    return _Condition(
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
