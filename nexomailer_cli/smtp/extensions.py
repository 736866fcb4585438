"""What a server promised in its reply to EHLO (RFC 5321 section 4.1.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from nexomailer_cli.smtp.reply import Reply


class Extensions(Struct, frozen=True):
    """The service extensions of one session.

    Valid for the session that announced them and no other, and only since its last
    EHLO: RFC 3207 section 4.2 forbids keeping anything from before TLS.
    """

    pipelining: bool = False  # RFC 2920
    chunking: bool = False  # RFC 3030
    eight_bit_mime: bool = False  # RFC 6152
    smtputf8: bool = False  # RFC 6531
    dsn: bool = False  # RFC 3461
    starttls: bool = False  # RFC 3207
    size: int | None = None  # octets, RFC 1870; None: not announced or without limit
    max_recipients: int | None = None  # LIMITS RCPTMAX, RFC 9422: in one transaction
    max_mails: int | None = None  # LIMITS MAILMAX, RFC 9422: transactions in one session
    auth: tuple[str, ...] = ()  # SASL mechanisms in capitals, RFC 4954


def parse_extensions(ehlo: Reply) -> Extensions:
    """Read the keywords of an EHLO reply; those that are unknown or malformed count for nothing."""
    keywords = _keywords(ehlo.lines[1:])
    return Extensions(
        pipelining="PIPELINING" in keywords,
        chunking="CHUNKING" in keywords,
        eight_bit_mime="8BITMIME" in keywords,
        smtputf8="SMTPUTF8" in keywords,
        dsn="DSN" in keywords,
        starttls="STARTTLS" in keywords,
        size=_positive(keywords.get("SIZE", [])[:1]),
        max_recipients=_limit(keywords.get("LIMITS", []), "RCPTMAX="),
        max_mails=_limit(keywords.get("LIMITS", []), "MAILMAX="),
        auth=tuple(dict.fromkeys(keywords.get("AUTH", []))),
    )


def _keywords(lines: tuple[str, ...]) -> dict[str, list[str]]:
    keywords: dict[str, list[str]] = {}
    for line in lines:
        # `AUTH=PLAIN LOGIN` is what clients of 1999 needed; servers still send both.
        keyword, *parameters = line.upper().replace("AUTH=", "AUTH ", 1).split() or [""]
        keywords.setdefault(keyword, []).extend(parameters)
    return keywords


def _limit(parameters: list[str], name: str) -> int | None:
    return _positive([p.removeprefix(name) for p in parameters if p.startswith(name)])


def _positive(values: list[str]) -> int | None:
    # RFC 1870 section 3: a SIZE of 0 means that no fixed maximum is in force.
    number = next((int(v) for v in values if v.isascii() and v.isdigit() and len(v) < 20), 0)
    return number or None
