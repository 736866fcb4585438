"""`bulk` without the many: messages made and shown, or one of them sent to somebody else."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nexomailer_cli.cli import sources
from nexomailer_cli.cli.exit_status import ExitStatus, of_outcome
from nexomailer_cli.cli.screen_words import counted
from nexomailer_cli.errors import InputError, OutputError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.bulk.recipients import Row
    from nexomailer_cli.bulk.state import Entry
    from nexomailer_cli.cli.bulk_letter import Writing
    from nexomailer_cli.cli.bulk_options import BulkOptions
    from nexomailer_cli.cli.bulk_plan import Plan
    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.config.settings import Config
    from nexomailer_cli.smtp.envelope import Mail

# The run that would send them has another secret, and so other Message-IDs.
TRIAL = "trial"


def dry_run(written: Writing, plan: Plan, options: BulkOptions, output: Output) -> int:
    """Make the messages of all rows, into a folder or to standard output."""
    from nexomailer_cli.bulk.state import State
    from nexomailer_cli.cli.bulk_report import Ending, as_json
    from nexomailer_cli.cli.bulking import refuse

    examination = written.examination()
    for _ in examination.entries():
        pass
    refuse(examination)
    folder = _folder(options.output)
    count = 0
    for row, entry in _asked_for(written, plan):
        if not entry.skipped:
            count += 1
            _put(_mail(written, row, entry.key), row.number, folder, options, output)
    output.note(f"{counted(count, 'message')} made, none sent")
    if options.as_json:
        counts = {State.WAITING: count, State.SKIPPED: examination.skipped}
        output.result(msgspec.json.encode(as_json(Ending(counts=counts, exit_status=0))).decode())
    return ExitStatus.OK


def _asked_for(written: Writing, plan: Plan) -> Iterator[tuple[Row, Entry]]:
    # Nothing is wrong with the rows, so each of them has an entry.
    both = zip(written.rows, written.examination().entries(), strict=True)
    return islice(both, plan.first - 1, min(plan.last, sys.maxsize))


def _folder(path: str | None) -> Path | None:
    if path is None:
        return None
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {printable(path)}: {error.strerror}") from error
    return folder


def _put(
    mail: Mail, number: int, folder: Path | None, options: BulkOptions, output: Output
) -> None:
    if folder is None:
        if not options.as_json:
            output.result_bytes(mail.content + b"\r\n")
        return
    file = folder / f"{number:06}.eml"
    try:
        file.write_bytes(mail.content)
    except OSError as error:
        raise OutputError(f"cannot write {printable(str(file))}: {error.strerror}") from error


def _mail(written: Writing, row: Row, key: str) -> Mail:
    import time

    domain = written.sender().rpartition("@")[2]
    return written.writer(TRIAL, domain).mail(row, key, int(time.time()))


def send_one(written: Writing, config: Config, options: BulkOptions, output: Output) -> int:
    """Send the message of one row to the address of `--test-to`, and to nobody else."""
    from nexomailer_cli.cli.delivery import deliver
    from nexomailer_cli.cli.report import explain, finding_of
    from nexomailer_cli.core import Wishes

    recipient = sources.typed_address(options.test_to or "", "--test-to").spec
    number = options.row or 1
    row = next(islice(written.rows, number - 1, None), None)
    if row is None:
        raise InputError(f"--row {number}: the input has no such row")
    mail = _mail(written, row, f"test {number}")
    mail = msgspec.structs.replace(
        mail, envelope=msgspec.structs.replace(mail.envelope, recipients=(recipient,))
    )
    wishes = Wishes(
        sender=mail.envelope.sender, provider=options.provider, failover=not options.no_failover
    )
    outcome, was_interrupted = deliver(config, mail, wishes, output)
    explain(outcome, output)
    status = ExitStatus.INTERRUPTED if was_interrupted else of_outcome(outcome, finding_of)
    if status == ExitStatus.OK:
        output.note(f"row {number} was sent to {recipient}; nothing is on record")
    if options.as_json:
        from nexomailer_cli.cli.report import as_json

        output.result(msgspec.json.encode(as_json(outcome, mail, status)).decode())
    return status
