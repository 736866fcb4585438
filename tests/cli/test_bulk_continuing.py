"""`bulk` continued: with other options, another message, another input, or after a no."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_bulk import LETTER, report
from tests.cli.test_bulk_providers import people
from tests.cli.test_bulk_terminal import at_a_terminal
from tests.support.beside import beside
from tests.support.moody import Moody, moody
from tests.support.providers import configure, provider
from tests.support.run import COMMAND, Result, ended, environment, run, running

OTHER = ("--from", "a@a.test", "--subject", "Other", "--text", "Other")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Moody]:
    with beside(moody()) as served:
        configure(tmp_path, provider("main", served.port))
        people(tmp_path, 4)
        yield served


def bulk(folder: Path, *arguments: str, letter: tuple[str, ...] = LETTER) -> Result:
    command = ("bulk", "people.csv", *letter, "--retry-for", "0", *arguments)
    return run(*command, cwd=folder, stdin=b"")


def test_who_has_unsubscribed_meanwhile_gets_nothing(tmp_path: Path, server: Moody) -> None:
    bulk(tmp_path, "--yes", "--limit", "1")
    (tmp_path / "left.txt").write_text("r0@b.test\nr2@b.test\n")
    result = bulk(tmp_path, "--yes", "--suppress", "left.txt", "--json")
    assert result.exit_status == 0, result.stderr
    assert server.accepted == Counter(["r0@b.test", "r1@b.test", "r3@b.test"])
    # Whoever has got it has got it.
    assert (report(result)["accepted"], report(result)["skipped"]) == (3, 1)


def test_a_suppression_that_was_forgotten_is_asked_about(tmp_path: Path, server: Moody) -> None:
    (tmp_path / "left.txt").write_text("r2@b.test\n")
    bulk(tmp_path, "--yes", "--limit", "1", "--suppress", "left.txt")
    result = bulk(tmp_path, "--yes")
    assert result.exit_status == 2
    assert "who gets nothing changed" in result.stderr
    assert bulk(tmp_path, "--yes", "--accept-changes").exit_status == 0
    assert server.accepted.total() == 4


def test_a_message_may_change_as_long_as_nothing_was_sent(tmp_path: Path, server: Moody) -> None:
    assert bulk(tmp_path).exit_status == 2
    assert (tmp_path / "people.csv.journal").exists()
    people(tmp_path, 3)
    result = bulk(tmp_path, "--yes", letter=OTHER)
    assert result.exit_status == 0, result.stderr
    assert server.accepted.total() == 3


def test_a_no_leaves_rows_that_may_have_been_delivered_alone(tmp_path: Path, server: Moody) -> None:
    import sqlite3

    bulk(tmp_path, "--yes")
    with sqlite3.connect(tmp_path / "people.csv.journal") as connection:
        connection.execute("UPDATE rows SET state = 7 WHERE number = 2")
        connection.execute("UPDATE rows SET state = 6 WHERE number = 3")
    connection.close()
    result = bulk(tmp_path, "--resend-unknown", "--retry-failed")
    assert result.exit_status == 2
    assert "Send 2 messages?" in result.stderr
    assert "Subject: Hi N1" in result.stderr
    assert "complete" in bulk(tmp_path, "--yes").stderr
    assert server.accepted.total() == 4
    assert bulk(tmp_path, "--resend-unknown", "--yes").exit_status == 3
    assert server.accepted["r1@b.test"] == 2
    assert server.accepted.total() == 5


def test_rows_that_were_not_asked_for_do_not_make_a_run_complete(
    tmp_path: Path, server: Moody
) -> None:
    bulk(tmp_path, "--yes", "--limit", "2")
    result = bulk(tmp_path, "--yes", "--limit", "2")
    assert result.exit_status == 0
    assert "complete" not in result.stderr
    assert "asked for are done" in result.stderr


def test_the_sample_is_the_first_message_that_will_be_sent(tmp_path: Path, server: Moody) -> None:
    letter = ("--from", "a@a.test", "--subject", "Grüße {{ name }}", "--text", "Schön, {{ name }}")
    status, told = at_a_terminal(tmp_path, b"n", "--offset", "2")
    assert "Subject: Hi N2" in told
    result = bulk(tmp_path, letter=letter)
    assert (status, result.exit_status) == (2, 2)
    assert "  | Subject: Grüße N0" in result.stderr
    assert "  | Schön, N0" in result.stderr


def test_json_members_that_change_places_are_a_change(tmp_path: Path, server: Moody) -> None:
    def write(last: dict[str, str]) -> None:
        first = {"email": "ann@b.test", "name": "A", "note": "x"}
        lines = (first, {"email": "bob@b.test"} | last)
        (tmp_path / "p.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    letter = ("--from", "a@a.test", "--text", "{{ note|default('') }}{{ name|default('') }}")
    command = ("bulk", "p.jsonl", *letter, "--yes")
    write({"name": "B"})
    assert run(*command, "--limit", "1", cwd=tmp_path).exit_status == 0
    write({"note": "B"})
    result = run(*command, cwd=tmp_path, stdin=b"")
    assert result.exit_status == 2
    assert "the input changed" in result.stderr


def test_a_run_that_cannot_go_on_says_how_the_rows_stand(tmp_path: Path, server: Moody) -> None:
    people(tmp_path, 1000)
    command = (*COMMAND, "bulk", "people.csv", *LETTER, "--yes", "--json")
    # In blocks of 512 octets: enough to begin, not to record all that happens.
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 300; exec "$@"', "sh", *command],
        cwd=tmp_path,
        env=environment(None, tmp_path),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 73, done.stderr
    *_, error, last = map(json.loads, done.stdout.splitlines())
    assert error["event"] == "error"
    assert last["rows"] == 1000
    assert 0 < last["accepted"] <= server.accepted.total() < 1000
    assert last["accepted"] + last["unknown"] >= server.accepted.total()
    assert last["journal"] == "people.csv.journal"
    assert f"{last['accepted']} accepted".encode() in done.stderr


def test_a_signal_before_the_run_ends_in_a_report_too(tmp_path: Path, server: Moody) -> None:
    os.mkfifo(tmp_path / "rows.csv")
    command = ("bulk", "rows.csv", *LETTER, "--yes", "--json")
    # Whoever opens it is waited for, so the command is reading by then.
    with running(*command, cwd=tmp_path) as process, (tmp_path / "rows.csv").open("w"):
        process.send_signal(signal.SIGINT)
        result = ended(process)
    error, last = map(json.loads, result.stdout.splitlines())
    assert (error["event"], last["event"]) == ("error", "report")
    assert (result.exit_status, last["exit_code"]) == (130, 130)


def test_the_command_to_continue_is_said(tmp_path: Path, server: Moody) -> None:
    command = ("bulk", "people.csv", *LETTER, "--yes", "--limit", "1", "--resend-unknown")
    with running(*command, cwd=tmp_path) as process:
        result = ended(process)
    assert result.exit_status == 0
    assert "  nexomailer bulk people.csv --from a@a.test --subject 'Hi {{ name }}'" in result.stderr
    assert result.stderr.endswith("--yes --limit 1\n")
