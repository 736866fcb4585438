"""`$NEXOMAILER_<NAME>_PASSWORD`, or a file named by `..._PASSWORD_FILE`, as a provider's password.

For containers, where secrets come as variables and mounted files and the configuration is the
same everywhere. What they say takes the place of what the configuration says; as anywhere, it
is looked up only when the provider is used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nexomailer_cli.config import variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Table = dict[str, Any]


def password_variable(provider: str) -> str:
    """Return the variable for the provider of that name: `$NEXOMAILER_MY_HOST_PASSWORD`."""
    words = "".join(each if each.isascii() and each.isalnum() else " " for each in provider)
    return f"NEXOMAILER_{'_'.join(words.split()).upper()}_PASSWORD"


def with_variable(provider: Table, env: Mapping[str, str]) -> tuple[Table, str, str]:
    """Return a provider's table with the password of its variable, that variable, and a complaint.

    Both texts are empty where nothing is to be said. A provider nobody signs in at, or with a
    token, stays as it is.
    """
    config = provider.get("config")
    auth = config.get("auth") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(auth, dict) or auth.get("type") == "oauth2":
        return provider, "", ""
    name = password_variable(str(provider.get("name") or config.get("host", "")))
    given = [variable for variable in (name, f"{name}_FILE") if env.get(variable)]
    if not given:
        return provider, "", ""
    complaint = f"${name} and ${name}_FILE are both set: unset one" if len(given) > 1 else ""
    others = {key: value for key, value in auth.items() if key not in ("pass", "password")}
    auth = others | {"pass": _secret(given[0], env)}
    return provider | {"config": config | {"auth": auth}}, given[0], complaint


def _secret(variable: str, env: Mapping[str, str]) -> Table:
    if not variable.endswith("_FILE"):
        return {"env": variable}
    # The variable knows nothing of where the configuration is.
    return {"file": variables.escape(os.path.abspath(env[variable]))}  # noqa: PTH100


def mistakable(providers: Iterable[str], env: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Yield the index of each provider that would get another's password, and what to say."""
    owners: dict[str, str] = {}
    for index, provider in enumerate(providers):
        name = password_variable(provider)
        if owners.setdefault(name, provider) != provider and env.keys() & {name, f"{name}_FILE"}:
            yield index, f'${name} would be the password of "{owners[name]}" too: rename one'
