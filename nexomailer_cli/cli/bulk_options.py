"""What `bulk` was asked for, as it was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from nexomailer_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class BulkOptions(Struct, frozen=True, kw_only=True):
    """The options of `bulk`. A tuple is an option that may be repeated."""

    file: str
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
    row: int | None = None
    yes: bool = False
    limit: int | None = None
    offset: int = 0
    connections: int | None = None
    rate: tuple[str, ...] = ()
    max_errors: str | None = None
    retry_for: str | None = None
    provider: str | None = None
    no_failover: bool = False
    only_4: bool = False
    only_6: bool = False
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
        return "stdin.journal" if self.file == "-" else f"{self.file}.journal"

    @property
    def read_files(self) -> Iterator[str]:
        """What is read, and so must not be written to."""
        if self.file != "-":
            yield self.file
        if self.template is not None:
            yield self.template
        yield from self.suppress
        for body in (self.text, self.html, self.markdown):
            if body is not None and body.startswith("@"):
                yield body[1:]


def require_sense(options: BulkOptions) -> None:
    """Raise UsageError for options that contradict each other.

    Whoever says `-o` or `--row` means to try something out: to send to everybody instead would
    be the worst way to take it.
    """
    if options.output is not None and not options.dry_run:
        raise UsageError("-o is for --dry-run", hint="Say --dry-run too; nothing is sent then.")
    if options.row is not None and options.test_to is None:
        raise UsageError(
            "--row is for --test-to", hint="To send a part of the rows, use --offset and --limit."
        )
    asked = {
        "--check": options.check,
        "--dry-run": options.dry_run,
        "--test-to": options.test_to is not None,
    }
    given = [name for name, is_given in asked.items() if is_given]
    if options.report is not None:
        given.append("--report")
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} do not go together")


def options_of(given: Mapping[str, Any]) -> BulkOptions:
    """Return the options out of the arguments of the command; what was not repeated is empty."""
    values: dict[str, Any] = {}
    for name in BulkOptions.__struct_fields__:
        value = given[name]
        if value is not None:
            values[name] = tuple(value) if isinstance(value, list) else value
    return BulkOptions(**values)
