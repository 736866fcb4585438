"""The proxy of a provider: what it may be, and that its password is nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.config.file import load_config
from nexomailer_cli.config.masked import effective
from nexomailer_cli.config.proxy import Proxy, masked, read_proxy
from nexomailer_cli.errors import ConfigError

PASSWORD = "hunter2"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("socks5://h", Proxy(scheme="socks5", host="h", port=1080)),
        ("socks5h://h:9050/", Proxy(scheme="socks5h", host="h", port=9050)),
        (
            "http://tim:p%40ss%3A@proxy.test:3128",
            Proxy(scheme="http", host="proxy.test", port=3128, user="tim", password="p@ss:"),
        ),
        ("SOCKS5H://[::1]:1", Proxy(scheme="socks5h", host="::1", port=1)),
    ],
)
def test_a_proxy_is_one_url(url: str, expected: Proxy) -> None:
    assert read_proxy(url) == expected
    assert read_proxy(url).looks_up is (expected.scheme != "socks5")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("h:1080", "is not scheme://user:password@host:port"),
        (f"https://me:{PASSWORD}@h:1", "begins with none of socks5://"),
        (f"http://me:{PASSWORD}@h", "names no port"),
        (f"socks5://me:{PASSWORD}@", "names no host"),
        (f"socks5://me:{PASSWORD}@h:x", "is not scheme://user:password@host:port"),
        (f"socks5://me:{PASSWORD}@h/path", "is not scheme://user:password@host:port"),
        (f"socks5://me:{PASSWORD}@h?x", "is not scheme://user:password@host:port"),
        (f"socks5://me:{PASSWORD}\n@h", "holds a control character"),
        (f"socks5://me:{PASSWORD}%0d@h", "user or password holds a control character"),
        (f"socks5://:{PASSWORD}@h", "has only one of user and password"),
        ("socks5://me@h", "has only one of user and password"),
        (f"http://m%3Ae:{PASSWORD}@h:1", "holds a colon, which HTTP does not know"),
        (f"socks5://mé:{PASSWORD}@h", "is not ASCII, or longer than SOCKS can say"),
        (f"socks5://me:{PASSWORD * 40}@h", "is not ASCII, or longer than SOCKS can say"),
        (f"socks5://me:{PASSWORD}@a b", "names no host"),
    ],
)
def test_what_is_no_proxy_is_told_without_quoting_it(
    url: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_proxy(url)
    assert PASSWORD not in str(caught.value)
    if "\n" in url:
        return
    path = tmp_path / "nexomailer.toml"
    path.write_text(f'[[providers]]\nconfig = {{ host = "h", proxy = "{url}" }}\n')
    with pytest.raises(ConfigError) as refused:
        load_config(str(path), {})
    assert "proxy: " in str(refused.value)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("socks5://h:1", "socks5://h:1"),
        (f"socks5://me:{PASSWORD}@h", "socks5://me:***@h"),
        (f"http://me:{PASSWORD}/@:x@h:1", "http://me:***@h:1"),
        ("socks5://me:${PASS}@h", "socks5://me:***@h"),
        ("${PROXY}", "${PROXY}"),
        (f"${{SCHEME}}me:{PASSWORD}@h", "***"),
        (f"http://{PASSWORD}@h:1".replace(PASSWORD, "me"), "http://me@h:1"),
    ],
)
def test_a_proxy_is_shown_without_its_password(url: str, shown: str) -> None:
    assert masked(url) == shown


@given(st.text(min_size=1).filter(lambda text: text not in "socks5://me:***@h"))
def test_no_password_is_shown_whatever_it_is(password: str) -> None:
    assert password not in masked(f"socks5://me:{password}@h")


def test_a_proxy_that_is_shown_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "nexomailer.toml"
    text = '[[providers]]\nfrom_addresses = ["*@a.test", "${VAR}@b.test"]\n'
    path.write_text(f'{text}config = {{ host = "h", proxy = "http://me:x@h:1" }}\n')
    path.chmod(0o600)
    shown = effective(load_config(str(path), {"VAR": "$${X}"}))["providers"][0]
    assert shown["config"]["proxy"] == "http://me:***@h:1"
    assert shown["from_addresses"] == ["*@a.test", "$$${X}@b.test"]
