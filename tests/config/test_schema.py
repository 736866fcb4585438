"""The schema accepts whatever is read without complaint, and refuses what has another shape."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from nexomailer_cli.config.keys import BLOCKS, keys_of
from nexomailer_cli.config.reader import Reader
from nexomailer_cli.config.schema import SECRETS, config_schema
from nexomailer_cli.config.secret_value import _READERS as WAYS
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.config.value import Source

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "nexomailer.example.toml").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
SCHEMA: dict[str, Any] = msgspec.json.decode(config_schema())
VALIDATOR = Draft202012Validator(SCHEMA)

Path_ = tuple[Any, ...]
TOKEN_KEYS = [
    name for name in Auth.__struct_fields__ if name not in ("type", "user", "password", "method")
]


def complaints(table: dict[str, Any]) -> list[str]:
    reader = Reader(Source({"X": "x"}, base=ROOT))
    reader.read(table)
    return [message for _, message in reader.mistakes]


def refused(table: dict[str, Any]) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(table)]


def everything() -> dict[str, Any]:
    """The example with every key that has none of its own, but for files, which must exist."""
    text = re.sub(r"^# (\w+ = )", r"\1", EXAMPLE, flags=re.MULTILINE)
    text = re.sub(r"(\w+_file) = .*", r'\1 = "README.md"', text)
    text = re.sub(rf"^({'|'.join(TOKEN_KEYS)}|socket) = .*\n", "", text, flags=re.MULTILINE)
    return tomllib.loads(text)


def with_tokens() -> dict[str, Any]:
    """One provider with a token server of its own."""
    url = "https://login.example.com/"
    keys = (key for key in TOKEN_KEYS if key.endswith("_url"))
    auth = {
        "type": "oauth2",
        "user": "me",
        "method": "xoauth2",
        "service": "google",
        "client_id": "mailer",
        "client_secret": {"env": "X"},
        "refresh_token": {"env": "X"},
        "tenant": "t",
        "grant": "refresh_token",
        "scope": "mail",
        "token_store": "file",
        **{key: url + key for key in keys},
    }
    return {"providers": [{"name": "a", "config": {"host": "a.example", "auth": auth}}]}


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_example_is_accepted_with_and_without_what_is_behind_a_hash() -> None:
    assert refused(tomllib.loads(EXAMPLE)) == []
    for table in (everything(), with_tokens()):
        assert complaints(table) == []
        assert refused(table) == []


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", README, re.DOTALL))
def test_what_the_readme_shows_is_accepted(text: str) -> None:
    assert refused(tomllib.loads(text)) == []


def test_the_ways_to_keep_a_secret_are_those_that_are_read() -> None:
    assert set(SECRETS) == set(WAYS)


def test_every_spelling_of_every_key_is_known() -> None:
    for block in BLOCKS:
        properties = SCHEMA["$defs"].get(block.__name__, SCHEMA)["properties"]
        spellings = [spelling for key in keys_of(block) for spelling in key.spellings]
        assert list(properties) == spellings
        for key in keys_of(block):
            assert properties[key.name]["description"] == key.description


def test_every_block_has_one_name_for_where_values_come_from() -> None:
    blocks = [key for block in BLOCKS for key in keys_of(block) if key.block or key.element]
    assert all(len(key.spellings) == 1 for key in blocks)


def paths(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Yield where every value of a table is."""
    if path:
        yield path
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for name, each in inner:
            yield from paths(each, (*path, name))


def changed(table: dict[str, Any], path: Path_, value: object) -> dict[str, Any]:
    table = copy.deepcopy(table)
    *way, last = path
    reduce(lambda inner, step: inner[step], way, table)[last] = value
    return table


VALUES: tuple[object, ...] = (
    *("text", "", "5s", "${X}", 0, 1, 5, -1, 10**9, 1.5, True, False, [], ["a"], {}),
    *({"env": "X"}, {"env": ""}, {"prompt": True}, {"prompt": False}, {"keyring": "mail"}),
    *({"command": ["a"]}, {"command": []}, {"command": "a"}, {"file": "a", "env": "X"}),
)
# What only reading can know; everything else is a matter of shape.
BEYOND = re.compile(
    r"did you mean|preset|is missing|no file|go with|would go|speaks|control|is no |not used"
    r"|is used only|needs|understood|is written|IP version|another provider|\$\{|no provider"
    r"|cannot look|every weight|its value|is not an address|is empty|is not scheme"
)


@pytest.mark.parametrize(
    ("base", "path"),
    [(base, path) for base in (everything(), with_tokens()) for path in paths(base)],
    ids=str,
)
def test_schema_and_reader_are_of_one_mind(base: dict[str, Any], path: Path_) -> None:
    for value in VALUES:
        table = changed(base, path, value)
        said, wrong = complaints(table), refused(table)
        assert not wrong or said, (path, value, wrong)
        assert wrong or not [each for each in said if not BEYOND.search(each)], (path, value, said)


@pytest.mark.parametrize("block", ["", "defaults", "failover", "providers.0", "providers.0.config"])
def test_unknown_keys_are_refused_by_both(block: str) -> None:
    path = tuple(int(step) if step.isdigit() else step for step in block.split(".") if step)
    table = changed(everything(), (*path, "nonsense"), "text")
    assert complaints(table)
    assert refused(table)


@pytest.mark.parametrize(
    "text", ["", "providers = []", "[[providers]]", "[[providers]]\nconfig.port = 25"]
)
def test_what_must_be_there_is_missed_by_both(text: str) -> None:
    table = tomllib.loads(text)
    assert complaints(table)
    assert refused(table)


def test_with_a_preset_nothing_must_be_there() -> None:
    table = tomllib.loads('[[providers]]\npreset = "maildev"')
    assert complaints(table) == []
    assert refused(table) == []


def test_a_command_that_prints_a_token_is_a_list() -> None:
    def with_command(value: object) -> list[str]:
        auth = {"type": "oauth2", "user": "me", "access_token_command": value}
        return refused({"providers": [{"config": {"host": "h", "auth": auth}}]})

    assert with_command(["token", "me"]) == []
    assert with_command("token me") != []
