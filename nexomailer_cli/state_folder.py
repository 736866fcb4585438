"""Where this program keeps what it has to remember of one user from run to run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def state_folder(env: Mapping[str, str]) -> Path:
    """Return the folder, which need not exist; raise RuntimeError for a user without a home."""
    state = env.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "nexomailer"
