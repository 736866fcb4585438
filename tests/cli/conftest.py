"""One sandbox and one certificate authority for all tests of the command line."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme

from nexomailer_cli.sandbox.reception import Captured
from nexomailer_cli.sandbox.server import Sandbox
from tests.support.run import TERMINAL, run

SENDER = "Änne Müller <aenne@a.test>"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a server got."""

    captured: Captured
    message: EmailMessage

    @property
    def text(self) -> str:
        """The plain body, with the line ends of Python."""
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")

    @property
    def html(self) -> str:
        """The HTML body."""
        body = self.message.get_body(("html",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")


def parsed(content: bytes) -> EmailMessage:
    """Read a message with the standard library's parser, which is not ours."""
    return message_from_bytes(content, _class=EmailMessage, policy=default)


@dataclass(frozen=True, slots=True)
class Post:
    """The command, a folder to run it in, and a server that takes everything."""

    sandbox: Sandbox
    folder: Path

    @property
    def env(self) -> dict[str, str]:
        """What leads the command to the sandbox."""
        box = self.sandbox
        place = f"{box.username}:{box.password}@{box.host}:{box.port}"
        return {"NEXOMAILER_URL": f"smtp+starttls://{place}?ca_file={quote(str(box.ca_file))}"}

    def send(self, *arguments: str, stdin: bytes | str = TERMINAL) -> Arrival:
        """Send one message, silently; return what arrived."""
        before = len(self.sandbox.captured)
        result = run("send", *arguments, stdin=stdin, env=self.env, cwd=self.folder)
        assert (result.exit_status, result.stdout, result.stderr) == (0, b"", "")
        (captured,) = self.sandbox.captured[before:]
        return Arrival(captured, parsed(captured.content))

    def letter(self, *arguments: str, stdin: bytes | str = TERMINAL) -> Arrival:
        """Send one message from somebody to somebody."""
        return self.send("--from", SENDER, "--to", "b@b.test", *arguments, stdin=stdin)


@pytest.fixture(scope="session")
def session_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def post(session_sandbox: Sandbox, tmp_path: Path) -> Post:
    return Post(session_sandbox, tmp_path)


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="session")
def server_tls(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context
