"""Sockets, protocols and senders: what goes together, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexomailer_cli.config.file import config_of_url, load_config
from nexomailer_cli.config.masked import effective
from nexomailer_cli.config.settings import Config
from nexomailer_cli.errors import ConfigError


def load(folder: Path, config: str, provider: str = "") -> Config:
    path = folder / "nexomailer.toml"
    path.write_text(f"[[providers]]\n{provider}\n[providers.config]\n{config}\n")
    return load_config(str(path), {})


def complaints(folder: Path, config: str, provider: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, config, provider)
    return [f"{each.key.partition('].')[2]}: {each.message}" for each in caught.value.problems]


def test_a_socket_takes_the_place_of_host_and_port(tmp_path: Path) -> None:
    loaded = load(tmp_path, 'socket = "/run/dovecot/lmtp"\nprotocol = "lmtp"')
    (provider,) = loaded.providers
    smtp = provider.config
    assert (provider.name, smtp.host, smtp.effective_port) == ("/run/dovecot/lmtp", "localhost", 0)
    assert smtp.is_loopback
    assert not smtp.tls_required
    shown = effective(loaded)["providers"][0]["config"]
    assert "port" not in shown
    assert (shown["socket"], shown["host"]) == ("/run/dovecot/lmtp", "localhost")


@pytest.mark.parametrize(
    "line",
    [
        "port = 25",
        "ip_version = 4",
        'source_address = "127.0.0.1"',
        'proxy = "socks5://h"',
        'host = "h"',
    ],
)
def test_what_leads_over_a_network_does_not_go_with_a_socket(line: str, tmp_path: Path) -> None:
    key = line.partition(" ")[0]
    (complaint,) = complaints(tmp_path, f'socket = "/s"\n{line}')
    assert complaint.startswith(f"config.{key}: does not go with socket")


@pytest.mark.parametrize("path", ["/" + "x" * 103, "/a\\u0000b"])
def test_a_path_that_no_socket_can_have(path: str, tmp_path: Path) -> None:
    (complaint,) = complaints(tmp_path, f'socket = "{path}"')
    assert complaint.startswith("config.socket: is no path of a socket")


def test_a_system_without_unix_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("socket.AF_UNIX")
    (complaint,) = complaints(tmp_path, 'socket = "/s"')
    assert complaint == "config.socket: this system has no Unix sockets"


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ("pool = true", "config.host: is missing"),
        ("socket = 5", "config.socket: expected text, not empty, got a number"),
        ("host = 5", "config.host: expected text, not empty, got a number"),
        ('hots = "h"', 'config.hots: unknown key "hots", did you mean "host"?'),
        (
            'host = "h"\nport = 25\nprotocol = "lmtp"',
            "config.port: 25 is for SMTP alone (RFC 2033 section 5): mailbox servers mostly use 24",
        ),
    ],
)
def test_a_mistake_is_told_once(config: str, complaint: str, tmp_path: Path) -> None:
    assert complaints(tmp_path, config) == [complaint]


def test_a_proxy_on_this_machine_leads_away_from_it(tmp_path: Path) -> None:
    text = 'host = "localhost"\nproxy = "socks5h://127.0.0.1:1"\nauth = { user = "u", pass = "p" }'
    smtp = load(tmp_path, text).providers[0].config
    assert not smtp.is_loopback
    assert smtp.tls_required


def test_the_version_of_ip_is_about_the_way_to_the_proxy(tmp_path: Path) -> None:
    text = 'host = "::1"\nip_version = 4\nproxy = "socks5h://127.0.0.1:1"'
    assert load(tmp_path, text).providers[0].config.ip_version == 4


def test_mailbox_servers_have_a_port_of_their_own(tmp_path: Path) -> None:
    smtp = load(tmp_path, 'host = "h"\nprotocol = "lmtp"').providers[0].config
    assert (smtp.effective_port, smtp.implicit_tls) == (24, False)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ('["shop.example"]', "from_addresses[0]: is no sender: write an address, *@shop.example"),
        ('["*", "a b@c"]', "from_addresses[1]: is no sender"),
        ('["*", 5]', "from_addresses[1]: expected text, got a number"),
        ('"*@shop.example"', "from_addresses: expected a list, got text"),
    ],
)
def test_who_is_no_sender(value: str, complaint: str, tmp_path: Path) -> None:
    (told,) = complaints(tmp_path, 'host = "h"', f"from_addresses = {value}")
    assert told.startswith(complaint)


# --- in a URL ----------------------------------------------------------------------------------


def test_a_url_may_name_a_socket_a_protocol_and_a_proxy() -> None:
    def smtp_of(url: str):  # type: ignore[no-untyped-def]
        return config_of_url(url, {}).providers[0].config

    assert smtp_of("lmtp://h").protocol == "lmtp"
    box = smtp_of("unix:/run/a%20b?protocol=lmtp")
    assert (box.socket, box.protocol) == ("/run/a b", "lmtp")
    assert smtp_of("unix:///run/s").socket == "/run/s"
    assert smtp_of("smtp://h?proxy=socks5h://p:1").proxy.parts == ("socks5h://p:1",)
    hidden = smtp_of("smtp://h?proxy=http://u:%24%7Bx%7D%40p:1").proxy
    assert hidden.parts == ("http://u:$${x}@p:1",)


@pytest.mark.parametrize("url", ["unix:run/s", "unix://host/run/s", "unix:/s#x", "unix:"])
def test_what_is_no_socket(url: str) -> None:
    with pytest.raises(ConfigError, match="is not unix:/path/of/the/socket"):
        config_of_url(url, {})
