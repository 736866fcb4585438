"""A secret as it is written in a configuration: text, or a table that says where it is.

No message here quotes any part of what was written, except the names of keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from nexomailer_cli.config import variables
from nexomailer_cli.config.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

_WAYS = "env, file, command, keyring or prompt"


def read_secret(value: object, *, base: Path | None) -> Secret:
    """Return the secret that `value` describes; raise ValueError with what is wrong.

    A relative file is taken to be in `base`, the configuration's directory.
    """
    if isinstance(value, dict):
        secret = _tagged(cast("dict[str, object]", value), base)
    elif isinstance(value, str):
        secret = Secret("text", (_not_empty(value),))
    else:
        raise ValueError(f"expected text, or a table of {_WAYS}")
    for part in secret.parts:
        variables.check(part)
    return secret


def _tagged(table: dict[str, object], base: Path | None) -> Secret:
    if len(table) != 1:
        raise ValueError(f"expected exactly one of {_WAYS}")
    tag, value = next(iter(table.items()))
    if tag not in _READERS:
        raise ValueError(f"expected one of {_WAYS}")
    return _READERS[tag](value, base)


def _env(value: object, _: Path | None) -> Secret:
    if isinstance(value, str) and variables.VARIABLE_NAME.fullmatch(value):
        return Secret("env", (value,))
    raise ValueError("env takes the name of an environment variable, without $")


def _file(value: object, base: Path | None) -> Secret:
    if not isinstance(value, str):
        raise ValueError("file takes a path")
    return Secret("file", (beside(_not_empty(value), base),))


def _command(value: object, _: Path | None) -> Secret:
    words = cast("list[object]", value) if isinstance(value, list) else []
    argv = tuple(word for word in words if isinstance(word, str))
    if argv and argv[0] and len(argv) == len(words):
        return Secret("command", argv)
    raise ValueError('command takes a list such as ["pass", "show", "smtp"]: there is no shell')


def _keyring(value: object, _: Path | None) -> Secret:
    if isinstance(value, str) and value:
        return Secret("keyring", (value,))
    raise ValueError("keyring takes the name of the service that the password is kept under")


def _prompt(value: object, _: Path | None) -> Secret:
    if value is True:
        return Secret("prompt")
    raise ValueError("prompt takes only true")


_READERS: dict[str, Callable[[object, Path | None], Secret]] = {
    "env": _env,
    "file": _file,
    "command": _command,
    "keyring": _keyring,
    "prompt": _prompt,
}


def beside(path: str, base: Path | None) -> str:
    """Return `path` as seen from the configuration's directory.

    A path that begins with `~` or a variable is left alone: it says itself where it is.
    """
    if base is None or path.startswith(("~", "${")):
        return path
    return str(base / path)


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("is empty")
    return text
