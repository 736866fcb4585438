"""A whole run: its journal begun or continued, the question, the sending, the report."""

from __future__ import annotations

import contextlib
import sys
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from nexomailer_cli.bulk.journal import Journal
from nexomailer_cli.bulk.state import FAILED, OPEN, State
from nexomailer_cli.cli import signals
from nexomailer_cli.cli.bulk_beginning import Beginning
from nexomailer_cli.cli.bulk_display import view
from nexomailer_cli.cli.bulk_plan import author_of_run
from nexomailer_cli.cli.bulk_question import confirm
from nexomailer_cli.cli.bulk_report import (
    Ending,
    as_json,
    exit_status,
    require_place,
    tell,
    tell_unknown,
    write_table,
)
from nexomailer_cli.cli.bulk_run import Ended, Work, run
from nexomailer_cli.cli.bulking import report_error
from nexomailer_cli.cli.exit_status import ExitStatus, of_error
from nexomailer_cli.cli.screen_words import counted
from nexomailer_cli.config.duration import format_duration
from nexomailer_cli.config.rate import parse_rates
from nexomailer_cli.core import named
from nexomailer_cli.errors import NexomailerError
from nexomailer_cli.printable import printable
from nexomailer_cli.transport.strategy import serving

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexomailer_cli.bulk.recipients import Row
    from nexomailer_cli.cli.bulk_letter import Writing
    from nexomailer_cli.cli.bulk_options import BulkOptions
    from nexomailer_cli.cli.bulk_plan import Plan
    from nexomailer_cli.cli.everywhere import Globals
    from nexomailer_cli.config.settings import Config

MANY_ROWS = 100  # from here on a mailing needs a way out of it
ROWS_FOR_TWO = 2000  # from here on a second process is worth its start


class Whole:
    """One run of `bulk`, this time's part of it."""

    def __init__(
        self,
        config: Config,
        options: BulkOptions,
        plan: Plan,
        written: Writing,
        everywhere: Globals,
    ) -> None:
        self._config = config
        self._options = options
        self._plan = plan
        self._written = written
        self._output = everywhere.output
        self._told: frozenset[int] = frozenset()  # the unknown rows that were named
        self._author: str | None = None  # where it decides about the provider

    def perform(self) -> int:
        """Send what is to be sent; return the exit status."""
        options = self._options
        if options.report is not None:
            require_place(options.report, (*options.read_files, options.journal_path))
        if options.provider is not None:
            named(self._config, options.provider)
        journal = Journal(options.journal_path, durable=options.durable)
        try:
            beginning = Beginning(options, self._written, self._output)
            beginning.prepare(journal)
            self._told = beginning.told
            return self._perform(journal)
        finally:
            journal.close()

    def _perform(self, journal: Journal) -> int:
        first, last = self._plan.first, self._plan.last
        counts = journal.counts(first, last)
        due = sum(counts.get(state, 0) for state in OPEN | self._reopened)
        if not due:
            return self._nothing_to_do(journal)
        if self._options.provider is None:
            self._author = author_of_run(self._config, self._written.senders())
        self._ask(journal, counts, due)
        # Not before the answer: rows that are open would be sent by the next run unasked.
        for state in self._reopened:
            journal.reopen(state, first, last)
        try:
            ended = self._send(journal, due)
        except NexomailerError as error:
            return self._break_off(journal, error)
        return self._report(journal, ended)

    def _break_off(self, journal: Journal, error: NexomailerError) -> int:
        """Say how the rows stand where the run could not go on; raise `error` for people."""
        counts: Mapping[State, int] = {}
        with contextlib.suppress(NexomailerError):
            counts = journal.counts()
        ending = Ending(counts=counts, exit_status=of_error(error), journal=journal.path)
        tell(ending, journal, self._output)
        if not self._options.as_json:
            raise error
        return report_error(error, ending, self._output)

    @property
    def _reopened(self) -> frozenset[State]:
        """The states whose rows are to be sent although they have a verdict."""
        failed = FAILED if self._options.retry_failed else frozenset()
        unknown = {State.UNKNOWN} if self._options.resend_unknown else frozenset()
        return failed | unknown

    def _ask(self, journal: Journal, counts: Mapping[State, int], due: int) -> None:
        """Show what will happen, and ask."""
        output = self._output
        named, others = serving(self._config.providers, self._author)
        names = self._options.provider or ", ".join(each.name for each in (*named, *others))
        done = sum(counts.values()) - due - counts.get(State.SKIPPED, 0)
        output.note(
            f"{counted(due, 'message')} to send through {names}" + (f", {done} done" * bool(done))
        )
        if (seconds := self._least_seconds(due)) > 0:
            output.note(f"  which takes {format_duration(round(seconds))} at the least")
        if due >= MANY_ROWS and not self._written.has_unsubscribe:
            output.warn(
                "there is no List-Unsubscribe: large mail services want one"
                " (--list-unsubscribe https://…)"
            )
        if self._options.yes:
            return
        output.note(self._written.sample(self._first_due(journal)))
        question = f"Send {counted(due, 'message')}?"
        confirm(question, "--yes", output, as_json=self._options.as_json)

    def _first_due(self, journal: Journal) -> Row:
        first, states = self._plan.first, OPEN | self._reopened
        rows = islice(self._written.rows, first - 1, None)
        due = zip(rows, journal.standings(first), strict=False)
        return next(row for row, standing in due if standing.state in states)

    def _least_seconds(self, due: int) -> float:
        """Return how long it takes by the rates alone."""
        rates = list(self._plan.rates)
        if len(self._config.providers) == 1 and (own := self._config.providers[0].config.rate):
            rates += parse_rates(own)
        return max(((due - rate.limit) / rate.limit * rate.period for rate in rates), default=0.0)

    def _send(self, journal: Journal, due: int) -> Ended:
        seen = view(self._output, due, as_json=self._options.as_json)
        identity = journal.facts["secret"], journal.facts["domain"]
        return run(
            Work(
                config=self._config,
                options=self._options,
                plan=self._plan,
                rows=self._written.rows,
                journal=journal,
                writer=self._written.writer(*identity),
                setup=self._written.setup(*identity) if due >= ROWS_FOR_TWO else None,
                sender=self._written.sender(),
                author=self._author,
                view=seen,
                output=self._output,
            )
        )

    def _report(self, journal: Journal, ended: Ended) -> int:
        signals.ignore()
        counts = journal.counts()
        # Rows that --offset and --limit leave out were not asked for.
        status = self._status(journal.counts(self._plan.first, self._plan.last), ended)
        desk = ended.desk
        ending = Ending(
            counts=counts,
            exit_status=status,
            journal=journal.path,
            elapsed=ended.elapsed,
            sent=desk.tally.rows.total(),
            by_provider=desk.tally.by_provider,
        )
        tell(ending, journal, self._output)
        if counts.get(State.UNKNOWN):
            tell_unknown(journal, self._output, self._told)
        self._say_how_to_go_on(counts)
        self._finish(journal, ending)
        return status

    def _status(self, counts: Mapping[State, int], ended: Ended) -> int:
        if ended.was_interrupted:
            return ExitStatus.INTERRUPTED
        trouble = None
        if ended.trouble is not None:
            from nexomailer_cli.cli.report import finding_of

            trouble = finding_of(ended.trouble).exit_status
        return exit_status(counts, trouble)

    def _say_how_to_go_on(self, counts: Mapping[State, int]) -> None:
        output = self._output
        if any(counts.get(state) for state in OPEN):
            output.note(f"The same command again continues:\n  {_same_command()}")
        if counts.get(State.REJECTED):
            output.note("--retry-failed sends rows again that were refused.")
        if counts.get(State.UNKNOWN):
            output.note("--resend-unknown sends rows again that may have been delivered.")

    def _nothing_to_do(self, journal: Journal) -> int:
        self._output.note(self._why_nothing(journal))
        ending = Ending(counts=journal.counts(), exit_status=ExitStatus.OK, journal=journal.path)
        tell(ending, journal, self._output)
        self._finish(journal, ending)
        return ExitStatus.OK

    def _why_nothing(self, journal: Journal) -> str:
        left = journal.counts()
        if any(left.get(state) for state in OPEN):
            return "the rows that were asked for are done: there is nothing to send"
        return "this run is complete: there is nothing to send"

    def _finish(self, journal: Journal, ending: Ending) -> None:
        if self._options.report is not None:
            count = write_table(self._options.report, self._written.rows, journal)
            self._output.note(
                f"{counted(count, 'row')} written to {printable(self._options.report)}"
            )
        if self._options.as_json:
            self._output.result(msgspec.json.encode(as_json(ending)).decode())


def _same_command() -> str:
    """Return the command that was typed, but for what would open still more rows again."""
    import shlex

    once = ("--retry-failed", "--resend-unknown")
    words = ["nexomailer", *(word for word in sys.argv[1:] if word not in once)]
    return printable(shlex.join(words))
