"""Very many keys in little memory: a million addresses take 100 MB in a set, here 25.

What is kept of a key is 64 bits of Python's hash of it, which differs from run to run so that
nobody can prepare two that collide. Among a million addresses the odds that any two do so by
chance are one in thirty million.
"""

from __future__ import annotations

from array import array
from typing import Final

_SMALLEST: Final = 1024  # slots; a power of two
_WORD: Final = (1 << 64) - 1


class KeySet:
    """Keys, and a number with each: where it was met first."""

    def __init__(self) -> None:
        self._size = 0
        self._hashes, self._numbers = _slots(_SMALLEST)

    def __len__(self) -> int:
        return self._size

    def get(self, key: str) -> int:
        """Return the number that came with a key, 0 if it is not there."""
        return self._numbers[self._slot(_hash(key))]

    def add(self, key: str, number: int) -> int:
        """Add a key with a number above 0; return the earlier number if it was there, else 0."""
        value = _hash(key)
        slot = self._slot(value)
        earlier = self._numbers[slot]
        if earlier:
            return earlier
        self._hashes[slot], self._numbers[slot] = value, number
        self._size += 1
        if 3 * self._size > 2 * len(self._hashes):
            self._grow()
        return 0

    def _slot(self, value: int) -> int:
        """Return where a hash is, or where there is room for it."""
        hashes, numbers = self._hashes, self._numbers
        last = len(hashes) - 1
        slot = value & last
        while numbers[slot] and hashes[slot] != value:
            slot = (slot + 1) & last
        return slot

    def _grow(self) -> None:
        old = zip(self._hashes, self._numbers, strict=True)
        self._hashes, self._numbers = _slots(2 * len(self._hashes))
        for value, number in old:
            if number:
                slot = self._slot(value)
                self._hashes[slot], self._numbers[slot] = value, number


def _hash(key: str) -> int:
    return hash(key) & _WORD


def _slots(count: int) -> tuple[array[int], array[int]]:
    return array("Q", [0]) * count, array("I", [0]) * count
