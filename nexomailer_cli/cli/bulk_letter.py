"""The message of a run: compiled once from options and defaults, written for every row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.bulk.examination import Examination, Policy
from nexomailer_cli.bulk.identity import digest, local_part
from nexomailer_cli.bulk.suppression import Suppression
from nexomailer_cli.errors import MessageError, Problem
from nexomailer_cli.message.address import parse_address, parse_addresses
from nexomailer_cli.message.compose import compose
from nexomailer_cli.message.draft import Draft
from nexomailer_cli.message.template import Template

if TYPE_CHECKING:
    from nexomailer_cli.bulk.recipients import Row, Rows
    from nexomailer_cli.cli.bulk_options import BulkOptions
    from nexomailer_cli.config.settings import Defaults
    from nexomailer_cli.smtp.envelope import Mail


class Stub:
    def __init__(self, options, defaults):
        self.subject = Template(options.subject or "", name="--subject")
        self.text = Template(options.text or "", name="--text")
        self.to = Template((options.to or ("{{ email }}",))[0], name="--to")
        self.sender = options.sender or defaults.from_

    def check(self, row):
        try:
            parse_addresses(self.to.render(row.values))
        except MessageError as error:
            return (Problem(str(error), line=row.line),)
        return ()

    def recipients(self, row):
        return tuple(a.spec for a in parse_addresses(self.to.render(row.values)))

    def mail(self, row, *, message_id, date):
        return compose(
            Draft(
                sender=parse_address(self.sender),
                to=parse_addresses(self.to.render(row.values)),
                subject=self.subject.render(row.values),
                text=self.text.render(row.values),
                message_id=message_id,
                date=date,
            )
        )


class Writing:
    """A run's message and the rows that it is for."""

    def __init__(self, options: BulkOptions, defaults: Defaults, rows: Rows) -> None:
        self.rows = rows
        self.letter = Stub(options, defaults)
        self.sender = parse_address(self.letter.sender).spec
        self.digest = digest((options.subject or "", options.text or ""))
        self.has_unsubscribe = bool(options.list_unsubscribe)
        self._domain = self.sender.rpartition("@")[2]

    def examination(self, options: BulkOptions) -> Examination:
        """Return a pass over all rows."""
        suppression = Suppression(options.suppress) if options.suppress else None
        policy = Policy(options.key or "", options.dedupe, suppression)  # type: ignore[arg-type]
        return Examination(self.rows, self.letter, policy)

    def mail(self, row: Row, secret: str, key: str, began: int) -> Mail:
        """Return a row's mail; the same at every attempt."""
        from datetime import datetime

        message_id = f"<{local_part(secret, key)}@{self._domain}>"
        return self.letter.mail(row, message_id=message_id, date=datetime.fromtimestamp(began))

    def sample(self) -> str:
        """Return the first message, to be looked at."""
        return ""


def writing(options: BulkOptions, defaults: Defaults, rows: Rows) -> Writing:
    """Return what a run writes."""
    return Writing(options, defaults, rows)
