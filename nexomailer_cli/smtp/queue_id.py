"""The name under which a server has queued a message, from the words of its last reply.

No RFC says where it stands; each product has its own sentence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexomailer_cli.smtp.reply import Reply

_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"queued as <?([\w.@+=-]+)>?",  # Postfix, aiosmtpd, Haraka, our sandbox
        r"\bid=([\w-]+)",  # Exim
        r"\bqueued mail for delivery.*\[InternalId=(\d+)",  # Exchange
        r"^([\w-]+) message accepted for delivery",  # Sendmail, OpenSMTPD
        r"^ok:? (?:queued )?(?:as )?<?([\w.@+=-]{8,})>?",  # SES, SendGrid, Gmail, Mailgun
        r"^(?:message )?(?:accepted|queued)[:,]? (?:as )?<?([\w.@+=-]{8,})>?",
        r"\bmessage[- ]?id:? <?([\w.@+=-]{8,})>?",
    )
)


def queue_id(reply: Reply | None) -> str | None:
    """Return the server's own id of a message, `None` where it did not tell one."""
    if reply is None:
        return None
    found = (pattern.search(reply.text) for pattern in _PATTERNS)
    return next((match[1] for match in found if match), None)
