"""What the servers in Python do with mail: the same as desk.cjs for those in JavaScript."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any


class Desk:
    """Keeps what is accepted as files, and writes a log of one JSON object a line."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._numbers = count(1)

    def tell(self, event: str, session: str, **more: object) -> None:
        """Write a line to the log."""
        with Path(self._settings["log"]).open("a") as log:
            log.write(json.dumps({"event": event, "session": session, **more}) + "\n")

    def knows(self, address: str) -> bool:
        """Whether there is such a mailbox."""
        name, _, domain = address.rpartition("@")
        return domain == self._settings["domain"] and name in self._settings["mailboxes"]

    def keep(
        self,
        session: str,
        content: bytes,
        *,
        sender: str,
        recipients: Sequence[str],
        mechanism: str,
    ) -> str:
        """Keep a message, and return its name."""
        name = f"M{next(self._numbers):09}"
        found = re.search(rb"(?im)^message-id: *(\S+)", content)
        assert found, content
        (Path(self._settings["mail"]) / name).write_bytes(content)
        told = {"id": name, "message_id": found[1].decode(), "mechanism": mechanism}
        self.tell("accepted", session, sender=sender, recipients=recipients, **told)
        return name
