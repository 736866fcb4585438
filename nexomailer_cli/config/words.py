"""What to say about a key or a value that is wrong.

Only words: nothing is decided here. A value is quoted only where its key cannot
hold a secret.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from nexomailer_cli.config.keys import BLOCKS, keys_of
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    import msgspec

    from nexomailer_cli.config.keys import Key

SHOWN = 40  # characters of a value

# What people bring along from nodemailer, msmtp and others.
_ELSEWHERE = {
    "requiretls": 'use starttls = "required"',
    "ignoretls": 'use starttls = "never"',
    "greetingtimeout": "connection_timeout covers the greeting",
    "passwordeval": "use pass = { command = [...] }",
    "timeout": "use connection_timeout or socket_timeout",
    "email": "use user",
    "ssl": "use secure = true",
    "usetls": "use secure = true",
}


def unknown_key(name: str, block: type[msgspec.Struct]) -> tuple[str, str]:
    """Return what to say about a key that `block` does not have, and the key that was meant.

    The second is an attribute of `block`, empty where none comes near.
    """
    said = f'unknown key "{shown_text(name)}"'
    meant = nearest(name, (spelling for key in keys_of(block) for spelling in key.spellings))
    key = next((key for key in keys_of(block) if meant in key.spellings), None)
    if key and _folded(meant) == _folded(name):
        return f'{said}, did you mean "{key.name}"?', key.attribute
    home = next((other for other in BLOCKS if name in _all_spellings(other)), None)
    if home is not None:
        return f"{said}: it belongs to {BLOCKS[home]}", ""
    if _folded(name) in _ELSEWHERE:
        return f"{said}: {_ELSEWHERE[_folded(name)]}", ""
    if key:
        return f'{said}, did you mean "{key.name}"?', key.attribute
    known = ", ".join(key.name for key in keys_of(block))
    return f"{said}; there are {known}", ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that `name` may be a slip of, empty if none is near."""
    names = list(known)
    same = (other for other in names if _folded(other) == _folded(name))
    return next(same, None) or next(iter(difflib.get_close_matches(name, names, n=1)), "")


def expected(key: Key) -> str:
    """Return what `key` takes, in words."""
    if get_origin(key.kind) is Literal:
        return f"expected {_choice(get_args(key.kind))}"
    if key.has("duration"):
        least = "" if key.bound("gt") is None else "more than 0 and "
        return f'expected a time such as "30s", {least}at most a year'
    if key.kind is bool:
        return "expected true or false"
    if key.kind is int:
        return f"expected a whole number{_range(key)}"
    return "expected text" + (", not empty" if key.bound("min_length") else "")


def got(key: Key, value: object) -> str:
    """Return what `key` got instead; only what it is, where it could be a secret."""
    if key.kind is str or not isinstance(value, str | int | float):
        return kind_of(value)
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{shown_text(value)}"' if isinstance(value, str) else shown_text(str(value))


def kind_of(value: object) -> str:
    """Return what sort of TOML value `value` is."""
    names: dict[type[Any], str] = {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        dict: "a table",
        list: "a list",
    }
    return names.get(type(value), "a date or time")


def shown_text(text: str) -> str:
    """Return the beginning of `text`, harmless."""
    return printable(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def _all_spellings(block: type[msgspec.Struct]) -> set[str]:
    return {spelling for key in keys_of(block) for spelling in key.spellings}


def _choice(values: tuple[str | int, ...]) -> str:
    *others, last = (f'"{value}"' if isinstance(value, str) else str(value) for value in values)
    return f"{', '.join(others)} or {last}" if others else last


def _range(key: Key) -> str:
    low, high = key.bound("ge"), key.bound("le")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f", {low} or more" if low is not None else ""


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()
