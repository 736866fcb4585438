"""What a transport is, and what it tells while it works.

`ProviderTransport`, `FailoverTransport` and `RetryTransport` satisfy one protocol, so
they nest. They wait: one mail needs no event loop. What bytes move on is called `wire`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.outcome import Attempt, Disposition, Outcome
    from nexomailer_cli.smtp.reply import Reply


class Transport(Protocol):
    """Anything that takes a mail and says what became of it."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def send(self, mail: Mail) -> Outcome:
        """Hand `mail` over; a failure is in the outcome.

        Raises only MessageError, for an envelope that must not reach a command line.
        """
        ...

    def close(self) -> None:
        """Part politely from all servers."""
        ...


class Said(Struct, frozen=True):
    """One line of a session, secrets replaced. `speaker` is `C` or `S`."""

    speaker: str
    text: str


class Attempted(Struct, frozen=True):
    """An attempt has ended, and so with the recipients that it was for."""

    attempt: Attempt
    dispositions: tuple[Disposition, ...] = ()


class PastReturn(Struct, frozen=True):
    """The end of the content is about to go out: from now on the mail may be delivered."""

    provider: str


class Waiting(Struct, frozen=True):
    """Nothing happens for `seconds`, then the mail is tried again."""

    seconds: float
    recipients: int


class Withheld(Struct, frozen=True):
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
