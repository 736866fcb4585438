from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from nexomailer_cli.config.file import load_config
from nexomailer_cli.config.keys import BLOCKS, Key, keys_of
from nexomailer_cli.config.reader import Reader
from nexomailer_cli.config.settings import Config
from nexomailer_cli.config.value import Source

EXAMPLE = Path(__file__).parents[2] / "nexomailer.example.toml"
TEXT = EXAMPLE.read_text(encoding="utf-8")

# The keys of a section stand between its header and the next one.
SECTIONS = dict(re.findall(r"^(\[.+\])\n((?:(?!\[).*\n)*)", TEXT, re.MULTILINE)[::-1])
HEADERS = {"auth": "[providers.config.auth]", "tls": "[providers.config.tls]"}
KEYS = [
    pytest.param(HEADERS.get(name, name), key, id=f"{name}.{key.name}")
    for block, name in BLOCKS.items()
    for key in keys_of(block)
    if not (key.block or key.element)
]


def test_the_example_loads() -> None:
    config = load_config(str(EXAMPLE), {})
    assert [provider.name for provider in config.providers] == ["main", "backup"]


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_is_shown_below_its_explanation(section: str, key: Key) -> None:
    lines = SECTIONS[section].splitlines()
    (shown,) = (n for n, line in enumerate(lines) if re.match(rf"(# )?{key.name} = ", line))
    assert lines[shown - 1] == f"# {key.description}"


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_a_key_is_active_exactly_if_it_has_a_default_or_is_needed(section: str, key: Key) -> None:
    is_active = re.search(rf"^{key.name} = ", SECTIONS[section], re.MULTILINE) is not None
    is_needed = key.is_required or key.name == "pass"
    assert is_active is (is_needed or key.default is not None)


def test_the_values_shown_are_the_defaults() -> None:
    config = load_config(str(EXAMPLE), {})
    provider = config.providers[0]
    smtp = provider.config
    assert smtp.auth is not None
    for block in (config.defaults, config.failover, provider, smtp, smtp.auth, smtp.tls):
        for key in keys_of(type(block)):
            if not (key.is_required or key.block or key.name == "pass"):
                assert getattr(block, key.attribute) == key.default


def test_every_example_behind_a_hash_is_right_too() -> None:
    text = re.sub(r"^# (\w+ = )", r"\1", TEXT, flags=re.MULTILINE)
    reader = Reader(Source({}, base=Path("/nowhere")))
    reader.read(tomllib.loads(text))
    both = "does not go with socket: remove one of them"
    assert [message for _, message in reader.mistakes if not message.startswith(both)] == [
        "there is no file /nowhere/service-account.json",
        *['is used only with type = "oauth2": add that, or remove it'] * 14,
        "there is no file /nowhere/ca.pem",
        "there is no file /nowhere/client.pem",
        "there is no file /nowhere/client.key",
    ]


def test_the_beginning_in_the_comment_is_a_whole_configuration(tmp_path: Path) -> None:
    lines = re.findall(r"^#     (?!pass|NEXO)(.*)$", TEXT, re.MULTILINE)
    path = tmp_path / "nexomailer.toml"
    path.write_text("\n".join(lines))
    assert len(load_config(str(path), {}).providers) == 1


def test_no_description_is_longer_than_a_line() -> None:
    descriptions = [key.description for block in BLOCKS for key in keys_of(block)]
    assert max(map(len, descriptions)) <= 90
    assert all(
        description.isprintable() and description.endswith(".") for description in descriptions
    )


def test_every_block_of_the_types_is_known() -> None:
    found = {Config} | {
        inner for block in BLOCKS for key in keys_of(block) if (inner := key.block or key.element)
    }
    assert found == set(BLOCKS)
