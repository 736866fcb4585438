"""The proxy that a provider is reached through, as it is written: one URL.

It may hold a password, so no message here quotes any part of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, cast

from msgspec import Struct

if TYPE_CHECKING:
    from urllib.parse import SplitResult

Scheme = Literal["socks5", "socks5h", "http"]

SOCKS_PORT = 1080  # IANA
MASK = "***"

_SCHEMES = ("socks5", "socks5h", "http")
# RFC 1929 section 2: a length of one octet stands before each.
_MAX_SOCKS_WORD = 255


class Proxy(Struct, frozen=True, kw_only=True):
    """Who connects in our place.

    With `socks5` names are looked up here, with `socks5h` and `http` by the proxy, as curl has
    it. `password` is empty where nobody signs in.
    """

    scheme: Scheme
    host: str
    port: int
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Proxy({self.scheme}://{self.place})"

    @property
    def place(self) -> str:
        """Host and port, which may be shown."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def looks_up(self) -> bool:
        """Whether names are the proxy's business."""
        return self.scheme != "socks5"


def read_proxy(url: str) -> Proxy:
    """Return what `url` says; raise ValueError with what is wrong, which quotes nothing of it."""
    from urllib.parse import unquote

    parts, port = _split(url)
    scheme = cast("Scheme", parts.scheme)
    if port is None:
        if scheme == "http":
            raise ValueError("names no port: write it, as in http://proxy.example:3128")
        port = SOCKS_PORT
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    _check_account(scheme, user, password)
    return Proxy(scheme=scheme, host=parts.hostname or "", port=port, user=user, password=password)


def _split(url: str) -> tuple[SplitResult, int | None]:
    from urllib.parse import urlsplit

    if any(not character.isprintable() for character in url):
        raise ValueError("holds a control character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = None, None
    if parts is None or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(
            "is not scheme://user:password@host:port;"
            " in a password, / ? # @ : % are %2F %3F %23 %40 %3A %25"
        )
    if parts.scheme not in _SCHEMES:
        raise ValueError("begins with none of socks5://, socks5h:// and http://")
    if not parts.hostname or re.search(r"[\s@\\]", parts.hostname):
        raise ValueError("names no host")
    return parts, port


def _check_account(scheme: Scheme, user: str, password: str) -> None:
    if bool(user) != bool(password):
        raise ValueError("has only one of user and password")
    if any(not character.isprintable() for character in user + password):
        raise ValueError("its user or password holds a control character")
    if scheme == "http":
        if ":" in user:  # RFC 7617 section 2
            raise ValueError("its user holds a colon, which HTTP does not know")
    elif not (user + password).isascii() or max(len(user), len(password)) > _MAX_SOCKS_WORD:
        raise ValueError("its user or password is not ASCII, or longer than SOCKS can say")


def masked(url: str) -> str:
    """Return a proxy as it is written, variables and all, without its password."""
    scheme, between, rest = url.partition("://")
    account, at, place = rest.rpartition("@")
    if not between:
        return MASK if "@" in url else url
    user, colon, _ = account.partition(":")
    return f"{scheme}{between}{user}{f':{MASK}' if colon else ''}{at}{place}"
