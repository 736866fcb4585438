"""Types, schema, example file and README name the same keys: no more, and no fewer."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from nexomailer_cli.config.keys import keys_of
from nexomailer_cli.config.schema import config_schema
from nexomailer_cli.config.settings import Config

ROOT = Path(__file__).parents[2]


def of_types(block: type[msgspec.Struct] = Config, prefix: str = "") -> Iterator[str]:
    for key in keys_of(block):
        inner = key.block or key.element
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from of_types(inner, f"{prefix}{key.name}.")
        else:
            yield f"{prefix}{key.name}"


def of_schema() -> Iterator[str]:
    schema: dict[str, Any] = msgspec.json.decode(config_schema())

    def names(block: dict[str, Any], prefix: str) -> Iterator[str]:
        for name, value in block["properties"].items():
            if value.get("deprecated"):
                continue
            definition = value.get("$ref", value.get("items", {}).get("$ref", "")).split("/")[-1]
            if "properties" in schema["$defs"].get(definition, {}):
                yield from names(schema["$defs"][definition], f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}"

    return names(schema, "")


def of_example() -> Iterator[str]:
    text = (ROOT / "nexomailer.example.toml").read_text("utf-8")
    table = tomllib.loads(re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE))
    table["providers"] = table["providers"][:1]

    def names(value: Any, path: str) -> Iterator[str]:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield from names(value[0], path)
        elif isinstance(value, dict) and path not in KEYS:
            for name, each in value.items():
                yield from names(each, f"{path}.{name}".removeprefix("."))
        else:
            yield path

    return names(table, "")


def of_readme() -> list[str]:
    text = (ROOT / "README.md").read_text("utf-8")
    return re.findall(r"^\| `((?:defaults|failover|providers)\.[a-z_.]+)` \|", text, re.MULTILINE)


KEYS = sorted(of_types())


def test_the_schema_has_the_keys_of_the_types() -> None:
    assert sorted(of_schema()) == KEYS


def test_the_example_has_the_keys_of_the_types() -> None:
    assert sorted(of_example()) == KEYS


def test_the_readme_has_the_keys_of_the_types() -> None:
    assert sorted(of_readme()) == KEYS
