"""`config show`: the values in force as TOML, each with where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexomailer_cli.config.file import all_secrets, dotted
from nexomailer_cli.config.masked import effective
from nexomailer_cli.config.origin import Origins
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.config.file import Loaded
    from nexomailer_cli.config.lines import KeyPath
    from nexomailer_cli.config.secrets import Secret

    Table = dict[str, Any]

COLUMN = 44  # where the origins begin, unless a value is longer


def shown(loaded: Loaded) -> str:
    """Return the configuration as TOML that can be read again, secrets as `***`."""
    origins = _Told(loaded)
    lines = _table(effective(loaded.config), (), origins)
    return "\n".join(lines).strip()


def origins_of(loaded: Loaded) -> dict[str, str]:
    """Return where every value came from, by its dotted name."""
    told = _Told(loaded)
    return {dotted(path): told.origin(path) for path, _ in _leaves(effective(loaded.config), ())}


class _Told:
    """Says where values came from, and of secrets where they are kept."""

    def __init__(self, loaded: Loaded) -> None:
        self._origins = Origins(loaded)
        providers = {each.name: index for index, each in enumerate(loaded.config.providers)}
        self._secrets: dict[tuple[str | int, str], Secret] = {
            (providers[provider.name], what): secret
            for provider, what, secret in all_secrets(loaded.config)
        }

    def origin(self, path: KeyPath) -> str:
        """Return the origin of a value in words."""
        origin = printable(self._origins.of(path))
        secret = self._secrets.get((path[1], _WHAT.get(path[-1], ""))) if path[1:] else None
        return f"{origin}, {_kept(secret)}" if secret and origin.startswith("line") else origin


_WHAT: dict[str | int, str] = {"pass": "password", "access_token": "access token"}


def _kept(secret: Secret) -> str:
    if secret.kind == "env":
        return f"from ${printable(secret.parts[0])}"
    if secret.kind == "text":
        return "as it stands there" if secret.is_literal else "with variables"
    return f"from a {secret.kind}"


def _table(table: Table, path: KeyPath, told: _Told) -> Iterator[str]:
    """Yield the lines of a table: its values first, then the tables in it."""
    for name, value in table.items():
        if not _is_inner(value):
            yield _line(name, value, told.origin((*path, name)))
    for name, value in table.items():
        for place, inner in _inner(value, (*path, name)):
            yield ""
            yield _header(place)
            yield from _table(inner, place, told)


def _inner(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Table]]:
    if isinstance(value, dict) and value:
        yield path, value
    elif _is_inner(value) and isinstance(value, list):
        yield from (((*path, index), each) for index, each in enumerate(value))


def _is_inner(value: Any) -> bool:
    """Whether a value has a section of its own."""
    is_list = isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    return is_list or (isinstance(value, dict) and bool(value))


def _header(path: KeyPath) -> str:
    names = ".".join(_name(step) for step in path if isinstance(step, str))
    return f"[[{names}]]" if isinstance(path[-1], int) else f"[{names}]"


def _line(name: str, value: Any, origin: str) -> str:
    import tomli_w

    said = tomli_w.dumps({name: value}).strip() if value != {} else f"{_name(name)} = {{}}"
    return f"{said.ljust(COLUMN)}  # {origin}"


def _name(name: str) -> str:
    import tomli_w

    return tomli_w.dumps({name: 0}).partition(" = ")[0]


def _leaves(table: Table, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    for name, value in table.items():
        inner = list(_inner(value, (*path, name)))
        for place, each in inner:
            yield from _leaves(each, place)
        if not inner:
            yield (*path, name), value
