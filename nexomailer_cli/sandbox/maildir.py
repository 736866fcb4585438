"""Messages as files, one each, in the Maildir layout that mail readers open.

A file comes into being in `tmp` and is renamed into `new`, so that no reader ever
sees half a message. What it holds is what arrived, to the byte.
"""

from __future__ import annotations

import os
import secrets
import time
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from pathlib import Path


class Stored(Struct, frozen=True):
    """A message in the Maildir, and the identifier that its file's name contains."""

    id: str
    path: Path


class Maildir:
    """A folder of messages that only its owner can read."""

    def __init__(self, path: Path) -> None:
        """Open the Maildir at `path`; create what is missing of it. Raises OSError."""
        self.path = path
        for folder in (path, path / "tmp", path / "new", path / "cur"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def store(self, content: bytes) -> Stored:
        """Add a message. Raises OSError, and then leaves nothing behind."""
        seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
        message_id = secrets.token_hex(6).upper()
        name = f"{seconds}.M{nanoseconds // 1000:06}R{message_id}.sandbox"
        draft = self.path / "tmp" / name
        try:
            _write_new(draft, content)
            return Stored(message_id, draft.rename(self.path / "new" / name))
        except OSError:
            draft.unlink(missing_ok=True)
            raise


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


# Windows would otherwise turn LF into CRLF.
_BINARY: int = getattr(os, "O_BINARY", 0)
