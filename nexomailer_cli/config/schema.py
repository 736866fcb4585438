"""The JSON Schema of a configuration file, for editors: made of the types that validate it.

It says what a file may hold, not what the types hold: a time is text there, a secret a table,
and a `${VAR}` stands for anything. What a schema cannot say (a port that contradicts
`secure`, a variable that is not set) is left to reading the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import msgspec

from nexomailer_cli.config.duration import PATTERN, format_duration
from nexomailer_cli.config.keys import BLOCKS, Key, keys_of
from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.settings import Config, Provider

if TYPE_CHECKING:
    Schema = dict[str, Any]

IDENTITY = "urn:nexomailer:config:1"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_VARIABLE: Schema = {"type": "string", "pattern": r"\$\{"}
_TEXT: Schema = {"type": "string", "minLength": 1}
# Each way to keep a secret, with what it takes.
SECRETS: dict[str, Schema] = {
    "env": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
    "file": _TEXT,
    "command": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    "keyring": _TEXT,
    "prompt": {"const": True},
}
_KINDS: dict[Any, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def config_schema() -> bytes:
    """Return the schema as indented JSON."""
    schema = {
        "$schema": DIALECT,
        "$id": IDENTITY,
        "title": "nexomailer configuration",
        **_block(Config),
        "$defs": {block.__name__: _block(block) for block in BLOCKS if block is not Config}
        | {"Secret": _secret()},
    }
    return msgspec.json.format(msgspec.json.encode(schema), indent=2)


def _block(block: type[msgspec.Struct]) -> Schema:
    properties: Schema = {}
    for key in keys_of(block):
        properties[key.name] = _described(key)
        for spelling in key.spellings[1:]:
            properties[spelling] = _value(key) | {
                "description": f"The same as {key.name}.",
                "deprecated": True,
            }
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **_needed(block),
    }


def _needed(block: type[msgspec.Struct]) -> Schema:
    """Return what must be there, as far as neither a preset nor a default supplies it."""
    if block is Config:
        return {"required": ["providers"]}
    if block is not Provider:
        return {}
    server = [{"required": [key]} for key in ("host", "socket")]
    return {
        "if": {"not": {"required": ["preset"]}},
        "then": {"required": ["config"], "properties": {"config": {"anyOf": server}}},
    }


def _described(key: Key) -> Schema:
    schema = _value(key) | {"description": key.description}
    default = key.default
    if key.has("duration") and default is not None:
        schema["default"] = format_duration(default)
    elif isinstance(default, str | int):
        schema["default"] = default
    return schema


def _value(key: Key) -> Schema:
    if key.kind in BLOCKS:
        return {"$ref": f"#/$defs/{key.kind.__name__}"}
    if key.kind is Secret and key.has("command"):
        return SECRETS["command"]
    if key.kind is Secret:
        return {"$ref": "#/$defs/Secret"}
    if key.has("duration"):
        return _duration(key)
    return _of_kind(key.kind, key)


def _of_kind(kind: Any, key: Key) -> Schema:
    origin = get_origin(kind)
    if kind in BLOCKS:
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if origin is tuple:
        least = {"minItems": 1} if key.is_required else {}
        return {"type": "array", "items": _of_kind(get_args(kind)[0], key), **least}
    if origin is dict:
        return {"type": "object", "additionalProperties": {"type": "string"}}
    if origin is Literal:
        return _or_variable({"enum": list(get_args(kind))})
    bounded = {"type": _KINDS[kind]} | _bounds(key)
    return bounded if kind is str else _or_variable(bounded)


def _bounds(key: Key) -> Schema:
    names: tuple[tuple[str, Literal["gt", "ge", "le", "min_length"]], ...] = (
        ("minimum", "ge"),
        ("maximum", "le"),
        ("exclusiveMinimum", "gt"),
        ("minLength", "min_length"),
    )
    bounds = {name: key.bound(bound) for name, bound in names}
    return {name: value for name, value in bounds.items() if value is not None}


def _duration(key: Key) -> Schema:
    """Return what a time is: text with a unit, or a number of milliseconds."""
    bounds = {name: value * 1000 for name, value in _bounds(key).items()}
    text = {"type": "string", "pattern": PATTERN}
    return _or_variable({"anyOf": [text, {"type": "number"} | bounds]})


def _or_variable(schema: Schema) -> Schema:
    return {"anyOf": [schema, _VARIABLE]}


def _secret() -> Schema:
    tagged = [
        {
            "type": "object",
            "properties": {tag: takes},
            "required": [tag],
            "additionalProperties": False,
        }
        for tag, takes in SECRETS.items()
    ]
    return {"anyOf": [_TEXT, *tagged]}
