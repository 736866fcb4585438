"""What makes a message this one: its Message-ID, its Date, its boundaries.

The one door through which time and randomness enter the composing of a message.
"""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nexomailer_cli.errors import MessageError
from nexomailer_cli.message.characters import shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_MESSAGE_ID: Final = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
# Other people's identifiers are not always right; what counts is that they stay one token.
_REFERENCE: Final = re.compile(r"<[!-;=?-~]+>")
_MAX_ID: Final = 900  # octets, so that it fits a line


def new_message_id(domain: str) -> str:
    """Return a Message-ID nobody else has; it tells neither time nor host."""
    return f"<{os.urandom(16).hex()}@{domain}>"


def check_message_id(text: str) -> str:
    """Return `text` if it is a msg-id (RFC 5322 section 3.6.4), else raise MessageError."""
    if len(text) > _MAX_ID or "=?" in text or not _MESSAGE_ID.fullmatch(text):
        raise MessageError(
            f"not a Message-ID: {shown(text)}",
            hint="It looks like <unique@example.com>, in ASCII without spaces.",
        )
    return text


def references(name: str, text: str) -> tuple[str, ...]:
    """Return the msg-ids of an In-Reply-To or References value; raise MessageError."""
    identifiers = tuple(text.replace("><", "> <").split(" "))
    identifiers = tuple(identifier for identifier in identifiers if identifier)
    for identifier in identifiers:
        if len(identifier) > _MAX_ID or "=?" in identifier or not _REFERENCE.fullmatch(identifier):
            raise MessageError(
                f"{name}: not a Message-ID: {shown(identifier)}",
                hint="Copy it with its angle brackets: <unique@example.com>.",
            )
    return identifiers


def date_body(when: datetime | None) -> str:
    """Return a Date (RFC 5322 section 3.3); `None` is now, a naive time is local.

    English whatever the locale says. A year before 1900 is an error of the caller.
    """
    return _now() if when is None else _body(when)


# Messages of one run are dated alike, many of them by the same object.
@lru_cache(maxsize=64)
def _body(when: datetime) -> str:
    if when.tzinfo is None:
        when = when.astimezone()
    offset = when.utcoffset()
    assert offset is not None
    day, clock = when.timetuple(), int(offset.total_seconds())
    return _date(day, clock)


def _now() -> str:
    local = time.localtime()
    return _date(local, local.tm_gmtoff)


def _date(day: time.struct_time, offset: int) -> str:
    year, month, date, hour, minute, second, weekday, _, _ = day
    sign = "-" if offset < 0 else "+"
    hours, minutes = divmod(abs(offset) // 60, 60)
    return (
        f"{_DAYS[weekday]}, {date:02} {_MONTHS[month - 1]} {year:04} "
        f"{hour:02}:{minute:02}:{second:02} {sign}{hours:02}{minutes:02}"
    )


def boundary_mark(seed: str, bodies: Sequence[bytes], *, wanted: str = "") -> str:
    """Return a mark for boundaries that occurs in none of `bodies`: the wanted one, if it can be.

    It follows from `seed`, the Message-ID, so that composing a message again gives the
    same bytes. `=_` can occur neither in quoted-printable nor in base64 (RFC 2045
    section 6.7); that a plain body does not foresee the mark is looked up.
    """
    mark, attempt = wanted or new_mark(f"0{seed}"), 0
    while _occurs(mark, bodies):
        attempt += 1
        mark = new_mark(f"{attempt}{seed}")
    return mark


def new_mark(seed: str) -> str:
    """Return the mark that follows from a seed."""
    from hashlib import blake2b

    return blake2b(seed.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _occurs(mark: str, bodies: Sequence[bytes]) -> bool:
    octets = mark.encode()
    return True in [octets in body for body in bodies]
