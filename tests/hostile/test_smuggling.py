"""Ends of a content that are none, sent to a server that takes all of them for one.

CVE-2023-51764 and its kin: what follows such an end is a second message to such a server, from
whomever its author likes. Exactly one message arrives for each that was sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.hostile.strings import EVIL, SECOND, SMUGGLED
from tests.support.lab.place import Wire, serving
from tests.support.providers import configure, provider
from tests.support.run import run

_LINE = re.compile(rb"\r\n|\r|\n")
_END = re.compile(rb"(?:\r\n|\r|\n)\0?\.(?:\r\n|\r|\n)")


@dataclass
class Lax:
    """What a server got that takes anything for the end of a line."""

    contents: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    nonsense: list[str] = field(default_factory=list)

    def talk(self, wire: Wire) -> None:
        """Serve one connection."""
        unread = b""
        wire.say("220 lax.test ESMTP")
        while True:
            while not (end := _LINE.search(unread)):
                unread += wire.more()
            line, unread = unread[: end.start()].decode("utf-8", "replace"), unread[end.end() :]
            verb = line.partition(" ")[0].upper()
            if verb == "DATA":
                wire.say("354 go on")
                unread = self._content(wire, unread)
                wire.say("250 2.0.0 Ok")
            elif line:  # the LF of a CRLF whose CR was enough
                self._obey(wire, verb, line)

    def _content(self, wire: Wire, unread: bytes) -> bytes:
        while not (end := _END.search(unread)):
            unread += wire.more()
        self.contents.append(unread[: end.start()])
        return unread[end.end() :]

    def _obey(self, wire: Wire, verb: str, line: str) -> None:
        if verb == "RCPT":
            self.recipients.append(line.partition("<")[2].partition(">")[0])
        elif verb not in ("EHLO", "MAIL", "RSET", "QUIT"):
            self.nonsense.append(line)
        wire.say("250-lax.test\n250 PIPELINING" if verb == "EHLO" else "250 ok")


@contextmanager
def lax(folder: Path) -> Iterator[Lax]:
    """Serve, and configure the folder for it."""
    server = Lax()
    with serving(server.talk) as place:
        configure(folder, provider("main", place.port))
        yield server


def test_the_server_is_one_that_can_be_fooled(tmp_path: Path) -> None:
    for end in SMUGGLED.values():
        assert _END.search(f"x{end}y".encode())


@pytest.mark.parametrize("name", SMUGGLED)
def test_one_message_is_one(tmp_path: Path, name: str) -> None:
    text = f"x{SMUGGLED[name]}{SECOND}"
    for file in ("a.txt", "a.html", "a.md", "vars.json"):
        content = json.dumps({"x": text}) if file == "vars.json" else text
        (tmp_path / file).write_bytes(content.encode())
    bodies = (
        ("--text", "@a.txt", "--html", "@a.html", "--attach", "a.txt:text/plain"),
        ("--markdown", "@a.md"),
        ("--text", "{{ x }}", "--vars", "vars.json"),
    )
    letter = ("--from", "a@a.test", "--to", "b@b.test", "--subject", "x")
    with lax(tmp_path) as server:
        results = [run("send", *letter, *body, cwd=tmp_path) for body in bodies]
    taken = sum(result.exit_status == 0 for result in results)
    assert {result.exit_status for result in results} <= {0, 65}
    assert len(server.contents) == taken
    assert set(server.recipients) <= {"b@b.test"}
    assert not server.nonsense
    assert taken or "\0" in text


@pytest.mark.parametrize("name", SMUGGLED)
def test_a_finished_message_is_one(tmp_path: Path, name: str) -> None:
    head = "From: a@a.test\r\nTo: b@b.test\r\nSubject: x\r\n\r\n"
    raw = f"{head}x{SMUGGLED[name]}{SECOND}".encode()
    with lax(tmp_path) as server:
        result = run("send", "--raw", "-", stdin=raw, cwd=tmp_path)
    assert result.exit_status in (0, 65)
    assert len(server.contents) == (result.exit_status == 0)
    assert not server.nonsense


def test_a_run_of_many_has_a_message_for_each_row(tmp_path: Path) -> None:
    rows = [
        {"email": f"r{number}@b.test", "x": f"x{end}{SECOND}"}
        for number, end in enumerate(SMUGGLED.values())
        if "\0" not in end
    ]
    (tmp_path / "people.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    letter = ("--from", "a@a.test", "--subject", "x", "--text", "{{ x }}", "--html", "{{ x }}")
    options = ("--yes", "--connections", "1")
    with lax(tmp_path) as server:
        result = run("bulk", "people.jsonl", *letter, *options, cwd=tmp_path)
    assert result.exit_status == 0, result.stderr
    assert len(server.contents) == len(rows)
    assert sorted(server.recipients) == [row["email"] for row in rows]
    assert EVIL not in server.recipients
    assert not server.nonsense
