"""The JSON Schema of `test-connection --json`, made of the types that are printed.

What the types would accept and what is printed are not the same: of a value that may be left
out when it is made, the default is printed. So every property is required, and there are no
others.
"""

from __future__ import annotations

from typing import Any

import msgspec

from nexomailer_cli.probe.report import Examinations, Report

IDENTITY = "urn:nexomailer:test-connection:1"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
# A default has no meaning where nothing is left out; OpenAPI alone knows a discriminator.
_MEANINGLESS = {"default", "discriminator"}


def report_schema() -> bytes:
    """Return the JSON Schema of a report, or of several in one object, as JSON."""
    either, components = msgspec.json.schema_components(
        (Report, Examinations), ref_template="#/$defs/{name}"
    )
    schema = {
        "$schema": DIALECT,
        "$id": IDENTITY,
        "title": "nexomailer test-connection --json",
        "oneOf": list(either),
        "$defs": {name: _strict(each) for name, each in components.items()},
    }
    return msgspec.json.format(msgspec.json.encode(schema), indent=2)


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value) for key, value in schema.items() if key not in _MEANINGLESS}
    properties = schema.get("properties")
    if isinstance(properties, dict) and schema.get("type") == "object":
        strict |= {"required": list(properties), "additionalProperties": False}
    return strict
