"""Which hosts are this machine itself."""

from __future__ import annotations

import re

# "127.0.0.1.example.com" must not pass for this machine.
_LOOPBACK_V4 = re.compile(r"127(\.[0-9]{1,3}){3}")


def is_loopback(host: str) -> bool:
    """Whether nothing leaves this machine on the way to `host`."""
    host = host.lower().strip("[]")
    return host in ("localhost", "::1") or bool(_LOOPBACK_V4.fullmatch(host))
