"""Configurations for the peers of a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomli_w

from tests.support.script import Peer

FROM = "Änne <aenne@a.test>"


def provider(name: str, server: Peer | int, /, **config: Any) -> dict[str, Any]:
    """Return one `[[providers]]` table; `config` is its `[providers.config]`."""
    port = server if isinstance(server, int) else server.port
    return {"name": name, "config": {"host": "127.0.0.1", "port": port, **config}}


def configure(folder: Path, *providers: dict[str, Any], **tables: Any) -> Path:
    """Write `nexomailer.toml` into `folder`: the providers come in the order given."""
    path = folder / "nexomailer.toml"
    ranked = [{"priority": rank, **each} for rank, each in enumerate(providers, 1)]
    path.write_text(tomli_w.dumps({"defaults": {"from": FROM}, **tables, "providers": ranked}))
    path.chmod(0o600)
    return path
