"""What a transport is, and what it tells while it works.

`ProviderTransport`, `FailoverTransport` and `RetryTransport` satisfy one protocol, so
they nest. asyncio's transports are called `wire` in this room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.outcome import Attempt, Outcome
    from nexomailer_cli.smtp.reply import Reply


class Transport(Protocol):
    """Anything that takes a mail and says what became of it."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    async def send(self, mail: Mail) -> Outcome:
        """Hand `mail` over; failures are in the outcome, never raised."""
        ...

    async def aclose(self) -> None:
        """Part politely from all servers."""
        ...


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a session, secrets replaced. `speaker` is `C` or `S`."""

    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt has ended."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class PastReturn:
    """The end of the content is about to go out: from now on the mail may be delivered."""

    provider: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing happens for `seconds`, then the mail is tried again."""

    seconds: float
    recipients: int


@dataclass(frozen=True, slots=True)
class Withheld:
    """Something that was asked for and that this provider's server does not offer."""

    provider: str
    what: str


Event = Said | Attempted | PastReturn | Waiting | Withheld
Observer = Callable[[Event], None]


def said_reply(reply: Reply) -> Iterator[Said]:
    """Yield the lines of a reply as the server sent them."""
    last = len(reply.lines) - 1
    for index, line in enumerate(reply.lines or ("",)):
        mark = " " if index >= last else "-"
        words = " ".join(word for word in (reply.enhanced, line) if word)
        yield Said("S", f"{reply.code}{mark}{words}")


def unobserved(_event: Event) -> None:
    """Listen to nothing."""
