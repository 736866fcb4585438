"""The message of a run: compiled once from options and defaults, written for every row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from nexomailer_cli.bulk.examination import Examination, Policy
from nexomailer_cli.bulk.identity import digest
from nexomailer_cli.bulk.suppression import Suppression
from nexomailer_cli.bulk.writer import Writer
from nexomailer_cli.cli import sources
from nexomailer_cli.cli.request import check_standing_headers
from nexomailer_cli.errors import MessageError, UsageError
from nexomailer_cli.message.letter import Table, compile_letter
from nexomailer_cli.message.wording import Wording
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.bulk.composer import Setup
    from nexomailer_cli.bulk.recipients import Row, Rows
    from nexomailer_cli.cli.bulk_options import BulkOptions
    from nexomailer_cli.config.settings import Defaults
    from nexomailer_cli.message.draft import Address, Draft

SAMPLE_LINES = 20


class Writing:
    """A run's message and the rows that it is for.

    Raises UsageError, InputError and MessageError for what is wrong whatever the row.
    """

    def __init__(self, options: BulkOptions, defaults: Defaults, rows: Rows) -> None:
        self.rows = rows
        self._options = options
        self._sender = ""
        self._wording = _wording(options, defaults)
        self._letter = compile_letter(self._wording, _table(options, rows))
        unknown = self._letter.unknown_names()
        if unknown:
            known = ", ".join(printable(name) for name in rows.columns[:20])
            raise MessageError("\n".join(map(str, unknown)), hint=f"Columns: {known}.")
        if options.key is not None and options.key not in rows.columns:
            raise UsageError(f"--key: there is no column “{printable(options.key)}”")

    @property
    def digest(self) -> str:
        """The fingerprint of the message before rows come in."""
        return digest(self._letter.sources)

    @property
    def has_unsubscribe(self) -> bool:
        """Whether a header lets its readers unsubscribe."""
        return self._letter.has_unsubscribe

    def sender(self) -> str:
        """Return the address that the first row's message is from."""
        if not self._sender:
            self._sender = self._letter.sender(next(iter(self.rows))).spec
        return self._sender

    def senders(self) -> Iterator[str]:
        """Yield the addresses that the rows' messages are from."""
        for row in self.rows:
            yield self._letter.sender(row).spec

    def examination(self) -> Examination:
        """Return a pass over all rows."""
        options = self._options
        suppression = Suppression(options.suppress) if options.suppress else None
        dedupe = cast("Literal['error', 'skip', 'keep']", options.dedupe)
        return Examination(self.rows, self._letter, Policy(options.key or "", dedupe, suppression))

    def writer(self, secret: str, domain: str) -> Writer:
        """Return what writes the rows' mails, with Message-IDs that follow from both."""
        return Writer(self._letter, secret, domain)

    def setup(self, secret: str, domain: str) -> Setup | None:
        """Return what another process needs to write them; None where it had better not.

        Files may change, and are read once, here.
        """
        from nexomailer_cli.bulk.composer import Setup

        if self._letter.has_files:
            return None
        return Setup(self._wording, self.rows.name, self.rows.columns, secret, domain)

    def sample(self, row: Row) -> str:
        """Return a row's message as its reader will see it, harmless, and not all of a long one."""
        draft = self._letter.draft(row, message_id="", date=None)
        body = (draft.text or "").splitlines()
        shown = [*_visible_fields(draft), "", *body[:SAMPLE_LINES]]
        if len(body) > SAMPLE_LINES:
            shown.append("…")
        return "\n".join(f"  | {printable(line)}".rstrip() for line in shown)


def _visible_fields(draft: Draft) -> Iterator[str]:
    """Yield what differs between messages most, in words and not as it is encoded."""
    people = {
        "From": (draft.sender,),
        "To": draft.to,
        "Cc": draft.cc,
        "Bcc": draft.bcc,
        "Reply-To": draft.reply_to,
    }
    for name, addresses in people.items():
        if addresses:
            yield f"{name}: {', '.join(map(_shown, addresses))}"
    yield f"Subject: {draft.subject}"
    yield from (f"{name}: {value}" for name, value in draft.headers if value)
    yield from (f"List-Unsubscribe: <{uri}>" for uri in draft.list_unsubscribe)
    for file in draft.attachments:
        yield f"Attachment: {file.filename} ({len(file.content):,} octets)"


def _shown(address: Address) -> str:
    return f"{address.name} <{address.spec}>" if address.name else address.spec


def _table(options: BulkOptions, rows: Rows) -> Table:
    beside = Path() if options.file == "-" else Path(options.file).parent
    root = beside if options.attach_root is None else Path(options.attach_root)
    return Table(
        name=rows.name,
        columns=rows.columns,
        attach_root=root,
        template_folder=Path(options.template).parent if options.template else root,
        max_octets=sources.MAX_OCTETS,
    )


def _wording(options: BulkOptions, defaults: Defaults) -> Wording:
    check_standing_headers(defaults)
    return Wording(
        template=_template(options),
        sender=options.sender,
        to=options.to,
        cc=options.cc,
        bcc=options.bcc,
        reply_to=options.reply_to,
        subject=options.subject,
        text=_body(options.text, "--text"),
        html=_body(options.html, "--html"),
        markdown=_body(options.markdown, "--markdown"),
        attach=options.attach,
        headers=sources.header_fields(options.header),
        list_unsubscribe=options.list_unsubscribe,
        default_sender=defaults.from_ or "",
        default_reply_to=defaults.reply_to or "",
        standing=tuple(defaults.headers.items()),
        envelope_from=_envelope_from(options, defaults),
    )


def _template(options: BulkOptions) -> tuple[str, str] | None:
    if options.template is None:
        return None
    text = sources.decoded(sources.read_file(options.template), options.template)
    return text, options.template


def _body(value: str | None, option: str) -> str | None:
    if value == "-":
        raise UsageError(f"{option}: a body cannot come from standard input", hint="Use @FILE.")
    return None if value is None else sources.read_text(value, option)


def _envelope_from(options: BulkOptions, defaults: Defaults) -> str | None:
    value = options.envelope_from
    if value is None:
        value = defaults.envelope_from
    if value is None:
        return None
    if value in ("", "<>"):
        return ""
    return sources.typed_address(value, "--envelope-from").spec
