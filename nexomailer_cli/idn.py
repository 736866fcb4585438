"""Domains as A-labels (IDNA 2008). Knows nothing of mailboxes."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

MAX_DOMAIN: Final = 255  # octets, RFC 5321 section 4.5.3.1.2


@lru_cache(maxsize=1024)
def to_ascii(domain: str) -> str:
    """Return a non-ASCII domain as A-labels; raise ValueError with the reason if it has none.

    UTS #46 mapping comes first, so capitals, full-width letters and the ideographic
    full stop are taken as a browser takes them. What the standard does not allow is
    refused: a guess would be somebody else's domain.
    """
    import idna

    # The length first: what is done with each label is not linear.
    if len(domain) > MAX_DOMAIN:
        raise ValueError(f"the domain is longer than {MAX_DOMAIN} octets")
    try:
        return idna.encode(domain, uts46=True, std3_rules=True).decode("ascii")
    except UnicodeError as exc:
        raise ValueError(f"the domain is not an IDNA 2008 name: {exc}") from exc
