"""The seam of these tests: a real server with one account, in one folder, and a log to read.

What arrived is asked of the server's own storage, and what happened of its own log; neither
knows what our command reported.
"""

from __future__ import annotations

import re
import secrets
import shutil
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import ClassVar

from nexomailer_cli.sandbox.certificate import make_identity

DOMAIN = "example.test"
HOSTNAME = f"mx.{DOMAIN}"
# As many as a message to a hundred, three of them unknown, needs.
MAILBOXES = ("anna", "bert", "carla", "dora", "emil", *(f"reader{n:02}" for n in range(92)))
# A mailbox that servers have who know SMTPUTF8.
UMLAUT = "jürgen"
SIZE_LIMIT = 20_000_000
SECONDS = 15.0
SECURITIES = ("starttls", "implicit")
VERBS = frozenset(
    ("HELO", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT")
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The copy of one recipient, headers and all."""

    recipient: str
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The copy, as the standard library reads it."""
        message = message_from_bytes(self.content, policy=default)
        assert isinstance(message, EmailMessage)
        return message


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that a log says was taken; `mechanism` is how its sender had signed in."""

    queue_id: str
    message_id: str
    sender: str
    recipients: int
    mechanism: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a log tells: commands, successful or not; recipients refused; messages taken."""

    commands: Counter[str]
    refused: tuple[str, ...]
    accepted: tuple[Accepted, ...]


@dataclass(slots=True)
class Server(ABC):
    """A running server; `folder` holds all of it but the program."""

    folder: Path
    host: str = "127.0.0.1"
    ports: dict[str, int] = field(default_factory=lambda: free_ports(SECURITIES))
    username: str = f"sender@{DOMAIN}"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)
    token: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)

    name: ClassVar[str]
    # What it must announce, beside SIZE and AUTH, and what it must not.
    extensions: ClassVar[frozenset[str]]
    lacks: ClassVar[frozenset[str]] = frozenset()
    # What it offers once nobody can listen, and before.
    mechanisms: ClassVar[tuple[str, ...]]
    mechanisms_in_clear: ClassVar[tuple[str, ...]] = ()
    unknown_user: ClassVar[tuple[int, str]] = (550, "5.1.1")
    # The name of its log, and how that tells of a session's begin and end, if it is asked.
    log_name: ClassVar[str]
    begin: ClassVar[re.Pattern[str]]
    end: ClassVar[re.Pattern[str]]

    @classmethod
    @abstractmethod
    def programs(cls) -> tuple[str, ...]:
        """Return the names or paths of the programs that it takes."""

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """Return the version of the program."""

    @abstractmethod
    def start(self) -> None:
        """Write the configuration and start; return when the ports are open."""

    @abstractmethod
    def stop(self) -> None:
        """Stop, and wait for the end."""

    @abstractmethod
    def is_idle(self) -> bool:
        """Whether nothing that was accepted is left, or on its way."""

    @abstractmethod
    def taken(self) -> list[Delivery]:
        """Wait until nothing is on its way, and take out what was accepted."""

    @abstractmethod
    def read(self, log: str) -> Told:
        """Return what a part of the log tells."""

    @property
    def ca_file(self) -> Path:
        """The authority to trust."""
        return self.folder / "ca.pem"

    @property
    def log(self) -> str:
        """What the server has to say, for whoever wonders why a test failed."""
        file = self.folder / self.log_name
        return file.read_text(errors="replace") if file.exists() else ""

    def settled_log(self) -> str:
        """Wait until nobody is connected any more, and return the log.

        A session's begin is in it before the server's first word leaves. So no session is
        missed in which a client, who is gone by now, had an answer.
        """
        until(self.is_settled, lambda: f"a session does not end:\n{self.log[-5000:]}")
        return self.log

    def is_settled(self) -> bool:
        """Whether nobody is connected any more."""
        log = self.log
        return len(self.begin.findall(log)) == len(self.end.findall(log))

    def write_identity(self, owner: str = "") -> tuple[Path, Path]:
        """Write a certificate and its key, readable by `owner`, beside the authority."""
        identity = make_identity()
        self.ca_file.write_bytes(identity.authority)
        certificate, key = self.folder / "certificate.pem", self.folder / "key.pem"
        certificate.write_bytes(identity.certificate)
        key.touch(0o600)
        key.write_bytes(identity.key)
        if owner:
            shutil.chown(key, owner)
        return certificate, key


def has_children(process: subprocess.Popen[bytes]) -> bool:
    """Whether a server that makes a process for each session has one; those tell best."""
    return bool(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())


def free_ports(names: tuple[str, ...]) -> dict[str, int]:
    """Return ports on loopback that were free a moment ago, all different."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return dict(zip(names, ports, strict=True))


def free_port() -> int:
    """Return a port on loopback that was free a moment ago."""
    return free_ports(("any",))["any"]


def until(holds: Callable[[], bool], why: Callable[[], str], seconds: float = SECONDS) -> None:
    """Wait for something of a program that tells nobody when it is done."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, why()
        time.sleep(0.01)
