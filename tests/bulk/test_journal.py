"""The journal: what is on record survives, what cannot be recorded stops the run."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from nexomailer_cli.bulk import boot, journal_file
from nexomailer_cli.bulk.journal import Journal
from nexomailer_cli.bulk.state import Entry, Intent, State, Verdicted
from nexomailer_cli.errors import InputError, MessageError, OutputError
from tests.bulk.office import Office, entries

SECRET = {"secret": "x"}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "people.csv.journal")


def begun(path: str, count: int = 10) -> Journal:
    journal = Journal(path)
    journal.begin(entries(count), lambda: SECRET)
    journal.recover()
    return journal


def states(journal: Journal) -> list[State]:
    return [each.state for each in journal.records()]


def test_a_journal_is_for_its_owner_alone(path: str) -> None:
    before = os.umask(0)
    try:
        journal = begun(path)
    finally:
        os.umask(before)
    for name in (path, f"{path}-wal"):
        assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600
    journal.close()


def test_a_journal_that_is_a_symbolic_link_is_refused(path: str, tmp_path: Path) -> None:
    Path(path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="symbolic link"):
        Journal(path)


def test_a_journal_in_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot create the journal"):
        Journal(str(tmp_path / "nowhere" / "x.journal"))


def test_a_second_run_is_refused_while_the_first_lives(path: str) -> None:
    journal = begun(path)
    code = f"from nexomailer_cli.bulk.journal import Journal; Journal({path!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "another run is using the journal" in done.stderr
    journal.close()
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rows_are_on_record_all_or_none(path: str) -> None:
    journal = Journal(path)

    def refused() -> dict[str, str]:
        raise MessageError("line 3 is wrong")

    with pytest.raises(MessageError):
        journal.begin(entries(5), refused)
    assert not journal.has_rows
    journal.close()
    assert not Path(path).exists()


def test_a_journal_that_was_not_finished_is_made_anew(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = journal_file.CREATE
    monkeypatch.setattr(journal_file, "CREATE", whole.replace("TABLE spent", "TABLE spent spent"))
    with pytest.raises(InputError):
        Journal(path)
    monkeypatch.setattr(journal_file, "CREATE", whole)
    begun(path).close()


def test_what_is_recorded_is_read_back(path: str) -> None:
    journal = begun(path, 3)
    journal.record(
        [Intent(2, "main", 1234)],
        [
            Verdicted(1, State.ACCEPTED, 1, "main", 250, "2.0.0", "Ok"),
            Verdicted(3, State.DEFERRED, 2, "main", 451, "4.7.1", "later", 99.5, ("x@y.z",), "no"),
        ],
        [("main", 3600.0, 7, 3)],
    )
    journal.close()
    journal = Journal(path, create=False)
    one, two, three = journal.records()
    assert (one.state, one.code, one.text, one.key) == (State.ACCEPTED, 250, "Ok", "r1@b.test")
    assert two.state is State.SENDING
    standing = next(iter(journal.standings(3)))
    assert (standing.due, standing.rest, standing.flaw) == (99.5, ("x@y.z",), "no")
    assert three.tries == 2
    assert journal.spent("main", 3600.0, 0) == ((7, 3),)
    assert journal.spent("main", 3600.0, 8) == ()
    assert journal.facts["secret"] == "x"
    journal.close()


def test_what_was_being_sent_is_unknown_afterwards(path: str) -> None:
    journal = begun(path)
    journal.lease(5)
    journal.record([Intent(4, "main", 1)], [Verdicted(1, State.ACCEPTED, 1)])
    assert journal.recover() == 1
    found = states(journal)
    assert found[0] is State.ACCEPTED
    assert found[3] is State.UNKNOWN
    assert set(found[1:3] + found[4:]) == {State.WAITING}


def test_after_a_restart_of_the_machine_every_leased_row_is_unknown(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = begun(path)
    journal.lease(5)
    journal.record((), [Verdicted(1, State.ACCEPTED, 1), Verdicted(8, State.DEFERRED, 1)])
    journal.lease_again([8])
    monkeypatch.setattr("nexomailer_cli.bulk.journal.boot_id", lambda: "another")
    assert journal.recover() == 5
    assert [each.number for each in journal.records() if each.state is State.UNKNOWN] == [
        *(2, 3, 4, 5, 8)
    ]
    assert "went down" in list(journal.records())[1].text


def test_where_nobody_tells_of_restarts_there_may_have_been_one(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexomailer_cli.bulk.journal.boot_id", lambda: "")
    journal = begun(path)
    journal.lease(5)
    assert journal.recover() == 5


def test_without_a_restart_a_leased_row_is_as_before(path: str) -> None:
    journal = begun(path)
    journal.record((), [Verdicted(8, State.DEFERRED, 1)])
    journal.lease(5)
    journal.lease_again([8])
    assert journal.recover() == 0
    assert states(journal)[7] is State.DEFERRED


def test_after_an_orderly_end_a_restart_costs_nothing(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = begun(path)
    journal.lease(5)
    journal.release()
    monkeypatch.setattr("nexomailer_cli.bulk.journal.boot_id", lambda: "another")
    assert journal.recover() == 0


def test_rows_can_be_opened_again(path: str) -> None:
    journal = begun(path)
    journal.record((), [Verdicted(n, State.REJECTED, 1) for n in (2, 7)])
    assert journal.reopen(State.REJECTED, 1, 5) == 1
    assert journal.counts() == {State.WAITING: 9, State.REJECTED: 1}


def test_another_input_keeps_the_verdicts_of_whom_it_knows(path: str) -> None:
    journal = begun(path, 4)
    journal.record(
        (), [Verdicted(1, State.ACCEPTED, 1), Verdicted(3, State.DEFERRED, 2, text="later")]
    )
    fresh = [
        Entry(1, "new@b.test"),
        Entry(2, "r1@b.test"),
        Entry(3, "r3@b.test"),
        Entry(4, "r4@b.test", "suppressed"),
    ]
    journal.adopt(fresh, lambda: {"input": "other"})
    assert [(each.key, each.state) for each in journal.records()] == [
        ("new@b.test", State.WAITING),
        ("r1@b.test", State.ACCEPTED),
        ("r3@b.test", State.DEFERRED),
        ("r4@b.test", State.SKIPPED),
    ]
    journal.note(more="x")
    assert journal.facts["input"] == "other"


def test_what_a_fast_clock_recorded_does_not_hold_anything_up(path: str) -> None:
    journal = begun(path, 2)
    journal.record(
        (),
        [Verdicted(1, State.DEFERRED, 1, due=1e9), Verdicted(2, State.DEFERRED, 1, due=500.0)],
        [("main", 60.0, 4, 1), ("main", 60.0, 7, 2), ("main", 60.0, 900, 5)],
    )
    journal.hurry(1000.0)
    assert [each.due for each in journal.standings()] == [0.0, 500.0]
    assert journal.spent("main", 60.0, 0, 7) == ((4, 1), (7, 7))
    assert journal.spent("main", 60.0, 0) == ((4, 1), (7, 7))


def test_a_row_skipped_as_the_same_once_more_does_not_take_the_verdict_of_the_other(
    path: str,
) -> None:
    journal = begun(path, 1)
    journal.record((), [Verdicted(1, State.ACCEPTED, 1)])
    journal.adopt([Entry(1, "r1@b.test"), Entry(2, "r1@b.test", "as on line 2")], dict)
    assert journal.counts() == {State.ACCEPTED: 1, State.SKIPPED: 1}
    journal.adopt([Entry(1, "r1@b.test", "suppressed")], dict)
    assert journal.counts() == {State.ACCEPTED: 1}


def test_a_run_has_begun_with_the_first_attempt(path: str) -> None:
    journal = begun(path, 2)
    assert not journal.has_begun
    journal.record((), [Verdicted(1, State.REJECTED, 1)])
    journal.reopen(State.REJECTED)
    journal.record([Intent(1, "main", 5)], ())
    journal.recover()
    journal.reopen(State.UNKNOWN)
    assert journal.has_begun


def test_a_file_that_is_no_journal_is_left_alone(path: str) -> None:
    Path(path).write_text("email,name\n" * 1000)
    with pytest.raises(InputError, match="not a journal, or it is damaged"):
        Journal(path)
    assert Path(path).read_text().startswith("email")


def test_another_database_is_left_alone(path: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE people (name)")
    connection.close()
    with pytest.raises(InputError, match="not a journal of nexomailer"):
        Journal(path)


def test_the_journal_of_another_version_is_refused(path: str) -> None:
    begun(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InputError, match="another version"):
        Journal(path)


def test_a_journal_to_look_into_must_be_there(path: str) -> None:
    with pytest.raises(InputError, match="there is no journal"):
        Journal(path, create=False)


def test_a_damaged_journal_is_told(path: str) -> None:
    journal = begun(path, 2000)
    journal.close()
    content = bytearray(Path(path).read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    Path(path).write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        list(Journal(path).records())


def filled(office: Office, pages: int) -> None:
    """Let there be no more room than there is."""
    office.journal._connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_full_disk_stops_the_run_before_anything_ends_unrecorded(tmp_path: Path) -> None:
    office = Office(tmp_path, 20_000)
    pages = office.journal._connection.execute("PRAGMA page_count").fetchone()[0]
    office.time.at(
        office.time.now + 1.0,
        lambda: filled(office, pages),
    )
    # Verdicts with long texts need more room than there is.
    from nexomailer_cli.smtp.reply import Reply

    office.pool.answer = lambda _address, _tries: Reply(250, "2.0.0", ("x" * 4000,))
    office.run()
    assert isinstance(office.desk.failure, OutputError)
    assert "database or disk is full" in str(office.desk.failure)
    assert "again: it continues" in office.desk.failure.hint
    office.journal.close()
    journal = Journal(str(tmp_path / "run.journal"))
    lost = journal.recover()
    known = {
        each.key for each in journal.records() if each.state in (State.ACCEPTED, State.UNKNOWN)
    }
    assert set(office.pool.sent) <= known
    assert lost <= 3 * office.pool.connections
    assert len(office.pool.sent) < 20_000


def test_a_durable_journal_waits_for_the_disk_with_every_record(path: str) -> None:
    journal = Journal(path, durable=True)
    journal.begin(entries(2), lambda: SECRET)
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    journal.lease_again([1])
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_machine_has_a_boot_id() -> None:
    assert boot.boot_id() == boot.boot_id()
