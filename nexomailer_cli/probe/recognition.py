"""What the refusals and failures in a pasted text mean, where nobody says how they came about.

A reply code says little without the command that it answers. Where the text does not tell the
command, the likely ones are tried, and the finding that rests on most of the evidence wins.
"""

from __future__ import annotations

import re

from msgspec import Struct, structs

from nexomailer_cli.probe.diagnosis import Evidence, Finding, diagnose, weigh
from nexomailer_cli.probe.reading import Clue, clues
from nexomailer_cli.smtp.outcome import Phase

# Said to AUTH (RFC 4954 section 6, RFC 5248; 525 is Brevo's), or to a client who forgot it.
_AUTH_CODES = {334, 525, 534, 535, 538}
_AUTH_WORDS = re.compile(r"\bauth|log[ -]?in|sign[ -]?in|passw|credential|token", re.IGNORECASE)
_ENVELOPE = (Phase.RCPT, Phase.MAIL, Phase.END, Phase.GREETING)

_SECRETS = re.compile(
    # what a client says to sign in
    r"(?P<auth>\bAUTH [A-Z0-9-]{3,20} )[^\s'\"]+"
    # the password of a URL, and of anything that is named as one
    r"|(?P<url>\b[a-z][a-z0-9+]{2,12}://[^\s/:@]{0,200}:)[^\s/]{1,500}(?=@)"
    r"|(?P<name>\b(?:pass(?:word|wd)?|secret|(?:access_?)?token|api[_-]?key)['\"]?\s?[=:]\s?)"
    r"(?P<quote>['\"]?)[^\s'\",;]+"
    r"|(?P<bearer>\bBearer )[\w.~+/=-]+"
    # the address of a page is none, however long
    r"|(?P<page>\bhttps?://[^\s@]+)"
    # base64 that is long enough for one; a server's own JSON is no secret
    r"|(?<![\w/.@:+-])(?!eyJzdGF0dXMi)(?=[A-Za-z]{0,40}[\d+/=])[A-Za-z0-9+/]{16,}={0,2}(?![\w.@:/-])",
    re.IGNORECASE,
)


class Recognised(Struct, frozen=True):
    """A refusal or failure and what it means. `input` is what it was, without secrets."""

    input: str
    finding: Finding


def recognise(
    text: str, *, phase: str = "", host: str = "", port: int | None = None
) -> tuple[Recognised, ...]:
    """Return what is known of each refusal and failure in `text`, in their order.

    `phase` is where they happened, if that is known; the same line counts once.
    """
    found = (_recognised(clue, phase, host, port) for clue in clues(text))
    return tuple({(each.input, each.finding.id): each for each in found}.values())


def _recognised(clue: Clue, phase: str, host: str, port: int | None) -> Recognised:
    seen = Evidence(
        phase or clue.phase,
        clue.reason,
        clue.code,
        clue.enhanced,
        concealed(clue.text),
        host,
        port,
    )
    finding = diagnose(seen if seen.phase else _placed(seen))
    return Recognised(concealed(clue.shown), finding)


def _placed(seen: Evidence) -> Evidence:
    if seen.code is None:
        return structs.replace(seen, phase=Phase.CONNECT)
    best = max((structs.replace(seen, phase=each) for each in _likely_phases(seen)), key=weigh)
    # Rather no phase than a guessed one, where the finding would be little more than its name.
    return best if best.phase == Phase.AUTH or weigh(best) else seen


def _likely_phases(seen: Evidence) -> tuple[str, ...]:
    if seen.code in _AUTH_CODES:
        return (Phase.AUTH, Phase.MAIL)
    if seen.code == 454 or _AUTH_WORDS.search(seen.text):
        return (Phase.AUTH, *_ENVELOPE)
    return (*_ENVELOPE, Phase.AUTH) if seen.code in (421, 504) else _ENVELOPE


def concealed(text: str) -> str:
    """Return `text` with *** for what may be a password or a token."""
    return _SECRETS.sub(_starred, text)


def _starred(match: re.Match[str]) -> str:
    kept = match.groupdict()
    if kept["page"]:
        return match[0]
    named = f"{kept['name']}{kept['quote'] or ''}" if kept["name"] else ""
    return f"{kept['auth'] or kept['url'] or named or kept['bearer'] or ''}***"
