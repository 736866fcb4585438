"""What a run tells while it works. The display, `--json` and tests are its listeners."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from nexomailer_cli.bulk.state import State
from nexomailer_cli.smtp.outcome import Attempt


class Settled(Struct, frozen=True):
    """A row has a verdict, or is put off.

    `state` is DEFERRED for a row that will be tried again at `due`, a moment of the wall
    clock; whether this run still does is `is_final`.
    """

    number: int
    key: str
    state: State
    tries: int
    provider: str
    code: int | None = None
    enhanced: str = ""
    text: str = ""
    due: float = 0.0
    is_final: bool = True


class Troubled(Struct, frozen=True):
    """A provider could not do its part; `is_off` when it is not asked again."""

    attempt: Attempt
    is_off: bool


class Stopping(Struct, frozen=True):
    """No new message starts, for this reason."""

    reason: str


Event = Settled | Troubled | Stopping
Listener = Callable[[Event], None]
