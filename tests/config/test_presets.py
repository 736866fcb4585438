from __future__ import annotations

import string
import tomllib
from pathlib import Path

import pytest

from nexomailer_cli.config import presets
from nexomailer_cli.config.contradictions import STARTTLS_PORTS
from nexomailer_cli.config.file import load_config
from nexomailer_cli.config.presets import (
    Preset,
    find_preset,
    preset_names,
    preset_of_domain,
    preset_of_host,
)
from nexomailer_cli.config.settings import IMPLICIT_TLS_PORTS, Provider

NAMES = [name.replace("<region>", "eu-west-1") for name in preset_names()]


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_makes_a_working_provider(name: str, tmp_path: Path) -> None:
    path = tmp_path / "nexomailer.toml"
    path.write_text(
        f'[[providers]]\npreset = "{name}"\nconfig.auth = {{ user = "me", pass = "${{X}}" }}\n'
    )
    config = load_config(str(path), {}).providers[0].config
    preset = find_preset(name)
    assert preset is not None
    assert (config.host, config.effective_port) == (preset.host, preset.port)
    assert config.implicit_tls is preset.secure


@pytest.mark.parametrize("name", NAMES)
def test_the_port_of_a_preset_agrees_with_its_security(name: str) -> None:
    preset = find_preset(name)
    assert preset is not None
    assert preset.secure is (preset.port in IMPLICIT_TLS_PORTS)


@pytest.mark.parametrize("name", NAMES)
def test_a_host_is_a_plain_name_and_a_note_is_one_sentence(name: str) -> None:
    preset = find_preset(name)
    assert preset is not None
    assert set(preset.host) <= set(string.ascii_lowercase + string.digits + ".-")
    assert not preset.note or (preset.note.endswith(".") and preset.note.isprintable())


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "us-gov-west-1", "ap-northeast-3"])
def test_a_region_stands_for_itself(region: str) -> None:
    preset = find_preset(f"ses-{region}")
    assert preset is not None
    assert preset.host == f"email-smtp.{region}.amazonaws.com"


@pytest.mark.parametrize(
    "name", ["ses-", "ses-<region>", "ses-evil.example.com/", "ses-eu", "sEs-eu-west-1"]
)
def test_what_is_no_region_is_no_preset(name: str) -> None:
    assert find_preset(name) is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("smtp.gmail.com", "gmail"),
        ("SMTP.Gmail.com", "gmail"),
        ("email-smtp.eu-west-1.amazonaws.com", "ses-eu-west-1"),
        ("smtp-mail.outlook.com", "outlook"),
        ("email-smtp.amazonaws.com", ""),
        ("email-smtp.evil.example.amazonaws.com", ""),
        ("smtp.example.com", ""),
        ("localhost", ""),
        ("127.0.0.1", ""),
    ],
)
def test_a_server_is_known_by_its_host(host: str, name: str) -> None:
    assert preset_of_host(host) == name


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("gmail.com", "gmail"),
        ("GoogleMail.com", "gmail"),
        ("hotmail.co.uk", "outlook"),
        ("live.nl", "outlook"),
        ("yahoo.com.br", "yahoo"),
        ("gmx.de", "gmx-net"),
        ("gmx.com", "gmx"),
        ("web.de", "web-de"),
        ("me.com", "icloud"),
        ("sendgrid.net", ""),
        ("yahoo.evil.example", ""),
        ("yahoo", ""),
        ("*", ""),
        ("mail.gmail.com", ""),
    ],
)
def test_a_mailbox_is_known_by_its_domain(domain: str, name: str) -> None:
    assert preset_of_domain(domain) == name


def test_services_with_one_user_for_everybody_say_so() -> None:
    users = {name: preset.user for name in NAMES if (preset := find_preset(name)) and preset.user}
    assert users["sendgrid"] == "apikey"
    assert users["resend"] == "resend"
    assert users["sparkpost"] == "SMTP_Injection"


def test_the_data_holds_nothing_that_is_not_read() -> None:
    text = Path(presets.__file__).with_name("presets.toml").read_text(encoding="utf-8")
    fields = {field for preset in tomllib.loads(text)["presets"].values() for field in preset}
    assert fields == {*Preset.__struct_fields__, "domains"}


@pytest.mark.parametrize("name", NAMES)
def test_other_ports_are_other_ports(name: str) -> None:
    preset = find_preset(name)
    assert preset is not None
    assert preset.port not in preset.ports
    assert set(preset.ports) <= {*IMPLICIT_TLS_PORTS, *STARTTLS_PORTS}


@pytest.mark.parametrize("name", NAMES)
def test_a_user_is_one_name_or_everybodys_own(name: str) -> None:
    preset = find_preset(name)
    assert preset is not None
    assert preset.user_form in ("", "address")
    assert not (preset.user and preset.user_form)


@pytest.mark.parametrize("name", NAMES)
def test_every_service_has_a_note(name: str) -> None:
    preset = find_preset(name)
    assert preset is not None
    assert preset.note


def load(text: str, tmp_path: Path) -> Provider:
    path = tmp_path / "nexomailer.toml"
    path.write_text(text)
    return load_config(str(path), {}).providers[0]


def test_a_preset_brings_its_behaviour(tmp_path: Path) -> None:
    auth = 'config.auth = { user = "me", pass = "${X}" }'
    config = load(f'[[providers]]\npreset = "sparkpost"\n{auth}', tmp_path).config
    assert (config.max_messages, config.idle_timeout) == (100, 50.0)
    config = load(f'[[providers]]\npreset = "office365"\n{auth}', tmp_path).config
    assert (config.max_connections, config.rate) == (3, "30/m, 10000/d")


@pytest.mark.parametrize("spelling", ["idle_timeout", "idleTimeout"])
def test_a_preset_gives_way_key_by_key(spelling: str, tmp_path: Path) -> None:
    config = load(
        f'[[providers]]\npreset = "sparkpost"\nconfig = {{ {spelling} = "5s" }}', tmp_path
    ).config
    assert (config.max_messages, config.idle_timeout) == (100, 5.0)
