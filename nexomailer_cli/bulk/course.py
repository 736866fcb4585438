"""How a run is to go, as one value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.bulk.tally import Bounds

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from nexomailer_cli.bulk.events import Listener
    from nexomailer_cli.bulk.job import Job
    from nexomailer_cli.smtp.envelope import Mail


class Course(Struct, frozen=True, kw_only=True):
    """How a run is to go: moments of the wall clock, in seconds.

    `write` makes the mail of a row, which begins at the second given if it has not begun before,
    and may raise MessageError. `until` is when rows are no longer tried again, `patience` for
    how long providers are waited for none of which is of use.
    """

    write: Callable[[Job, int], Mail]
    tell: Listener
    random: Random
    until: float = float("inf")
    patience: float = 0.0
    bounds: Bounds = Bounds()
