"""What the real servers of these tests have in common: one account, one folder, a log to read."""

from __future__ import annotations

import re
import secrets
import socket
import time
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from nexomailer_cli.sandbox.certificate import Identity

DOMAIN = "example.test"
MAILBOXES = ("anna", "bert", "carla", "dora", "emil")
SIZE_LIMIT = 1_000_000
SECONDS = 15.0


@dataclass(slots=True)
class Server(ABC):
    """A running server; `folder` holds all of it but the program."""

    folder: Path
    port: int
    host: str = "127.0.0.1"
    username: str = f"sender@{DOMAIN}"
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)

    # The name of its log, and how that tells of a session's begin and end.
    log_name: ClassVar[str]
    begin: ClassVar[re.Pattern[str]]
    end: ClassVar[re.Pattern[str]]

    @abstractmethod
    def start(self) -> None:
        """Write the configuration and start; return when the port is open."""

    @abstractmethod
    def stop(self) -> None:
        """Stop, and wait for the end."""

    @abstractmethod
    def is_idle(self) -> bool:
        """Whether nothing waits for its delivery, or is on its way."""

    @abstractmethod
    def taken(self) -> list[bytes]:
        """Wait until nothing is on its way, and take out what was accepted, headers and all."""

    @staticmethod
    @abstractmethod
    def commands(log: str) -> Counter[str]:
        """Return how often each command was given, successful or not."""

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
        deadline = time.monotonic() + SECONDS
        while True:
            log = self.log
            if len(self.begin.findall(log)) == len(self.end.findall(log)):
                return log
            assert time.monotonic() < deadline, f"a session does not end:\n{log}"
            time.sleep(0.01)  # a program of its own, which tells nobody when it is done

    def _write_identity(self, identity: Identity) -> Path:
        self.ca_file.write_bytes(identity.authority)
        file = self.folder / "server.pem"
        file.touch(0o600)
        file.write_bytes(identity.key + identity.certificate)
        return file


def free_port() -> int:
    """Return a port on loopback that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
