"""One value of a configuration: from what the file holds to what its key takes.

Knows nothing of other keys. What is wrong becomes a ValueError whose text is for
people and quotes no value that could be a secret.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from nexomailer_cli.config.duration import parse_duration
from nexomailer_cli.config.secret_value import beside, read_secret
from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.variables import expand
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexomailer_cli.config.keys import Key


class Source(Struct, frozen=True):
    """Where values come from.

    Relative paths start from `base`, the file's directory. `is_typeless` says that
    it is a URL: there `5` is text too, and `${VAR}` means itself.
    """

    env: Mapping[str, str]
    base: Path | None = None
    is_typeless: bool = False


def read_value(key: Key, value: object, source: Source) -> Any:
    """Return `value` as `key` takes it; raise ValueError with what is wrong."""
    if key.kind is Secret:
        is_command = key.has("command")
        return read_secret({"command": value} if is_command else value, base=source.base)
    # A number that comes out of a variable is text at first, like all of a URL.
    is_untyped = source.is_typeless or (isinstance(value, str) and "${" in value)
    plain = read_text(value, source) if isinstance(value, str) else value
    try:
        plain = _seconds(plain) if key.has("duration") else plain
        # Lax conversion makes None of the text "null".
        read = msgspec.convert(plain, key.annotation, strict=not is_untyped or key.kind is str)
    except (msgspec.MsgspecError, ValueError, OverflowError):
        from nexomailer_cli.config.words import expected, got

        raise ValueError(f"{expected(key)}, got {got(key, value)}") from None
    return _existing_file(read, source) if key.has("file") else read


def read_text(value: object, source: Source) -> str:
    """Return text with its variables replaced; raise ValueError if it is none."""
    if not isinstance(value, str):
        from nexomailer_cli.config.words import kind_of

        raise ValueError(f"expected text, got {kind_of(value)}")
    return value if source.is_typeless else expand(value, source.env)


def _seconds(value: object) -> float:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value / 1000
    raise ValueError


def _existing_file(path: str, source: Source) -> str:
    try:
        found = Path(beside(path, source.base)).expanduser()
        is_there = found.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # no permission, no home, a NUL
        raise ValueError(f"cannot look at {printable(path)}: {printable(str(error))}") from None
    if not is_there:
        raise ValueError(f"there is no file {printable(str(found))}")
    return str(found)
