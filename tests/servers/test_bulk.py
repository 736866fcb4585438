"""`nexomailer bulk` as people run it, against each real server.

What was sent is not asked of the report alone: the servers' own storage counts the messages,
and their logs the connections and the queue's names.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.client import Client, address
from tests.servers.server import DOMAIN, MAILBOXES, Accepted, Delivery, Server

pytestmark = pytest.mark.servers

Note = Callable[[str, str], None]

ROWS = 500
CONNECTIONS = 5
LETTER = f"""\
From: Änne <aenne@{DOMAIN}>
To: "{{{{ name }}}}" <{{{{ email }}}}>
Subject: Nr. {{{{ number }}}} für {{{{ name }}}}

Hallo {{{{ name }}}},
.
..Punkte am Anfang der Zeile, und Nr. {{{{ number }}}}.
"""


def write_rows(folder: Path, bad: tuple[int, ...] = ()) -> None:
    with (folder / "people.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("email", "name", "number"))
        for number in range(1, ROWS + 1):
            mailbox = "nobody" if number in bad else mailbox_of(number)
            table.writerow((address(mailbox), f"Zoë {number}", number))
    (folder / "letter.txt").write_text(LETTER)


def mailbox_of(number: int) -> str:
    return MAILBOXES[number % len(MAILBOXES)]


def read_report(file: Path) -> dict[int, dict[str, str]]:
    with file.open(newline="") as table:
        return {int(row["number"]): row for row in csv.DictReader(table)}


def test_every_row_is_stored_once(client: Client, note: Note) -> None:
    write_rows(client.folder)
    before = len(client.server.settled_log())
    result, events = client.bulk("--connections", str(CONNECTIONS), "--report", "report.csv")
    assert result.exit_status == 0, result.stderr
    assert (events[-1]["rows"], events[-1]["accepted"]) == (ROWS, ROWS)

    check_copies(client.server.taken(), set(range(1, ROWS + 1)))
    told = client.server.read(client.server.settled_log()[before:])
    check_names(told.accepted, read_report(client.folder / "report.csv"))
    # One that had nothing left to do says nothing; one that was tried in vain is opened again.
    assert 1 <= told.commands["QUIT"] <= 2 * CONNECTIONS
    note("bulk", "✓")
    note("shape", shape(told.commands))


def test_refused_rows_are_told_and_the_others_stored(
    server: Server, tmp_path: Path, note: Note
) -> None:
    client, bad = Client(server, tmp_path, "implicit"), {3, 250, 499}
    write_rows(client.folder, tuple(bad))
    before = len(client.server.settled_log())
    result, events = client.bulk("--report", "report.csv")
    assert result.exit_status == 3, result.stderr
    assert {each["row"] for each in events if each.get("verdict") == "rejected"} == bad

    good = set(range(1, ROWS + 1)) - bad
    check_copies(client.server.taken(), good)
    told = client.server.read(client.server.settled_log()[before:])
    assert told.refused == (address("nobody"),) * len(bad)
    report = read_report(client.folder / "report.csv")
    assert {number for number, row in report.items() if row["verdict"] == "accepted"} == good
    check_names(told.accepted, {number: report[number] for number in good})
    assert {report[number]["code"] for number in bad} == {str(client.server.unknown_user[0])}
    note("bulk-refused", "✓")


def test_joined_groups_and_single_ones_store_the_same(client: Client) -> None:
    write_rows(client.folder)
    for joined in ("auto", "never"):
        limits = ("--limit", "60", "--connections", "2", "--journal", f"{joined}.journal")
        result, _ = client.bulk(*limits, joined=joined)
        assert result.exit_status == 0, result.stderr
        check_copies(client.server.taken(), set(range(1, 61)))


def check_copies(copies: list[Delivery], numbers: set[int]) -> None:
    """Assert that the message of each of these rows is there once, and nothing else."""
    assert Counter(number_of(copy) for copy in copies) == Counter(numbers)
    names = Counter(copy.message["Message-ID"] for copy in copies)
    assert set(names.values()) == {1}
    for copy in copies:
        number, message = number_of(copy), copy.message
        assert copy.recipient == address(mailbox_of(number))
        assert message["Subject"] == f"Nr. {number} für Zoë {number}"
        assert message["To"] == f'"Zoë {number}" <{copy.recipient}>' or (
            message["To"] == f"Zoë {number} <{copy.recipient}>"
        )
        text = message.get_payload(decode=True)
        assert isinstance(text, bytes)
        assert text.decode().splitlines() == [
            f"Hallo Zoë {number},",
            ".",
            f"..Punkte am Anfang der Zeile, und Nr. {number}.",
        ]


def number_of(copy: Delivery) -> int:
    return int(copy.message["Subject"].split()[1])


def check_names(accepted: tuple[Accepted, ...], report: dict[int, dict[str, str]]) -> None:
    """Assert that the queue's names are those of which the report tells, each once."""
    told = " ".join(row["text"] for row in report.values()).replace("=", " ").split()
    names = Counter(each.queue_id for each in accepted)
    assert len(names) == len(report)
    assert names == Counter(word for word in told if word in names)


def shape(commands: Counter[str]) -> str:
    """Say how the messages went out."""
    if "BDAT" in commands:
        assert "DATA" not in commands
        return "BDAT, one round trip"
    assert commands["DATA"] == ROWS
    # Where they are joined a RSET stands before each but the first of a connection.
    is_joined = commands["RSET"] > ROWS // 2
    return "DATA, joined" if is_joined else "DATA, one by one"
