"""Writes `docs/servers.md` from what the tests noted, once all of them have passed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

FILE = Path(__file__).parents[2] / "docs/servers.md"

BEFORE = """\
# Real servers

What nexomailer was tried against, and what came of it. `make test-servers` starts each server on
loopback with a certificate made on the spot, runs the command as people do, takes what arrived
out of the server's own storage and compares it, decoded by Python's `email`, with what was meant;
and it compares the server's own log with what the command reported. The run writes this page, and
only if every test of every server has passed; see `tests/servers/`.

✓ works as it should · – the server does not have it · ○ the server has it, nexomailer does not
"""

ROWS = {
    "version": "Version",
    "starttls": "STARTTLS",
    "implicit": "TLS from the first byte",
    "PLAIN": "Sign-in: PLAIN",
    "LOGIN": "LOGIN",
    "CRAM-MD5": "CRAM-MD5",
    "SCRAM-SHA-256": "SCRAM-SHA-256",
    "DIGEST-MD5": "DIGEST-MD5 (withdrawn by RFC 6331)",
    "XOAUTH2": "XOAUTH2",
    "OAUTHBEARER": "OAUTHBEARER",
    "wrong": "A wrong secret is tried once, by each of them",
    "names": "UTF-8 names, text, HTML, attachment, inline image",
    "ten": "10 MB attachment",
    "hundred": "100 recipients, three of them unknown",
    "blind": "A blind copy stays blind",
    "bounces": "A sender of its own for bounces",
    "large": "Too large: refused before any content",
    "utf8": "A recipient with an umlaut (SMTPUTF8)",
    "bulk": "`bulk`: 500 rows",
    "bulk-refused": "`bulk`: 500 rows, three of them refused",
    "shape": "`bulk`: how messages go out",
    "probe": "`test-connection`: ready",
    "probe-refused": "`test-connection`: wrong password, unknown recipient, strange authority",
    "probe-wrong-door": "`test-connection`: the other kind of TLS is named",
}
ANNOUNCED = "announced"

AFTER = """
One message alone goes out as the server announces: with CHUNKING in BDAT, without it after DATA.
"Joined" says that the server was found to take the next message's commands behind the end of the
content; "one by one" that it did not, or announces no PIPELINING and was not asked.

## What they announce

After TLS, as `test-connection --json` has it.

"""


class Table:
    """Collects notes, also those of other processes, as a plugin of pytest."""

    KEY: ClassVar[str] = "servers.md"

    def __init__(self, servers: tuple[str, ...]) -> None:
        self._servers = servers
        self._notes: dict[tuple[str, str], str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for key, value in report.user_properties:
            if key == self.KEY:
                self._take(value)

    def _take(self, note: object) -> None:
        # A list by now, where it came from another process.
        assert isinstance(note, Sequence)
        server, row, result = note
        self._notes[server, row] = result

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        wanted = {(server, row) for server in self._servers for row in (*ROWS, ANNOUNCED)}
        if exitstatus == 0 and wanted <= self._notes.keys():
            FILE.write_text(self._text(), "utf-8")

    def _text(self) -> str:
        lines = [("", *self._servers), ("---",) * (len(self._servers) + 1)]
        lines += [
            (title, *(self._notes[server, row] for server in self._servers))
            for row, title in ROWS.items()
        ]
        table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        announced = (f"- {name}: {self._notes[name, ANNOUNCED]}\n" for name in self._servers)
        return BEFORE + "\n" + table + AFTER + "".join(announced)
