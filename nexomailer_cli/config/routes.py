"""Contradictions on the way to a server: its address, a socket, a proxy, the protocol.

Rules for `contradictions`, which tells of what they yield.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from nexomailer_cli.config.contradiction import Contradiction
from nexomailer_cli.config.proxy import read_proxy
from nexomailer_cli.config.variables import expand
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.config.settings import SmtpConfig

SMTP_PORT = 25

_NOT_IN_A_HOST = re.compile(r"[\x00-\x20\x7f/@?#\[\]\\]")
_HOST_AND_PORT = re.compile(r"([^:]+):([0-9]+)")
# sockaddr_un, with its NUL: 108 octets on Linux, 104 on macOS and the BSDs.
_MAX_SOCKET_PATH = 103


def _host(config: SmtpConfig) -> Iterator[Contradiction]:
    both = _HOST_AND_PORT.fullmatch(config.host)
    if both:
        message = f'write the port on its own: host = "{printable(both[1])}", port = {both[2][:5]}'
    elif _NOT_IN_A_HOST.search(config.host):
        message = "is no host name: write it, or an IP address, without scheme, brackets or path"
    else:
        return
    yield Contradiction(message, ("host",), ("host",))


def _families(config: SmtpConfig) -> Iterator[Contradiction]:
    """Yield what keeps an address of one version of IP from reaching one of the other."""
    source = _version(config.source_address)
    if config.source_address is not None and source is None:
        message = "is no IP address: write one of this machine's, such as 192.0.2.7"
        yield Contradiction(message, ("source_address",), ("source_address",))
    # Behind a proxy, the host is somewhere else: these are about the way to the proxy.
    host = None if config.proxy else _version(config.host)
    if host and config.ip_version and host != config.ip_version:
        message = f"{printable(config.host)} is an address of IP version {host}: remove ip_version"
        yield Contradiction(message, ("ip_version",), ("host", "ip_version"))
    wanted, key = (config.ip_version, "ip_version") if config.ip_version else (host, "host")
    if source and wanted and source != wanted:
        message = f"is an address of IP version {source}, and {key} one of version {wanted}"
        yield Contradiction(message, ("source_address",), ("source_address", key))


def _version(address: str | None) -> int | None:
    """Return the version of IP that an address belongs to, None if it is no address."""
    if not address:
        return None
    from ipaddress import ip_address

    try:
        return ip_address(address).version
    except ValueError:
        return None


def _lmtp(config: SmtpConfig) -> Iterator[Contradiction]:
    if config.protocol == "lmtp" and config.port == SMTP_PORT and config.socket is None:
        message = "25 is for SMTP alone (RFC 2033 section 5): mailbox servers mostly use 24"
        yield Contradiction(message, ("port",), ("protocol", "port"))


# What says how to get to a host on a network; a Unix socket is no such way.
_NETWORK = ("port", "ip_version", "source_address", "proxy")


def _socket(config: SmtpConfig) -> Iterator[Contradiction]:
    if config.socket is None:
        return
    for key in _NETWORK:
        if getattr(config, key) is not None:
            message = "does not go with socket: remove one of them"
            yield Contradiction(message, (key,), (key, "socket"))
    if config.host != "localhost":
        message = "does not go with socket: remove one of them (tls.servername names a certificate)"
        yield Contradiction(message, ("host",), ("host", "socket"))
    if "\0" in config.socket or len(config.socket.encode()) > _MAX_SOCKET_PATH:
        message = f"is no path of a socket: it has a NUL, or more than {_MAX_SOCKET_PATH} octets"
        yield Contradiction(message, ("socket",), ("socket",))
    elif not hasattr(socket, "AF_UNIX"):
        yield Contradiction("this system has no Unix sockets", ("socket",), ("socket",))


def _proxy(config: SmtpConfig) -> Iterator[Contradiction]:
    """Yield what is wrong with a proxy that stands here; one kept elsewhere is read when used."""
    if config.proxy is None or not config.proxy.is_literal:
        return
    try:
        read_proxy(expand(config.proxy.parts[0], {}))
    except ValueError as error:
        yield Contradiction(f"{error}", ("proxy",), ("proxy",))


RULES = (_host, _families, _lmtp, _socket, _proxy)
