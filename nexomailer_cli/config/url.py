"""`smtps://user:password@host:port?name=value` as the tables of a configuration.

Every part may be percent-encoded, and a password with any of `/?#@%:` must be. A URL
holds a password, so no message here quotes any part of it. `unix:/path?name=value` is the
same for a server behind a socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexomailer_cli.config import variables
from nexomailer_cli.config.contradictions import STARTTLS_PORTS

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    Table = dict[str, Any]

# submission(s): RFC 6409 and RFC 8314 by their service names.
UNIX = "unix"
SCHEMES: dict[str, Table] = {
    "smtp": {},
    "smtps": {"secure": True},
    "smtp+starttls": {"starttls": "required"},
    "submission": {"starttls": "required"},
    "submissions": {"secure": True},
    "lmtp": {"protocol": "lmtp"},
    "unix": {},
}

# Where each query parameter belongs; what is not here is no parameter.
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "name": ("config", "name"),
    "starttls": ("config", "starttls"),
    "allow_plaintext_auth": ("config", "allow_plaintext_auth"),
    "pool": ("config", "pool"),
    "max_connections": ("config", "max_connections"),
    "ip_version": ("config", "ip_version"),
    "source_address": ("config", "source_address"),
    "protocol": ("config", "protocol"),
    "proxy": ("config", "proxy"),
    "max_messages": ("config", "max_messages"),
    "idle_timeout": ("config", "idle_timeout"),
    "joined": ("config", "joined"),
    "connection_timeout": ("config", "connection_timeout"),
    "socket_timeout": ("config", "socket_timeout"),
    "method": ("config", "auth", "method"),
    "servername": ("config", "tls", "servername"),
    "ca_file": ("config", "tls", "ca_file"),
    "reject_unauthorized": ("config", "tls", "reject_unauthorized"),
    "from": ("defaults", "from"),
}

_ENCODE = "in a user name or password, / ? # @ : % are %2F %3F %23 %40 %3A %25"


def tables_of(url: str) -> Table:
    """Return what a TOML file would hold for `url`; raise ValueError if it is no such URL."""
    parts, port = _split(url)
    config: Table = _place(parts) | SCHEMES[parts.scheme]
    if port is not None:
        config["port"] = port
    if config.get("secure") and port in STARTTLS_PORTS:
        raise ValueError(f"port {port} speaks STARTTLS: write smtp://, or use port 465")
    if parts.username is not None:
        config["auth"] = _auth(parts)
    tables: Table = {"config": config, "defaults": {}}
    for name, value in _query(parts):
        _put(tables, name, value)
    return {"defaults": tables["defaults"], "providers": [{"config": config}]}


def _place(parts: SplitResult) -> Table:
    if parts.scheme == UNIX:
        return {"socket": _decoded(parts.path)}
    return {"host": _decoded(parts.hostname or "")}


def _split(url: str) -> tuple[SplitResult, int | None]:
    from urllib.parse import urlsplit

    # urlsplit would drop them silently.
    if any(not character.isprintable() for character in url):
        raise ValueError("holds a control character")
    if "://" not in url and not url.startswith(f"{UNIX}:"):
        raise ValueError("begins with no smtp:// or smtps://")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = None, None
    if parts is not None and parts.scheme == UNIX:
        return _socket(parts), None
    if parts is None or parts.path not in ("", "/") or parts.fragment or "@" in parts.query:
        raise ValueError(f"is not scheme://user:password@host:port; {_ENCODE}") from None
    if parts.scheme not in SCHEMES:
        raise ValueError(f"its scheme must be one of {', '.join(SCHEMES)}")
    if not parts.hostname:
        raise ValueError("names no host")
    return parts, port


def _socket(parts: SplitResult) -> SplitResult:
    if parts.netloc or not parts.path.startswith("/") or parts.fragment:
        raise ValueError("is not unix:/path/of/the/socket")
    return parts


def _auth(parts: SplitResult) -> Table:
    auth: Table = {"user": _decoded(parts.username or "")}
    if parts.password is not None:
        # A secret's text is expanded when it is used; here a dollar is a dollar.
        auth["pass"] = variables.escape(_decoded(parts.password))
    return auth


def _query(parts: SplitResult) -> list[tuple[str, str]]:
    from urllib.parse import parse_qsl

    try:
        return parse_qsl(parts.query, True, strict_parsing=bool(parts.query), errors="strict")
    except ValueError:
        raise ValueError("its query is not name=value&name=value") from None


def _put(tables: Table, name: str, value: str) -> None:
    from nexomailer_cli.config.keys import camel_case

    spelt = {camel_case(known): known for known in _PARAMETERS}
    path = _PARAMETERS.get(spelt.get(name, name))
    if path is None:
        raise ValueError(f"has an unknown parameter{_guess(name)}")
    *blocks, key = path
    for block in blocks:
        tables = tables.setdefault(block, {})
    if key in tables:
        raise ValueError(f"says {key} twice")
    # A secret's text is expanded when it is used, as that of the password.
    tables[key] = variables.escape(value) if key == "proxy" else value


def _guess(name: str) -> str:
    from nexomailer_cli.config.words import nearest

    # Not the name itself: behind a "?" that should have been encoded it is a password.
    meant = nearest(name, _PARAMETERS)
    return f', did you mean "{meant}"?' if meant else f"; there are {', '.join(_PARAMETERS)}"


def _decoded(text: str) -> str:
    from urllib.parse import unquote

    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("its percent-encoding is not UTF-8") from None
