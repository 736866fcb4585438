"""What a preset puts into a provider's block that does not say it itself."""

from __future__ import annotations

from typing import Any

from nexomailer_cli.config.keys import camel_case
from nexomailer_cli.config.presets import Preset, find_preset, preset_names

Table = dict[str, Any]

_LIMITS = ("rate", "max_connections", "max_messages", "idle_timeout")
# Where nobody can guess which service was meant: keeps "host is missing" from following.
_UNKNOWN = Preset(host="unknown.invalid", port=587, secure=False, user="unknown")


def with_preset(provider: Table) -> tuple[Table, str]:
    """Return the provider's table with its preset filled in, and what is wrong with the name."""
    name, config = provider.get("preset"), provider.get("config", {})
    if not isinstance(name, str) or not isinstance(config, dict):
        return provider, ""
    preset = find_preset(name)
    if preset is not None:
        return _filled_in(provider, config, preset), ""
    meant, complaint = _nearest(name)
    return _filled_in(provider, config, meant), complaint


def _filled_in(provider: Table, config: Table, preset: Preset) -> Table:
    behaviour = _unsaid(preset, provider, ("deduplication_header",))
    return behaviour | provider | {"config": _filled(config, preset)}


def _filled(config: Table, preset: Preset) -> Table:
    filled: Table = {"host": preset.host} | _unsaid(preset, config, _LIMITS)
    # Who names one of the two decides about both: port and secure belong together.
    if "port" not in config and config.get("secure", preset.secure) == preset.secure:
        filled |= {"port": preset.port, "secure": preset.secure}
    auth = config.get("auth")
    if preset.user and isinstance(auth, dict):
        filled["auth"] = {"user": preset.user} | auth
    return filled | {
        key: value for key, value in config.items() if key != "auth" or "auth" not in filled
    }


def _unsaid(preset: Preset, table: Table, names: tuple[str, ...]) -> Table:
    """Return what the preset has for those of the keys that the table does not spell its way."""
    known = {name: getattr(preset, name) for name in names if camel_case(name) not in table}
    return {name: value for name, value in known.items() if value is not None}


def _nearest(name: str) -> tuple[Preset, str]:
    from nexomailer_cli.config.words import nearest, shown_text

    services = {known.removesuffix("-<region>"): known for known in preset_names()}
    meant = nearest(name, preset_names()) or services.get(name.partition("-")[0], "")
    said = f'unknown preset "{shown_text(name)}"'
    if not meant:
        return _UNKNOWN, f"{said}; there are {', '.join(preset_names())}"
    return find_preset(meant) or _UNKNOWN, f'{said}, did you mean "{meant}"?'
