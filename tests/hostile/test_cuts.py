"""A connection ends at every point of a session, in every way: what is said of the mail is true.

Only what ends after the end of the content may be unknown, and that goes to nobody else.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.cutting import STEPS, WAYS, Cutter, cutting
from tests.support.beside import beside
from tests.support.certificates import Chain
from tests.support.providers import configure, provider
from tests.support.run import run

SECRET = "Cut-Off-Pa55word"
# How long a server may be silent that falls silent, one with much to read, and one in order.
HASTY, THOROUGH, PATIENT = "300ms", "1500ms", "8s"
BIG = ("a line " * 11 + "\n") * 60_000  # more than all buffers hold
LETTER = ("--from", "a@a.test", "--subject", "Hi", "--text", "@body")
REFUSED, TAKEN, ALSO_TAKEN = "no@b.test", "r1@b.test", "r2@b.test"

Cell = tuple[str, str]
CELLS: list[Cell] = [(step, way) for step in STEPS for way in WAYS]
# 421 after the content says that it was not taken.
UNKNOWN: list[Cell] = [("end", "close"), ("end", "reset"), ("end", "hang")]
# A server that hangs up on a password has had it: nobody tries it again.
ONCE: list[Cell] = [("auth", "close"), ("auth", "reset"), ("auth", "hang")]
every_cell = pytest.mark.parametrize("cell", CELLS, ids="-".join)


class Stage:
    """A server that is cut, one behind it that is not, and a letter."""

    def __init__(self, folder: Path, main: Cutter, backup: Cutter) -> None:
        self.folder, self.main, self.backup = folder, main, backup

    @property
    def stored(self) -> Counter[str]:
        """How often each recipient's mail was stored, wherever."""
        return self.main.stored + self.backup.stored

    @property
    def rows(self) -> tuple[str, ...]:
        """Whom a run of many writes to: only after somebody was refused is there a RSET."""
        return ((REFUSED,) if self.main.step == "rset" else ()) + (TAKEN, ALSO_TAKEN)

    def send(self, *arguments: str) -> dict[str, Any]:
        refused = ("--to", REFUSED) if self.main.step == "rset" else ()
        people = (*refused, "--to", TAKEN)
        return run("send", *LETTER, *people, "--json", *arguments, cwd=self.folder).json

    def bulk(self, *arguments: str) -> dict[str, Any]:
        """Return the report, once every row was seen to be as it says."""
        (self.folder / "people.csv").write_text("\n".join(["email", *self.rows, ""]))
        options = ("--yes", "--json", "--connections", "1", "--retry-for", "1s", *arguments)
        result = run("bulk", "people.csv", *LETTER, *options, cwd=self.folder)
        *events, report = [json.loads(line) for line in result.stdout.splitlines()]
        assert report["event"] == "report", result.stderr
        assert report["exit_code"] == result.exit_status
        self._compare({each["key"]: each["verdict"] for each in events if each["event"] == "row"})
        return dict(report)

    def _compare(self, verdicts: dict[str, str]) -> None:
        """Compare what is said of each row with what was stored."""
        for row in self.rows:
            stored = self.stored[row]
            match verdicts.get(row):
                case "accepted":
                    assert stored == 1, row
                case "unknown":
                    assert stored <= 1, row
                    assert not self.backup.stored[row]
                case _:
                    assert stored == 0, row


def patience(cell: Cell) -> str:
    """Return the time-outs for the server that is cut."""
    step, way = cell
    if way != "hang":
        return PATIENT
    return THOROUGH if step == "content" else HASTY


@contextmanager
def stage(
    folder: Path, cell: Cell, healthy: Chain, *keywords: str, times: int = 1_000_000
) -> Iterator[Stage]:
    """Set up both servers; the first is cut the first `times` times that it gets there."""
    step, way = cell
    (folder / "body").write_text(BIG if step == "content" else "x")
    tls = healthy.server_context()
    config = {
        "auth": {"user": "tim", "pass": SECRET},
        "tls": {"ca_file": str(healthy.authority)},
    }
    offered = (*keywords, *("LIMITS RCPTMAX=1",) * (step == "rset"))
    main = Cutter(step, way, tls, offered, times)
    with beside(cutting(main)), beside(cutting(Cutter("", "", tls, offered))) as backup:
        first, second = (
            provider(name, server.port, **config, socket_timeout=each, connection_timeout=each)
            for name, server, each in (
                ("main", main, patience(cell)),
                ("backup", backup, PATIENT),
            )
        )
        configure(folder, first, second)
        yield Stage(folder, main, backup)
        assert main.is_cut.wait(5)  # what the client said last may still be on its way


@every_cell
def test_of_one_message_it_is_said_what_is_known(
    tmp_path: Path, healthy: Chain, cell: Cell
) -> None:
    with stage(tmp_path, cell, healthy) as servers:
        report = servers.send("--no-failover")
    said = report["status"], report["exit_code"]
    if cell in UNKNOWN:
        assert (said, servers.stored[TAKEN]) == (("unknown", 4), 1)
        assert report["error"]["id"] == "conn.lost_after_content"
    elif cell[0] == "quit":
        assert (said, servers.stored[TAKEN]) == (("accepted", 0), 1)
    elif cell[0] == "rset" and cell[1] != "hang":
        assert (said, servers.stored[TAKEN]) == (("partial", 3), 1)
        assert report["error"]["id"] == "rcpt.unknown_user"
    else:
        assert said[0] in ("failed", "deferred")
        assert said[1] == (76 if cell == ("tls", "421") else 75)
        assert report["error"]["id"] != "unknown"
        assert not servers.stored


@every_cell
def test_another_provider_gets_what_was_not_delivered_and_nothing_else(
    tmp_path: Path, healthy: Chain, cell: Cell
) -> None:
    with stage(tmp_path, cell, healthy, "PIPELINING") as servers:
        report = servers.send()
    assert servers.stored[TAKEN] == 1
    if cell in UNKNOWN:
        assert (report["status"], report["provider"]) == ("unknown", "main")
        assert not servers.backup.stored
    elif cell[0] == "rset":
        assert (report["status"], report["error"]["id"]) == ("partial", "rcpt.unknown_user")
    else:
        assert report["status"] == "accepted"
        assert report["provider"] == ("main" if cell[0] == "quit" else "backup")


@every_cell
def test_one_cut_costs_a_run_at_most_one_row(tmp_path: Path, healthy: Chain, cell: Cell) -> None:
    with stage(tmp_path, cell, healthy, "PIPELINING", times=1) as servers:
        report = servers.bulk("--no-failover")
    unknown = int(cell in UNKNOWN)
    if cell in ONCE:
        assert (report["accepted"], report["waiting"], report["exit_code"]) == (0, 2, 75)
        return
    assert (report["accepted"], report["unknown"]) == (2 - unknown, unknown)
    assert servers.stored == {TAKEN: 1, ALSO_TAKEN: 1}
    assert report["rejected"] == int(cell[0] == "rset")


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell[0] in STEPS[5:]], ids="-".join)
def test_one_cut_of_a_chunk_costs_a_run_at_most_one_row(
    tmp_path: Path, healthy: Chain, cell: Cell
) -> None:
    if cell[0] == "data":
        cell = "bdat", cell[1]
    with stage(tmp_path, cell, healthy, "PIPELINING", "CHUNKING", times=1) as servers:
        report = servers.bulk("--no-failover")
    # A small chunk and its envelope are one write: what ends amid them ends after the content.
    unknown = int(cell[0] not in ("quit", "content") and cell[1] != "421")
    assert (report["accepted"], report["unknown"]) == (2 - unknown, unknown)


@every_cell
def test_a_run_goes_on_with_another_provider(tmp_path: Path, healthy: Chain, cell: Cell) -> None:
    with stage(tmp_path, cell, healthy, "PIPELINING") as servers:
        report = servers.bulk()
    unknown = 2 * (cell in UNKNOWN)
    assert (report["accepted"], report["unknown"]) == (2 - unknown, unknown)
    assert servers.stored == {TAKEN: 1, ALSO_TAKEN: 1}
