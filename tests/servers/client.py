"""The command as people run it, with a configuration for one server."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from tests.servers.server import DOMAIN, Server, Told
from tests.support.run import Result, run_process

SENDER = f"Änne Müller <aenne@{DOMAIN}>"
# A busy machine takes its time for 500 rows.
SECONDS = 60.0
WITH_TOKEN = ("XOAUTH2", "OAUTHBEARER")


@dataclass(frozen=True, slots=True)
class Client:
    """The command at `server`; `security` is how that is met."""

    server: Server
    folder: Path
    security: str = "starttls"

    @property
    def port(self) -> int:
        """Where the server is met."""
        return self.server.ports[self.security]

    def configuration(self, method: str = "", secret: str = "", **more: Any) -> Path:
        """Write a configuration; `secret` takes the place of the right one."""
        server = self.server
        if method in WITH_TOKEN:
            auth = {"type": "oauth2", "access_token": secret or server.token}
        else:
            auth = {"pass": secret or server.password}
        config = {
            "host": server.host,
            "port": self.port,
            "secure": self.security == "implicit",
            "auth": auth
            | {"user": server.username}
            | ({"method": method.lower()} if method else {}),
            "tls": {"ca_file": str(server.ca_file)},
        }
        if self.security == "starttls":
            config["starttls"] = "required"
        file = self.folder / "nexomailer.toml"
        file.touch(0o600)
        file.write_text(tomli_w.dumps({"providers": [{"name": "real", "config": config | more}]}))
        return file

    def send(
        self, *arguments: str, method: str = "", secret: str = "", body: str = "Hello\n"
    ) -> Sent:
        """Send one message from SENDER."""
        config = self.configuration(method, secret)
        before = len(self.server.settled_log())
        result = self.run(
            *("--config", str(config), "--verbose", "send", "--json", "--from", SENDER),
            *arguments,
            stdin=body.encode(),
        )
        assert (secret or self.server.password) not in result.stderr
        return Sent(result, self.server, before)

    def bulk(self, *arguments: str, **more: Any) -> tuple[Result, list[dict[str, Any]]]:
        """Send `letter.txt` to `people.csv`; return the result and its events."""
        result = self.run(
            *("--config", str(self.configuration(**more)), "bulk", "people.csv"),
            *("--template", "letter.txt", "--key", "number", "--dedupe", "keep"),
            *("--yes", "--json", *arguments),
        )
        return result, [json.loads(line) for line in result.stdout.splitlines()]

    def run(self, *arguments: str, stdin: bytes | None = None, **env: str) -> Result:
        """Run the command; it must not break down."""
        piped = subprocess.DEVNULL if stdin is None else stdin
        result = run_process(*arguments, stdin=piped, env=env, cwd=self.folder, seconds=SECONDS)
        assert "Traceback" not in result.stderr, result.stderr
        return result


@dataclass(frozen=True, slots=True)
class Sent:
    """What `send` left behind, and what the server's log has to say of it."""

    result: Result
    server: Server
    _before: int

    @property
    def told(self) -> Told:
        """What the server's log has to say so far; all of it once `taken` was asked."""
        return self.server.read(self.server.settled_log()[self._before :])

    @property
    def report(self) -> dict[str, Any]:
        """The JSON object."""
        return self.result.json

    @property
    def outcome(self) -> tuple[int, str]:
        """The exit status, and the word for it."""
        return self.result.exit_status, self.report["status"]

    @property
    def verdicts(self) -> dict[str, tuple[str, int, str]]:
        """What became of each recipient: verdict, code and enhanced code."""
        return {
            each["address"]: (each["verdict"], each["code"], each["enhanced"] or "")
            for each in self.report["recipients"]
        }

    def said(self, command: str) -> list[str]:
        """Return the lines of the transcript in which the client gives a command."""
        return re.findall(rf"^.*\bC: .*\b{command}\b.*$", self.result.stderr, re.MULTILINE)


def address(mailbox: str) -> str:
    """Return the address of a mailbox."""
    return f"{mailbox}@{DOMAIN}"
