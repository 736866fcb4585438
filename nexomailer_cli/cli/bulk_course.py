"""A whole run: its journal begun or continued, the question, the sending, the report."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from nexomailer_cli.bulk.identity import digest, new_secret
from nexomailer_cli.bulk.journal import Journal
from nexomailer_cli.bulk.state import FAILED, OPEN, State
from nexomailer_cli.cli import signals
from nexomailer_cli.cli.bulk_display import view
from nexomailer_cli.cli.bulk_report import (
    Ending,
    as_json,
    exit_status,
    tell,
    tell_unknown,
    write_table,
)
from nexomailer_cli.cli.bulk_run import Ended, Work, run
from nexomailer_cli.cli.bulking import refuse, tell_examined
from nexomailer_cli.cli.exit_status import ExitStatus
from nexomailer_cli.config.duration import format_duration
from nexomailer_cli.config.rate import parse_rates
from nexomailer_cli.errors import UsageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nexomailer_cli.bulk.examination import Examination
    from nexomailer_cli.bulk.job import Job
    from nexomailer_cli.cli.bulk_letter import Writing
    from nexomailer_cli.cli.bulk_options import BulkOptions
    from nexomailer_cli.cli.bulk_plan import Plan
    from nexomailer_cli.cli.everywhere import Globals
    from nexomailer_cli.config.settings import Config
    from nexomailer_cli.smtp.envelope import Mail

MANY_ROWS = 100  # from here on a mailing needs a way out of it
CHANGES = {"message": "the message", "input": "the input", "mapping": "what identifies a row"}


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

    def perform(self) -> int:
        """Send what is to be sent; return the exit status."""
        journal = Journal(self._options.journal_path, durable=self._options.durable)
        try:
            self._prepare(journal)
            return self._perform(journal)
        finally:
            journal.close()

    def _perform(self, journal: Journal) -> int:
        bounds = self._plan.first, self._plan.last
        counts = journal.counts(*bounds)
        due = sum(counts.get(state, 0) for state in OPEN)
        if not due:
            return self._nothing_to_do(journal)
        self._ask(counts, due)
        ended = self._send(journal, due)
        return self._report(journal, ended)

    def _prepare(self, journal: Journal) -> None:
        """Begin the journal, or see that it is this run's and what was left open there."""
        examination = self._written.examination()
        # Before rows can get other numbers: leases know them by number.
        self._recover(journal)
        if journal.has_rows:
            self._compare(journal, examination)
        else:
            journal.begin(
                examination.entries(),
                lambda: self._facts(examination) | self._identity(),
            )
            tell_examined(examination, self._output)
        if self._options.retry_failed:
            for state in FAILED:
                journal.reopen(state, self._plan.first, self._plan.last)
        if self._options.resend_unknown:
            journal.reopen(State.UNKNOWN, self._plan.first, self._plan.last)

    def _recover(self, journal: Journal) -> None:
        lost = journal.recover()
        if lost:
            self._output.warn(
                f"{lost} rows may or may not have been delivered when the last run was cut off"
            )
            self._told = tell_unknown(journal, self._output)

    def _identity(self) -> dict[str, str]:
        """Return what the Message-IDs of a new run follow from."""
        return {"secret": new_secret(), "domain": self._written.sender().rpartition("@")[2]}

    def _facts(self, examination: Examination) -> dict[str, str]:
        """Return what makes the run this one; raise MessageError if rows are wrong."""
        refuse(examination)
        options = self._options
        return {
            "message": self._written.digest,
            "input": examination.digest,
            "mapping": digest((options.key or "",)),
            "path": options.file,
            "delimiter": options.delimiter or "",
            "encoding": options.encoding or "",
        }

    def _compare(self, journal: Journal, examination: Examination) -> None:
        for _ in examination.entries():
            pass
        facts = self._facts(examination)
        changed = [name for name in CHANGES if journal.facts.get(name) != facts[name]]
        if not changed:
            return
        what = " and ".join(CHANGES[name] for name in changed)
        if not self._options.accept_changes:
            self._confirm(
                f"Since this run began, {what} changed. Continue with what there is now?",
                "--accept-changes",
            )
        if changed == ["message"]:
            journal.note(**facts)
        else:
            again = self._written.examination()
            journal.adopt(again.entries(), lambda: self._facts(again))

    def _ask(self, counts: Mapping[State, int], due: int) -> None:
        """Show what will happen, and ask."""
        output = self._output
        providers = self._config.providers
        names = self._options.provider or ", ".join(each.name for each in providers)
        done = sum(counts.values()) - due
        output.note(f"{due} messages to send through {names}" + (f", {done} done" * bool(done)))
        if (seconds := self._least_seconds(due)) > 0:
            output.note(f"  which takes {format_duration(round(seconds))} at the least")
        if due >= MANY_ROWS and not self._written.has_unsubscribe:
            output.warn(
                "there is no List-Unsubscribe: large mail services want one"
                " (--list-unsubscribe https://…)"
            )
        if self._options.yes:
            return
        first = next(iter(self._written.rows))
        output.note(self._written.sample(first))
        self._confirm(f"Send {due} messages?", "--yes")

    def _least_seconds(self, due: int) -> float:
        """Return how long it takes by the rates alone."""
        rates = list(self._plan.rates)
        if len(self._config.providers) == 1 and (own := self._config.providers[0].config.rate):
            rates += parse_rates(own)
        return max(((due - rate.limit) / rate.limit * rate.period for rate in rates), default=0.0)

    def _confirm(self, question: str, option: str) -> None:
        """Ask; raise UsageError where nobody can answer or the answer is no."""
        if sys.stdin is None or not sys.stdin.isatty() or self._options.as_json:
            raise UsageError(question, hint=f"Nothing was sent. {option} answers yes.")
        self._output.fact(f"{question} [y/N] ")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise UsageError("Nothing was sent.")

    def _send(self, journal: Journal, due: int) -> Ended:
        seen = view(self._output, due, as_json=self._options.as_json)
        return run(
            Work(
                config=self._config,
                options=self._options,
                plan=self._plan,
                rows=self._written.rows,
                journal=journal,
                write=self._writer(journal.facts),
                sender=self._written.sender(),
                view=seen,
                output=self._output,
            )
        )

    def _writer(self, facts: Mapping[str, str]) -> Callable[[Job], Mail]:
        written, identity = self._written, (facts["secret"], facts["domain"])
        return lambda job: written.mail(job.row, job.key, job.began, identity)

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
            output.note("The same command again continues.")
        if counts.get(State.REJECTED):
            output.note("--retry-failed sends rows again that were refused.")
        if counts.get(State.UNKNOWN):
            output.note("--resend-unknown sends rows again that may have been delivered.")

    def _nothing_to_do(self, journal: Journal) -> int:
        self._output.note("this run is complete: there is nothing to send")
        ending = Ending(counts=journal.counts(), exit_status=ExitStatus.OK, journal=journal.path)
        tell(ending, journal, self._output)
        self._finish(journal, ending)
        return ExitStatus.OK

    def _finish(self, journal: Journal, ending: Ending) -> None:
        if self._options.report is not None:
            count = write_table(self._options.report, self._written.rows, journal)
            self._output.note(f"{count} rows written to {printable(self._options.report)}")
        if self._options.as_json:
            self._output.result(msgspec.json.encode(as_json(ending)).decode())
