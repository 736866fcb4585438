"""How providers word their failures: `rules.toml`, read when the first refusal comes."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from nexomailer_cli.smtp.failure import Rule, Scope
from nexomailer_cli.smtp.outcome import Phase


@functools.cache
def provider_rules() -> tuple[Rule, ...]:
    """Return the rules in the order in which they are tried."""
    import tomllib

    text = Path(__file__).with_name("rules.toml").read_text("utf-8")
    return tuple(map(_rule, tomllib.loads(text)["rules"]))


def _rule(row: dict[str, Any]) -> Rule:
    return Rule(
        scope=Scope(row["scope"]),
        is_transient=row.get("transient"),
        phases=frozenset(map(Phase, row.get("phase", ()))),
        codes=frozenset(row.get("code", ())),
        enhanced=frozenset(row.get("enhanced", ())),
        text=row.get("text", ""),
    )
