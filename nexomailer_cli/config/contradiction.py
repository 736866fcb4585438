"""One thing that is wrong between values, as `contradictions` and its like find it."""

from __future__ import annotations

from msgspec import Struct


class Contradiction(Struct, frozen=True):
    """What is wrong, and where it is shown.

    `where` is a path of attribute names from the block on. `between` are the
    attributes of the block that it follows from: where one of them is wrong by
    itself, that explains the rest, and the contradiction is not worth telling.
    """

    message: str
    where: tuple[str | int, ...]
    between: tuple[str, ...]
