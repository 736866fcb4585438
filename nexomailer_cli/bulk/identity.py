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
        self._columns = tuple(columns)
        self._found = hashlib.blake2b("\x1f".join(self._columns).encode(), digest_size=16)

    def add(self, row: Row) -> None:
        """Take in the next row."""
        line = "\x1f".join(map(str, row.values.values()))
        if (names := tuple(row.values)) != self._columns:
            # In JSON Lines a value may have moved from one member to another.
            line = "\x1f".join((line, *names))
        self._found.update(line.encode("utf-8", "surrogatepass") + b"\x1e")

    @property
    def hex(self) -> str:
        """The fingerprint of the rows so far."""
        return self._found.hexdigest()


class NumbersDigest:
    """The fingerprint of some of the rows, by their numbers."""

    def __init__(self) -> None:
        self._found = hashlib.blake2b(digest_size=16)

    def add(self, number: int) -> None:
        """Take in the next one."""
        self._found.update(number.to_bytes(8))

    @property
    def hex(self) -> str:
        """The fingerprint of the numbers so far."""
        return self._found.hexdigest()
