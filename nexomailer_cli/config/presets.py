"""What is known about mail services before anybody has written it down: `presets.toml`.

Looks services up by name, host or mail domain; what a configuration makes of one is decided
elsewhere.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

_REGION = "<region>"
_REGION_NAME = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")
_TOP_LEVEL = re.compile(r"(?:com?\.)?[a-z]{2,3}")  # what a "*" in `domains` stands for


class Preset(Struct, frozen=True):
    """A known service. `user` is empty where every customer has another one.

    `ports` are those besides `port`. `user_form` is `address` where a user name must be a whole
    mail address; `secret` is what the service calls the password. `rate`, `max_connections`,
    `max_messages` and `idle_timeout` are what the service bears, `None` where it does not say,
    or says something else to every customer. `deduplication_header` is the header field by
    which it recognises a copy.
    """

    host: str
    port: int
    secure: bool
    ports: tuple[int, ...] = ()
    user: str = ""
    user_form: str = ""
    secret: str = "password"  # noqa: S105
    note: str = ""
    rate: str | None = None
    max_connections: int | None = None
    max_messages: int | None = None
    idle_timeout: str | None = None
    deduplication_header: str | None = None


def find_preset(name: str) -> Preset | None:
    """Return the service called `name`, None if there is no such preset."""
    presets = _presets()
    if name in presets and not name.endswith(_REGION):
        return _preset(presets[name])
    return next(
        (_in_region(known, name) for known in presets if _region(known, name)),
        None,
    )


def preset_names() -> tuple[str, ...]:
    """Return the names to choose from; one with a `<region>` stands for many."""
    return tuple(_presets())


def known_hosts() -> tuple[str, ...]:
    """Return the servers of the services that have one for everybody."""
    hosts = (str(fields["host"]) for fields in _presets().values())
    return tuple(host for host in hosts if _REGION not in host)


def preset_of_host(host: str) -> str:
    """Return the name of the service whose server is called `host`, empty if there is none.

    A server on this machine is nobody's in particular.
    """
    names = (_name_of_host(known, host.lower()) for known in _presets())
    return next(filter(None, names), "")


def preset_of_domain(domain: str) -> str:
    """Return the name of the service that has the mailboxes of `domain`, empty if unknown."""
    domain = domain.lower()
    first, _, rest = domain.partition(".")
    wanted = [domain, f"{first}.*"] if _TOP_LEVEL.fullmatch(rest) else [domain]
    return next(
        (
            known
            for each in wanted
            for known, fields in _presets().items()
            if each in fields.get("domains", ())
        ),
        "",
    )


def _name_of_host(known: str, host: str) -> str:
    pattern = _presets()[known]["host"]
    if _REGION not in pattern:
        return known if host == pattern and host not in ("localhost", "127.0.0.1") else ""
    before, after = pattern.split(_REGION)
    name = known.replace(_REGION, host.removeprefix(before).removesuffix(after))
    preset = find_preset(name)
    return name if preset and preset.host == host else ""


def _in_region(known: str, name: str) -> Preset:
    fields = _presets()[known]
    host = fields["host"].replace(_REGION, _region(known, name))
    return _preset(fields | {"host": host})


def _preset(fields: dict[str, Any]) -> Preset:
    own = {name: value for name, value in fields.items() if name != "domains"}
    return Preset(**own | {"ports": tuple(fields.get("ports", ()))})


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
