"""The name that we greet servers with."""

from __future__ import annotations

import re
import socket

# RFC 1123 section 2.1, with a last label that no IPv4 address has.
_FULL_NAME = re.compile(r"(?:[0-9a-z](?:[0-9a-z-]{0,61}[0-9a-z])?\.)+[a-z][0-9a-z-]*[0-9a-z]")


def ehlo_name(configured: str | None, sender: str, host: str) -> str:
    """Return the name to greet servers with, `""` where only an address literal is left.

    `host` is this machine's own name. It is asked of the kernel, not of DNS, which can take
    seconds to say `localhost`, a name that servers refuse. A name without a dot is no
    better, so the sender's domain comes next: it is ours as well, and RFC 5321 section 4.1.4
    lets no server refuse mail because the name is not the connecting host's.
    """
    if configured:
        return configured
    candidates = (host.rstrip("."), sender.rpartition("@")[2])
    return next(filter(_is_full_name, candidates), "")


def _is_full_name(name: str) -> bool:
    name = name.lower()
    return _FULL_NAME.fullmatch(name) is not None and not (
        {"localhost", "localdomain"} & set(name.split("."))
    )


def own_literal(sock: socket.socket) -> str:
    """Return the address literal of RFC 5321 section 4.1.3 for our end of `sock`."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return "[127.0.0.1]"  # a Unix socket has no other
    address = sock.getsockname()[0].partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
