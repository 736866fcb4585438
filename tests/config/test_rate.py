"""Rates as people write them."""

from pathlib import Path

import pytest

from nexomailer_cli.config.file import load_config
from nexomailer_cli.config.rate import Rate, parse_rates
from nexomailer_cli.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("14/s", [Rate(14, 1)]),
        ("2000/h", [Rate(2000, 3600)]),
        ("14/s, 2000/h,10000/d", [Rate(14, 1), Rate(2000, 3600), Rate(10000, 86400)]),
        ("30 per minute", [Rate(30, 60)]),
        ("100/15m", [Rate(100, 900)]),
    ],
)
def test_a_rate_is_read(text: str, rates: list[Rate]) -> None:
    assert list(parse_rates(text)) == rates


@pytest.mark.parametrize(
    "text", ["", "14", "14/", "/s", "0/s", "5/0s", "1/y", "1.5/s", "5/s,", "-1/s"]
)
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a rate"):
        parse_rates(text)


def test_a_wrong_rate_in_the_configuration_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nexomailer.toml"
    path.write_text('[[providers]]\nconfig = { host = "localhost", rate = "many" }\n')
    with pytest.raises(ConfigError, match='rate: is not understood: a rate is written like "14/s"'):
        load_config(str(path), {})


@pytest.mark.parametrize(
    ("said", "expected"),
    [("", (3, "30/m, 10000/d")), ("maxConnections = 2", (2, "30/m, 10000/d")),
     ('rate = "1/s"', (3, "1/s"))],
)  # fmt: skip
def test_a_preset_brings_the_limits_that_its_service_publishes(
    said: str, expected: tuple[int, str], tmp_path: Path
) -> None:
    path = tmp_path / "nexomailer.toml"
    auth = '{ user = "a@b.test", pass = "${X}" }'
    path.write_text(
        f'[[providers]]\npreset = "office365"\n[providers.config]\nauth = {auth}\n{said}\n'
    )
    config = load_config(str(path), {"X": "x"}).providers[0].config
    assert (config.max_connections, config.rate) == expected
