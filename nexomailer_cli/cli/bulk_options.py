"""What `bulk` was asked for, as it was typed."""

from __future__ import annotations

from msgspec import Struct


class BulkOptions(Struct, frozen=True, kw_only=True):
    """The options of `bulk`. A tuple is an option that may be repeated."""

    input: str
    template: str | None = None
    sender: str | None = None
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    markdown: str | None = None
    attach: tuple[str, ...] = ()
    attach_root: str | None = None
    header: tuple[str, ...] = ()
    list_unsubscribe: tuple[str, ...] = ()
    envelope_from: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    key: str | None = None
    dedupe: str = "error"
    suppress: tuple[str, ...] = ()
    check: bool = False
    dry_run: bool = False
    output: str | None = None
    test_to: str | None = None
    row: int = 1
    yes: bool = False
    limit: int | None = None
    offset: int = 0
    connections: int | None = None
    rate: tuple[str, ...] = ()
    max_errors: str | None = None
    retry_for: str | None = None
    provider: str | None = None
    failover: bool = True
    journal: str | None = None
    durable: bool = False
    accept_changes: bool = False
    retry_failed: bool = False
    resend_unknown: bool = False
    report: str | None = None
    as_json: bool = False

    @property
    def journal_path(self) -> str:
        """Where the run's journal is."""
        if self.journal is not None:
            return self.journal
        return "stdin.journal" if self.input == "-" else f"{self.input}.journal"
