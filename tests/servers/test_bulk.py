"""`nexomailer bulk` as people run it, against a real Postfix and a real Exim.

What was sent is not asked of the report alone: the servers' own storage counts the messages,
and their logs the connections.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from tests.servers.exim import Exim
from tests.servers.postfix import Postfix
from tests.servers.server import DOMAIN, MAILBOXES, Server
from tests.support.run import Result, run_process

pytestmark = pytest.mark.servers

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


@pytest.fixture(params=["postfix", "exim"])
def server(request: pytest.FixtureRequest) -> Server:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Postfix | Exim)
    found.taken()
    return found


def configuration(server: Server, folder: Path, **more: Any) -> Path:
    is_implicit = isinstance(server, Exim)
    config = {
        "host": server.host,
        "port": server.port,
        "secure": is_implicit,
        "auth": {"user": server.username, "pass": server.password},
        "tls": {"ca_file": str(server.ca_file), "servername": "localhost"},
    }
    file = folder / "nexomailer.toml"
    file.touch(0o600)
    file.write_text(tomli_w.dumps({"providers": [{"name": "real", "config": config | more}]}))
    return file


def write_rows(folder: Path, bad: tuple[int, ...] = ()) -> None:
    with (folder / "people.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("email", "name", "number"))
        for number in range(1, ROWS + 1):
            mailbox = "nobody" if number in bad else MAILBOXES[number % len(MAILBOXES)]
            table.writerow((f"{mailbox}@{DOMAIN}", f"Zoë {number}", number))
    (folder / "letter.txt").write_text(LETTER)


def bulk(folder: Path, config: Path, *arguments: str) -> tuple[Result, list[dict[str, Any]]]:
    result = run_process(
        *("--config", str(config), "bulk", "people.csv", "--template", "letter.txt"),
        *("--key", "number", "--dedupe", "keep", "--yes", "--json", *arguments),
        cwd=folder,
    )
    return result, [json.loads(line) for line in result.stdout.splitlines()]


def message_ids(contents: list[bytes]) -> Counter[str]:
    found = [re.findall(rb"(?im)^\S*\s*message-id:\s*(<[^>]+>)", each) for each in contents]
    assert all(len(each) == 1 for each in found)
    return Counter(each[0].decode() for each in found)


def test_every_row_is_stored_once(server: Server, tmp_path: Path) -> None:
    write_rows(tmp_path)
    connections = ("--connections", str(CONNECTIONS))
    result, events = bulk(tmp_path, configuration(server, tmp_path), *connections)
    assert result.exit_status == 0, result.stderr
    report = events[-1]
    assert (report["rows"], report["accepted"]) == (ROWS, ROWS)

    contents = server.taken()
    ids = message_ids(contents)
    assert len(ids) == ROWS
    assert set(ids.values()) == {1}
    numbers = Counter(int(n) for each in contents for n in re.findall(rb"Nr=2E_(\d+)_f", each))
    if numbers:
        assert set(numbers) == set(range(1, ROWS + 1))
    sessions = len(server.begin.findall(server.settled_log()))
    assert sessions >= CONNECTIONS


def test_refused_rows_are_told_and_the_others_stored(server: Server, tmp_path: Path) -> None:
    bad = (3, 250, 499)
    write_rows(tmp_path, bad)
    report_file = tmp_path / "report.csv"
    result, events = bulk(tmp_path, configuration(server, tmp_path), "--report", str(report_file))
    assert result.exit_status == 3, result.stderr
    refused = {each["row"] for each in events if each.get("verdict") == "rejected"}
    assert refused == set(bad)
    assert sum(message_ids(server.taken()).values()) == ROWS - len(bad)
    with report_file.open(newline="") as file:
        told = {int(row["number"]): row["verdict"] for row in csv.DictReader(file)}
    assert {number for number, verdict in told.items() if verdict != "accepted"} == set(bad)
    assert len(told) == ROWS


def test_joined_groups_and_single_ones_store_the_same(server: Server, tmp_path: Path) -> None:
    for joined in ("auto", "never"):
        folder = tmp_path / joined
        folder.mkdir()
        write_rows(folder)
        config = configuration(server, folder, joined=joined)
        result, _ = bulk(folder, config, "--limit", "60", "--connections", "2")
        assert result.exit_status == 0, result.stderr
        assert set(message_ids(server.taken()).values()) == {1}
