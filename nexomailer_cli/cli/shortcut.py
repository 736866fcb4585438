"""The straight way to `send`, past Typer, whose import and parsing take a third of its time.

Knows the options of `send` in their plain forms only. Anything else (help, an unknown
option, a cluster such as `-vq`, a missing value) is none of its business: Typer parses it
again, from the beginning, and says what is wrong. A test holds the table here against
Typer's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.send_options import SendOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Attributes that are not called like their option.
_NAMES = {
    "sender": ("--from",),
    "vars_file": ("--vars",),
    "output_file": ("--output", "-o"),
    "as_json": ("--json",),
    "failover": ("--no-failover",),
    "verbose": ("--verbose", "-v"),
    "quiet": ("--quiet", "-q"),
}


def option_names(attribute: str) -> tuple[str, ...]:
    """Return what is typed for an attribute of SendOptions or Globals."""
    return _NAMES.get(attribute) or ("--" + attribute.replace("_", "-"),)


def straight(arguments: Sequence[str]) -> tuple[SendOptions, Globals] | None:
    """Return what `send …` asks for; `None` for what Typer has to look at."""
    if not arguments or arguments[0] != "send":
        return None
    kinds = dict(_table())
    values: dict[str, Any] = {}
    words = iter(arguments[1:])
    for word in words:
        option, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        attribute, kind = kinds.get(option, ("", ""))
        if not attribute or (equals and kind == "bool"):
            return None
        if kind == "bool":
            values[attribute] = attribute != "failover"
            continue
        given = value if equals else next(words, None)
        # Typer too takes what follows for the value, whatever it looks like.
        if given is None:
            return None
        values[attribute] = (*values.get(attribute, ()), given) if kind == "many" else given
    return _built(values)


def _table() -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each option with its attribute and kind: `bool`, `one` or `many`."""
    for block in (SendOptions, Globals):
        for attribute, annotation in block.__annotations__.items():
            kind = {"bool": "bool", "tuple[str, ...]": "many"}.get(annotation, "one")
            for name in option_names(attribute):
                yield name, (attribute, kind)


def _built(values: dict[str, Any]) -> tuple[SendOptions, Globals]:
    everywhere = Globals.__annotations__.keys() & values.keys()
    return (
        SendOptions(**{name: value for name, value in values.items() if name not in everywhere}),
        Globals(**{name: values[name] for name in everywhere}),
    )
