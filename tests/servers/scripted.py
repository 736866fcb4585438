"""Servers that are libraries: programs of ours make them run, below `programs/`.

Each keeps what it accepts as files and writes a log of one JSON object a line.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from tests.servers.server import (
    DOMAIN,
    HOSTNAME,
    MAILBOXES,
    SECONDS,
    SIZE_LIMIT,
    UMLAUT,
    VERBS,
    Accepted,
    Delivery,
    Server,
    Told,
    until,
)

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
NODE = ROOT / ".venv/node"
HARAKA = NODE / "node_modules/Haraka"
# smtp-server, which has none of its own, comes with the same `npm ci`.
NODE_PROGRAMS = ("node", str(HARAKA / "bin/haraka"))


@dataclass(slots=True)
class Scripted(Server):
    """A running server of a library."""

    log_name = "log.jsonl"
    begin = re.compile(r'"event": ?"begin"')
    end = re.compile(r'"event": ?"end"')
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @abstractmethod
    def command(self, settings: Path) -> list[str | Path]:
        """Write what else the program needs, and return how it is started."""

    def is_ready(self) -> bool:
        """Whether it listens."""
        return '"ready"' in self.log

    def start(self) -> None:
        """Write the configuration and start; return when the ports are open."""
        (self.folder / "mail").mkdir()
        settings = self._write_settings()
        with (self.folder / "output").open("wb") as output:
            self._process = process = subprocess.Popen(
                self.command(settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={
                    "PATH": os.environ["PATH"],
                    "SETTINGS": str(settings),
                    "NODE_PATH": str(NODE / "node_modules"),
                },
            )
        until(
            lambda: process.poll() is not None or self.is_ready(),
            lambda: f"{self.name} does not listen: {self.output}",
        )
        assert process.poll() is None, f"{self.name} ended: {self.output}"

    @property
    def output(self) -> str:
        """What the program has to say."""
        return (self.folder / "output").read_text(errors="replace")[-5000:]

    def stop(self) -> None:
        """Stop, and wait for the end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(SECONDS)

    def is_idle(self) -> bool:
        """Whether nothing was accepted."""
        return not any((self.folder / "mail").iterdir())

    def taken(self) -> list[Delivery]:
        """Take out what was accepted."""
        copies = []
        for event in _events(self.log, "accepted"):
            file = self.folder / "mail" / event["id"]
            if file.exists():
                content = file.read_bytes()
                copies += [Delivery(each, content) for each in event["recipients"]]
                file.unlink()
        return copies

    def read(self, log: str) -> Told:
        """Return what a part of the log tells."""
        return Told(
            commands=Counter(event["name"] for event in _events(log, "command")),
            refused=tuple(event["recipient"] for event in _events(log, "refused")),
            accepted=tuple(
                Accepted(
                    queue_id=event["id"],
                    message_id=event["message_id"],
                    sender=event["sender"],
                    recipients=len(event["recipients"]),
                    mechanism=event["mechanism"],
                )
                for event in _events(log, "accepted")
            ),
        )

    def _write_settings(self) -> Path:
        certificate, key = self.write_identity()
        settings = {
            "host": self.host,
            "ports": self.ports,
            "hostname": HOSTNAME,
            "domain": DOMAIN,
            "mailboxes": (*MAILBOXES, UMLAUT),
            "size_limit": SIZE_LIMIT,
            "username": self.username,
            "password": self.password,
            "token": self.token,
            "mechanisms": self.mechanisms,
            "verbs": sorted(VERBS),
            "certificate": str(certificate),
            "key": str(key),
            "mail": str(self.folder / "mail"),
            "log": str(self.folder / self.log_name),
            "desk": str(PROGRAMS / "desk.cjs"),
        }
        file = self.folder / "settings.json"
        file.touch(0o600)
        file.write_text(json.dumps(settings))
        return file


@dataclass(slots=True)
class SmtpServer(Scripted):
    """npm's smtp-server, which Nodemailer's author made."""

    name = "smtp-server"
    extensions = frozenset({"PIPELINING", "8BITMIME", "SMTPUTF8", "DSN"})
    lacks = frozenset({"CHUNKING"})
    mechanisms = mechanisms_in_clear = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2")

    @classmethod
    def programs(cls) -> tuple[str, ...]:
        """Return the names or paths of the programs that it takes."""
        return NODE_PROGRAMS

    @classmethod
    def version(cls) -> str:
        """Return the version of the program."""
        return _node_version("smtp-server")

    def command(self, settings: Path) -> list[str | Path]:
        """Return how it is started."""
        return ["node", PROGRAMS / "smtp_server.cjs", settings]


@dataclass(slots=True)
class Haraka(Scripted):
    """npm's Haraka, with one plugin of ours."""

    name = "Haraka"
    extensions = frozenset({"PIPELINING", "8BITMIME", "SMTPUTF8"})
    lacks = frozenset({"CHUNKING", "DSN"})
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")

    FILES: ClassVar[dict[str, str]] = {
        "plugins": "tls\nhere\n",
        "me": HOSTNAME,
        "log.ini": "[main]\nlevel=notice\n",
        "smtp.ini": "nodes=0\nlisten={host}:{starttls},{host}:{implicit}\nsmtps_port={implicit}\n",
        "tls.ini": "key={key}\ncert={certificate}\n",
    }

    @classmethod
    def programs(cls) -> tuple[str, ...]:
        """Return the names or paths of the programs that it takes."""
        return NODE_PROGRAMS

    @classmethod
    def version(cls) -> str:
        """Return the version of the program."""
        return _node_version("Haraka")

    def command(self, settings: Path) -> list[str | Path]:
        """Write its folder of configuration, and return how it is started."""
        told: dict[str, Any] = json.loads(settings.read_text())
        folder = self.folder / "haraka"
        (folder / "config").mkdir(parents=True)
        (folder / "plugins").mkdir()
        for name, text in self.FILES.items():
            (folder / "config" / name).write_text(text.format(**told | self.ports))
        # Without this file of its own it says nothing to anybody.
        own = (HARAKA / "config/connection.ini").read_text()
        limited = re.sub(r"(?m)^bytes=.*", f"bytes={SIZE_LIMIT}", own)
        (folder / "config/connection.ini").write_text(limited)
        shutil.copy(PROGRAMS / "haraka_plugin.js", folder / "plugins/here.js")
        return ["node", HARAKA / "bin/haraka", "-c", folder]

    def is_ready(self) -> bool:
        """Whether it listens."""
        return self.output.count("] Listening on ") == len(self.ports)


@dataclass(slots=True)
class Aiosmtpd(Scripted):
    """aiosmtpd as it is, which announces no PIPELINING."""

    name = "aiosmtpd"
    extensions = frozenset({"8BITMIME", "SMTPUTF8"})
    lacks = frozenset({"CHUNKING", "PIPELINING", "DSN"})
    mechanisms = ("LOGIN", "PLAIN")

    @classmethod
    def programs(cls) -> tuple[str, ...]:
        """Return nothing: it is one of the dependencies."""
        return ()

    @classmethod
    def version(cls) -> str:
        """Return the version of the program."""
        return version("aiosmtpd")

    def command(self, settings: Path) -> list[str | Path]:
        """Return how it is started."""
        return [sys.executable, "-m", "tests.servers.programs.aiosmtpd_server", settings]


def _events(log: str, kind: str) -> list[dict[str, Any]]:
    events = (json.loads(line) for line in log.splitlines())
    return [event for event in events if event["event"] == kind]


def _node_version(package: str) -> str:
    described = (NODE / "node_modules" / package / "package.json").read_text()
    return str(json.loads(described)["version"])
