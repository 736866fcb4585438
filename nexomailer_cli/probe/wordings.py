"""How programs other than this one word a failure: `wordings.toml`, read when it is asked for.

Knows single lines only, and nothing about what they mean for the user.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from msgspec import Struct


class Wording(Struct, frozen=True):
    """A failure that is no reply: a tag as in `errors.TransportError`, or a code."""

    reason: str
    code: int | None
    phase: str


def wording_in(line: str) -> Wording | None:
    """Return what a line complains of, if it is anything that is known."""
    for row in _table()["wording"]:
        if match := re.search(row["text"], line, re.IGNORECASE):
            reason = re.sub(
                r"\\(\d)", lambda group: match[int(group[1])] or "", row.get("reason", "")
            )
            return Wording(_as_tag(reason), row.get("code"), row.get("phase", ""))
    return None


def place_in(line: str) -> str:
    """Return the phase that a line says it is about, or nothing."""
    rows = _table()["place"]
    return next((row["phase"] for row in rows if re.search(row["text"], line, re.IGNORECASE)), "")


def _as_tag(reason: str) -> str:
    # Our own tags are in lower case with hyphens, those of OpenSSL and the system are not.
    return reason if reason.islower() else reason.strip().upper().replace(" ", "_")


@cache
def _table() -> dict[str, Any]:
    import tomllib
    from pathlib import Path

    return tomllib.loads(Path(__file__).with_name("wordings.toml").read_text("utf-8"))
