"""A row with several recipients, some of whom got it: those never get it again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nexomailer_cli.bulk.job import Job
from nexomailer_cli.bulk.journal import Journal
from nexomailer_cli.bulk.recipients import Row
from nexomailer_cli.bulk.state import Entry, State
from nexomailer_cli.smtp.envelope import Mail
from nexomailer_cli.smtp.outcome import Outcome
from nexomailer_cli.smtp.reply import Reply
from tests.bulk.office import Answer, Office, disposition, write

OK = Reply(250, "2.0.0", ("Ok",))
NO = Reply(550, "5.1.1", ("no such user",))
LATER = Reply(450, "4.2.0", ("later",))
LOST = "the connection was lost"


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(str(tmp_path / "x.journal"))
    journal.begin([Entry(1, "a@b.test+b@b.test+c@b.test")], dict)
    return journal


def office(path: Path, journal: Journal, write: Callable[[Job, int], Mail] = write) -> Office:
    return Office(path, journal=journal, table=[Row(1, 2, {})], write=write)


def settle(office: Office, **answers: Answer) -> None:
    """Let the mail that is next go to just these people, each answered in their own way."""
    mail = office.desk.take("main")
    assert mail is not None
    people = {f"{name}@b.test": answer for name, answer in answers.items()}
    assert mail.envelope.recipients == tuple(people)
    told = tuple(disposition(*each) for each in people.items())
    office.desk.intend(mail, lambda: None)
    office.ledger.flush()
    office.desk.settle(mail, Outcome(told, ()))
    office.ledger.flush()


def test_who_was_refused_alone_is_served_again(tmp_path: Path, journal: Journal) -> None:
    first = office(tmp_path, journal)
    settle(first, a=OK, b=NO, c=NO)
    assert first.states == {1: State.REJECTED}
    assert next(journal.records()).text == "b@b.test: 550 5.1.1 no such user"
    journal.reopen(State.REJECTED)
    second = office(tmp_path, journal)
    settle(second, b=OK, c=OK)
    assert second.states == {1: State.ACCEPTED}


def test_a_refusal_is_remembered_while_others_are_put_off(tmp_path: Path, journal: Journal) -> None:
    settle(office(tmp_path, journal), a=OK, b=NO, c=LATER)
    journal.reopen(State.DEFERRED)
    second = office(tmp_path, journal)
    settle(second, c=OK)
    assert second.states == {1: State.REJECTED}
    journal.reopen(State.REJECTED)
    settle(office(tmp_path, journal), b=OK)


def test_only_who_is_unknown_is_sent_to_again(tmp_path: Path, journal: Journal) -> None:
    settle(office(tmp_path, journal), a=OK, b=LATER, c=LATER)
    journal.reopen(State.DEFERRED)
    second = office(tmp_path, journal)
    settle(second, b=NO, c=LOST)
    assert second.states == {1: State.UNKNOWN}
    journal.reopen(State.UNKNOWN)
    settle(office(tmp_path, journal), c=OK)


def test_an_address_that_was_corrected_is_served(tmp_path: Path, journal: Journal) -> None:
    settle(office(tmp_path, journal), a=OK, b=NO, c=OK)
    journal.reopen(State.REJECTED)

    def corrected(job: Job, now: int) -> Mail:
        job.key = "x@b.test"
        return write(job, now)

    settle(office(tmp_path, journal, corrected), x=OK)
