"""What is known about mail services before anybody has written it down: `presets.toml`.

Looks services up by name; what a configuration makes of one is not decided here.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

_REGION = "<region>"
_REGION_NAME = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")


class Preset(Struct, frozen=True):
    """A known service. `user` is empty where every customer has another one.

    `rate`, `max_connections` and `max_messages` are what the service bears, `None` where it
    does not say, or says something else to every customer.
    """

    host: str
    port: int
    secure: bool
    user: str = ""
    note: str = ""
    rate: str | None = None
    max_connections: int | None = None
    max_messages: int | None = None


def find_preset(name: str) -> Preset | None:
    """Return the service called `name`, None if there is no such preset."""
    presets = _presets()
    if name in presets and not name.endswith(_REGION):
        return Preset(**presets[name])
    return next(
        (_in_region(known, name) for known in presets if _region(known, name)),
        None,
    )


def preset_names() -> tuple[str, ...]:
    """Return the names to choose from; one with a `<region>` stands for many."""
    return tuple(_presets())


def _in_region(known: str, name: str) -> Preset:
    fields = _presets()[known]
    return Preset(**fields | {"host": fields["host"].replace(_REGION, _region(known, name))})


def _region(known: str, name: str) -> str:
    """Return what `name` has where `known` has a `<region>`, empty if they do not match."""
    if not known.endswith(_REGION):
        return ""
    prefix = known.removesuffix(_REGION)
    region = name.removeprefix(prefix)
    matches = name.startswith(prefix) and _REGION_NAME.fullmatch(region)
    return region if matches else ""


@cache
def _presets() -> dict[str, dict[str, Any]]:
    import tomllib

    text = Path(__file__).with_name("presets.toml").read_text(encoding="utf-8")
    presets: dict[str, dict[str, Any]] = tomllib.loads(text)["presets"]
    return presets
