"""Evidence of a failure becomes a finding: what happened, and what cures it.

The knowledge is `findings.toml` (`probe.table`); here is how it is worded. Knows nothing about
connections, and believes nothing that a server says: its words may select a finding
and be shown as a quotation, but never become part of the advice.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from nexomailer_cli.printable import printable
from nexomailer_cli.probe.severity import Severity
from nexomailer_cli.probe.table import Row, every_row, find, transience

if TYPE_CHECKING:
    from collections.abc import Iterator

# EX_TEMPFAIL of sysexits.h: the one exit status that says "safe to try again".
TEMPORARY = 75
# Google's longest refusals have about 600 characters; the patterns run on no more than this.
MAX_TEXT = 2000
MAX_QUOTED = 300
# What is left out where nothing was said.
_SAID = re.compile(r"(?:(?:It said|What was seen:) )?\{said\}\. ?")


class Evidence(Struct, frozen=True):
    """What was seen when a conversation failed.

    `phase` is a `smtp.outcome.Phase`, `reason` a tag as in `errors.TransportError`,
    `code` and `enhanced` are of the reply that ended it, `text` its words or the detail of
    the exception (for `WRONG_VERSION_NUMBER` perhaps the first bytes, as text).
    """

    phase: str
    reason: str = ""
    code: int | None = None
    enhanced: str = ""
    text: str = ""
    host: str = ""
    port: int | None = None


class Finding(Struct, frozen=True):
    """A diagnosis. `id` is stable; the words are harmless to show, but not to mark up.

    `heading` is `title` in few words. `retry_after` is how long such a trouble usually lasts,
    in seconds, where it is temporary. `docs` are links of ours, never of a server.
    """

    id: str
    heading: str
    title: str
    meaning: str
    fix: str
    temporary: bool
    exit_status: int
    severity: Severity = Severity.FAIL
    retry_after: int | None = None
    docs: tuple[str, ...] = ()

    @property
    def config(self) -> tuple[str, ...]:
        """The configuration keys that `fix` speaks of."""
        return _once(re.findall(r"\b(?:providers\.config|defaults)(?:\.[a-z_]+)+", self.fix))


def diagnose(evidence: Evidence) -> Finding:
    """Say what happened and what to do about it; there is an answer to everything.

    A 4xx reply is temporary whatever the finding says (RFC 5321 section 4.2.1).
    """
    seen = _harmless(evidence)
    finding = _worded(find(seen), seen)
    if not _becomes_temporary(finding, seen.code):
        return finding
    return structs.replace(
        finding,
        meaning=f"{finding.meaning} {transience().note}",
        temporary=True,
        exit_status=TEMPORARY,
        retry_after=transience().retry_after,
    )


def weigh(evidence: Evidence) -> int:
    """Return how much of the evidence decided its finding; 0 if phase and class of the code did."""
    seen = _harmless(evidence)
    return find(seen).weight(seen)


def described(identity: str) -> Finding | None:
    """Return the finding of that id as it is without any evidence, if there is one."""
    return next((finding for finding in all_findings() if finding.id == identity), None)


def all_findings() -> Iterator[Finding]:
    """Yield every finding as it is without any evidence."""
    return (_worded(row, Evidence("")) for row in every_row())


def _becomes_temporary(finding: Finding, code: int | None) -> bool:
    is_refusal = finding.severity is Severity.FAIL and not finding.temporary
    return is_refusal and code is not None and code // 100 == 4


def _harmless(evidence: Evidence) -> Evidence:
    return structs.replace(
        evidence,
        reason=printable(evidence.reason),
        enhanced=printable(evidence.enhanced),
        text=printable(evidence.text[:MAX_TEXT]),
        host=printable(evidence.host),
    )


def _worded(row: Row, seen: Evidence) -> Finding:
    server = _server(seen)
    words = {
        "server": server or "the server",
        "at": f" at {server}" if server else "",
        "host": _shortened(seen.host) or "the server",
        "port": "that port" if seen.port is None else f"port {seen.port}",
        "said": _quoted(seen),
    }
    meaning = row.meaning if words["said"] else _SAID.sub("", row.meaning).rstrip()
    return Finding(
        id=row.id,
        heading=row.heading,
        title=row.title.format_map(words),
        meaning=meaning.format_map(words),
        fix=row.fix.format_map(words),
        temporary=row.exit_status == TEMPORARY,
        exit_status=row.exit_status,
        severity=row.severity,
        retry_after=row.retry_after,
        # From the table and not from the words, which may quote the server.
        docs=_once(re.findall(r"https://[^\s,;]*[^\s,;.]", f"{row.meaning} {row.fix}")),
    )


def _once(found: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))


def _server(seen: Evidence) -> str:
    host = _shortened(seen.host)
    if not host or seen.port is None:
        return host
    return f"{_bracketed(host)}:{seen.port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _quoted(seen: Evidence) -> str:
    code = "" if seen.code is None else str(seen.code)
    said = " ".join(part for part in (code, seen.enhanced, seen.text) if part)
    return f"“{_shortened(said)}”" if said else ""


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…"
