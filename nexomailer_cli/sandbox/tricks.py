"""Addresses that make the sandbox misbehave, as a table.

They let people see a failure before a real server shows them one. All stand in
`sandbox.test`, a domain that cannot exist (RFC 6761 section 6.2); a tag keeps
several of a kind apart: `reject+anna@sandbox.test`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

DOMAIN = "sandbox.test"

Moment = Literal["mail", "rcpt", "data"]


class Trick(Struct, frozen=True):
    """What happens to whom, and when.

    An empty `reply` leaves the client without an answer. `meaning` is for people.
    """

    local_part: str
    moment: Moment
    reply: str
    meaning: str
    hangs_up: bool = False

    @property
    def address(self) -> str:
        """The address to write to, or for `mail` to write from."""
        return f"{self.local_part}@{DOMAIN}"


TRICKS = (
    Trick("forbidden", "mail", "550 5.7.60 Sender not allowed", "as the sender: refused"),
    Trick("reject", "rcpt", "550 5.1.1 No such user here", "the recipient is refused for good"),
    Trick("defer", "rcpt", "450 4.2.0 Greylisted, try later", "the recipient is refused for now"),
    Trick("hangup", "rcpt", "421 4.3.2 Going down", "the session is ended", hangs_up=True),
    Trick("spam", "data", "554 5.7.1 Looks like spam", "the message is refused for good"),
    Trick("busy", "data", "451 4.3.0 Too busy, try later", "the message is refused for now"),
    # Stored all the same: whoever sends again what was not answered sees it twice.
    Trick("drop", "data", "", "the message is stored, then the line goes dead", hangs_up=True),
)

_BY_PLACE = {(trick.moment, trick.local_part): trick for trick in TRICKS}


def find_trick(address: str, *, moment: Moment) -> Trick | None:
    """Return what `address` asks for at this moment, if anything."""
    local_part, _, domain = address.lower().rpartition("@")
    if domain != DOMAIN:
        return None
    return _BY_PLACE.get((moment, local_part.partition("+")[0]))
