"""The last word of an examination: what is wrong and what to do, or what can be sent.

Every sentence that gives advice comes from the table of findings; here are only the facts
beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.cli.screen_chain import certificate_data, chain_lines
from nexomailer_cli.cli.screen_page import Cell
from nexomailer_cli.cli.screen_ready import ready_rows
from nexomailer_cli.cli.screen_words import counted, exit_words, lasting, place, tried
from nexomailer_cli.probe.report import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nexomailer_cli.cli.screen_page import Page
    from nexomailer_cli.probe.report import Found, Recommended, Report, Target

LABEL_WIDTH = 7
INTERRUPTED = 130
UNTESTED = "could not be tested to the end"
_STYLES = {Severity.FAIL: "error", Severity.WARN: "warning", Severity.INFO: "faint"}
_PARTS = {
    "connect": "connection",
    "encrypted": "encryption",
    "trusted": "certificate",
    "authenticated": "sign in",
    "envelope": "envelope",
}

Row = tuple[str, tuple[str, ...]]


class Block(Struct, frozen=True):
    """A verdict: rows of a label and its paragraphs, other findings, and what stands below."""

    heading: str
    style: str
    rows: tuple[Row, ...]
    others: tuple[Found, ...] = ()
    remarks: tuple[str, ...] = ()

    def lines(self, page: Page) -> list[str]:
        """Return the block as it is shown."""
        inside = [line for row in self.rows for line in _row(row, page)]
        if self.others and inside:
            inside.append(" " * page.inner_width)
        for found in self.others:
            inside += _other(found, page)
        below = page.paragraph(" · ".join(self.remarks), "faint") if self.remarks else []
        return [*page.block(self.heading, inside, self.style), *below]


def _row(row: Row, page: Page) -> list[str]:
    label, paragraphs = row
    room = page.inner_width - LABEL_WIDTH - 1
    return page.row(Cell((label,), LABEL_WIDTH, "strong"), Cell(paragraphs, room))


def _other(found: Found, page: Page) -> list[str]:
    status = "info" if found.severity is Severity.INFO else found.severity.value
    room = page.inner_width - page.glyph_width - 1
    return page.row(page.glyph(status), Cell((sentence(found),), room))


def sentence(found: Found) -> str:
    """Return a finding in one line: what is wrong, and what to do about it."""
    return f"{found.title.rstrip('.')}. {found.fix}"


def first_failure(report: Report) -> Found | None:
    """Return the finding that stopped an examination: that of the earliest stage."""
    order = [stage.id for stage in report.stages]
    failures = [found for found in report.findings if found.severity is Severity.FAIL]
    return min(
        failures,
        key=lambda found: order.index(found.stage) if found.stage in order else len(order),
        default=None,
    )


def verdict_of(report: Report, page: Page) -> Block:
    """Return the last word about one target."""
    found = first_failure(report)
    if report.exit_code == INTERRUPTED:
        return _unfinished(report, page, "interrupted")
    if report.verdict in ("ok", "warn"):
        return _ready(report, page)
    if found is None:
        return _unfinished(report, page, UNTESTED)
    others = (each for each in report.findings if each is not found)
    return Block(
        found.heading,
        "error",
        tuple(_failure_rows(found, report)),
        tuple(_worth_telling(others, page)),
        tuple(_failure_remarks(found, report)),
    )


def verdict_of_finding(found: Found) -> Block:
    """Return the last word where there is no target to examine."""
    rows = tuple(_advice(found))
    return Block(
        found.heading, _STYLES[found.severity], rows, (), (found.id, exit_words(found.exit_code))
    )


def summary_of(report: Report) -> str:
    """Return the last word in few words."""
    found = first_failure(report)
    if report.exit_code == INTERRUPTED:
        return "interrupted"
    if report.verdict == "ok":
        return "ready to send"
    if report.verdict == "warn":
        return f"ready to send, {counted(_warnings(report), 'warning')}"
    return found.heading if found else UNTESTED


def _warnings(report: Report) -> int:
    return sum(found.severity is Severity.WARN for found in report.findings)


def _worth_telling(findings: Iterable[Found], page: Page) -> list[Found]:
    return [each for each in findings if page.is_verbose or each.severity is not Severity.INFO]


def _failure_rows(found: Found, report: Report) -> Iterator[Row]:
    data = certificate_data(report)
    if data and data.chain and found.stage == "certificate":
        yield "Chain", tuple(chain_lines(data))
    yield from _advice(found)
    if report.alternatives:
        yield "Tried", (" · ".join(tried(each, report.target) for each in report.alternatives),)
    notes = tuple(_notes(found, report))
    if notes:
        yield "Note", notes
    if report.recommended:
        yield "Run", (_command(report.target, report.recommended),)


def _command(target: Target, recommended: Recommended) -> str:
    import shlex

    # A name out of the DNS may hold anything, and this line is made to be pasted.
    where = shlex.quote(place(target.ascii_host, recommended.port))
    return f"nexomailer test-connection {where} --security {recommended.security}"


def _advice(found: Found) -> Iterator[Row]:
    yield "Why", (found.meaning,)
    yield "Fix", (found.fix,)
    if found.docs:
        yield "See", found.docs


def _notes(found: Found, report: Report) -> Iterator[str]:
    if found.stage == "auth" and report.auth.result == "refused":
        yield "One attempt was made. Repeating it can lock the account."
    if found.retry_after_s:
        yield f"This usually passes within {lasting(found.retry_after_s)}."


def _failure_remarks(found: Found, report: Report) -> Iterator[str]:
    data = certificate_data(report)
    is_about_trust = found.stage == "certificate"
    code = data.verify_code if data and is_about_trust else None
    yield f"{found.id} (OpenSSL code {code})" if code else found.id
    yield exit_words(report.exit_code)
    if is_about_trust and not report.auth.attempted:
        yield "no password was sent"
    if found.stage == "tcp" and report.alternatives:
        yield "--no-alternatives skips the extra connections"
    if found.stage == "auth" and report.auth.secret_source:
        yield f"password from {report.auth.secret_source}"


def _ready(report: Report, page: Page) -> Block:
    warnings = _warnings(report)
    exits = f"exit {report.exit_code}"
    if warnings and not report.exit_code:
        exits = f"{exits} (1 with --strict)"
    hints = "--json for CI" if page.is_verbose else "-v shows the conversation, --json for CI"
    counts = (counted(warnings, "warning"),) if warnings else ()
    return Block(
        "ready to send",
        "warning" if report.verdict == "warn" else "good",
        tuple(ready_rows(report)),
        tuple(_worth_telling(report.findings, page)),
        (*counts, exits, hints),
    )


def _unfinished(report: Report, page: Page, heading: str) -> Block:
    by_state = {
        "Works": [name for key, name in _PARTS.items() if getattr(report.ready, key)],
        "Fails": [name for key, name in _PARTS.items() if getattr(report.ready, key) is False],
        "Open": [name for key, name in _PARTS.items() if getattr(report.ready, key) is None],
    }
    return Block(
        heading,
        "warning",
        tuple((label, (", ".join(names),)) for label, names in by_state.items() if names),
        tuple(_worth_telling(report.findings, page)),
        (exit_words(report.exit_code),),
    )
