"""What makes a run this run, and a row of it this row, wherever a copy turns up."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nexomailer_cli.bulk.recipients import Row


def new_secret() -> str:
    """Return what nobody can guess: from it follow the Message-IDs of a run."""
    return os.urandom(16).hex()


def local_part(secret: str, key: str) -> str:
    """Return the left side of a row's Message-ID, the same at every attempt."""
    return hashlib.blake2b(key.encode(), key=secret.encode(), digest_size=16).hexdigest()


def digest(parts: Iterable[str]) -> str:
    """Return a fingerprint of texts in their order; where one ends is part of it."""
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        octets = part.encode("utf-8", "surrogatepass")
        found.update(len(octets).to_bytes(8) + octets)
    return found.hexdigest()


class RowsDigest:
    """The fingerprint of all rows, taken while they pass by."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._found = hashlib.blake2b("\x1f".join(columns).encode(), digest_size=16)

    def add(self, row: Row) -> None:
        """Take in the next row."""
        line = "\x1f".join(map(str, row.values.values()))
        self._found.update(line.encode("utf-8", "surrogatepass") + b"\x1e")

    @property
    def hex(self) -> str:
        """The fingerprint of the rows so far."""
        return self._found.hexdigest()
