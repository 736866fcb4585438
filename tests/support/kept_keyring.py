"""A keyring in a file, for commands in processes of their own: see PYTHON_KEYRING_BACKEND."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend


class Keyring(KeyringBackend):
    """Keeps everything in the file that `$TEST_KEYRING` names."""

    priority = 5

    def get_password(self, service: str, username: str) -> str | None:
        """Return what is kept."""
        found = self._kept().get(f"{service}/{username}")
        return None if found is None else str(found)

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep it."""
        kept = self._kept() | {f"{service}/{username}": password}
        self._file.write_text(json.dumps(kept))

    @property
    def _file(self) -> Path:
        return Path(os.environ["TEST_KEYRING"])

    def _kept(self) -> dict[str, object]:
        kept: dict[str, object] = json.loads(self._file.read_text()) if self._file.exists() else {}
        return kept
