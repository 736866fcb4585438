"""The journal of a run begun, or seen to be that of this run and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.bulk.identity import digest, new_secret
from nexomailer_cli.bulk.state import State
from nexomailer_cli.cli.bulk_question import confirm
from nexomailer_cli.cli.bulk_report import tell_unknown
from nexomailer_cli.cli.bulking import refuse, tell_examined
from nexomailer_cli.cli.screen_words import counted

if TYPE_CHECKING:
    from nexomailer_cli.bulk.examination import Examination
    from nexomailer_cli.bulk.journal import Journal
    from nexomailer_cli.cli.bulk_letter import Writing
    from nexomailer_cli.cli.bulk_options import BulkOptions
    from nexomailer_cli.cli.output import Output

CHANGES = {
    "message": "the message",
    "input": "the input",
    "mapping": "what identifies a row",
    "skipped": "who gets nothing",
}


class Beginning:
    """What is examined, recorded and compared before anything is sent.

    `told` are the unknown rows that were named.
    """

    def __init__(self, options: BulkOptions, written: Writing, output: Output) -> None:
        self._options = options
        self._written = written
        self._output = output
        self.told: frozenset[int] = frozenset()

    def prepare(self, journal: Journal) -> None:
        """Begin the journal, or let it continue with the rows and the message there are now.

        Raises MessageError if rows are wrong, UsageError if something has changed and nobody
        says that it may.
        """
        examination = self._written.examination()
        if journal.has_rows:
            # Numbers that were leased are those of the rows before any change.
            self._tell_lost(journal, journal.recover())
            self._compare(journal, examination)
            return
        journal.begin(examination.entries(), lambda: self._facts(examination) | self._identity())
        tell_examined(examination, self._output)
        journal.recover()

    def _tell_lost(self, journal: Journal, lost: int) -> None:
        if lost:
            self._output.warn(
                f"{counted(lost, 'row')} may or may not have been delivered when the last run was"
                " cut off"
            )
            self.told = tell_unknown(journal, self._output)

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
            "skipped": examination.skipped_digest,
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
        if not self._is_harmless(changed, journal):
            what = " and ".join(CHANGES[name] for name in changed)
            self._confirm(f"Since this run began, {what} changed.")
        if changed == ["message"]:
            journal.note(**facts)
            return
        again = self._written.examination()
        journal.adopt(again.entries(), lambda: self._facts(again))
        tell_examined(again, self._output)

    def _confirm(self, what: str) -> None:
        options = self._options
        if not options.accept_changes:
            confirm(
                f"{what} Continue with what there is now?",
                "--accept-changes",
                self._output,
                as_json=options.as_json,
            )

    def _is_harmless(self, changed: list[str], journal: Journal) -> bool:
        """Whether nobody need be asked.

        Nothing has been sent yet; or somebody who was to get a message does not any more, as
        after one more `--suppress`. The reverse, an option forgotten, is not harmless.
        """
        if not journal.has_begun:
            return True
        return changed == ["skipped"] and not self._is_anybody_added(journal)

    def _is_anybody_added(self, journal: Journal) -> bool:
        entries = self._written.examination().entries()
        return any(
            standing.state is State.SKIPPED and not entry.skipped
            for entry, standing in zip(entries, journal.standings(1), strict=False)
        )
