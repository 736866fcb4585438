"""A configuration as tables again: what is in force, defaults and presets included.

Secrets become `***`, whatever they are; of a proxy that is its password. What comes out can be
read again.
"""

from __future__ import annotations

from typing import Any

import msgspec

from nexomailer_cli.config import variables
from nexomailer_cli.config.duration import format_duration
from nexomailer_cli.config.keys import Key, keys_of
from nexomailer_cli.config.proxy import MASK, masked
from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.settings import SmtpConfig


def effective(block: msgspec.Struct) -> dict[str, Any]:
    """Return the tables of `block`; a key that has no value is left out."""
    if isinstance(block, SmtpConfig):
        # A Unix socket has no port.
        port, secure = block.effective_port or None, block.implicit_tls
        block = msgspec.structs.replace(block, port=port, secure=secure)
    values = [(key, getattr(block, key.attribute)) for key in keys_of(type(block))]
    return {key.name: _shown(key, value) for key, value in values if value is not None}


def _shown(key: Key, value: Any) -> Any:
    if isinstance(value, Secret):
        if key.name == "proxy" and value.kind == "text":
            return masked(value.parts[0])
        return [MASK] if key.has("command") else MASK
    if key.block:
        return effective(value)
    if key.element:
        return [effective(element) for element in value]
    if key.has("duration"):
        return format_duration(value)
    return _escaped(value)


def _escaped(value: Any) -> Any:
    """Return texts so that no dollar in them is taken for a variable when they are read again."""
    if isinstance(value, tuple):
        return [variables.escape(text) for text in value]
    if isinstance(value, dict):
        return {name: variables.escape(text) for name, text in value.items()}
    return variables.escape(value) if isinstance(value, str) else value
