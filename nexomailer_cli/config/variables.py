"""`${VAR}` inside text: what stands there, and what it becomes.

`$${` writes a `${` that is meant. Anything else with a dollar is text: this is
not a shell, and has no defaults, nesting or `$VAR`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"(\$\$\{)|\$\{([^{}$]*)(\}?)")


class VariableError(ValueError):
    """A `${…}` cannot be replaced; the message says why, without the text around it."""


def expand(text: str, env: Mapping[str, str]) -> str:
    """Return `text` with its variables replaced; raise VariableError if one is unset."""

    def value(match: re.Match[str]) -> str:
        name = _name(match)
        if name is None:
            return "${"
        if name not in env:
            raise VariableError(f"environment variable {name} is not set")
        return env[name]

    return _REFERENCE.sub(value, text)


def check(text: str) -> None:
    """Raise VariableError if a `${…}` in `text` could never be replaced."""
    for match in _REFERENCE.finditer(text):
        _name(match)


def escape(text: str) -> str:
    """Return what `expand` turns into `text`."""
    return text.replace("${", "$${")


def _name(match: re.Match[str]) -> str | None:
    escaped, name, closed = match.groups()
    if escaped:
        return None
    if not closed:
        raise VariableError('"${" has no "}" behind it; a "${" that is meant is written "$${"')
    if not VARIABLE_NAME.fullmatch(name):
        # Not what it holds: it may be a piece of a password.
        raise VariableError('a "${…}" holds no variable\'s name; a "${" that is meant is "$${"')
    return str(name)
