"""A client that says exactly what it is told to."""

from __future__ import annotations

import socket
import ssl
from base64 import b64encode
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from nexomailer_cli.sandbox.server import Sandbox


class Client:
    """A raw SMTP client; replies are single strings, continuation lines included."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.socket = socket.create_connection((sandbox.host, sandbox.port), timeout=5)
        self._file = self.socket.makefile("rb")
        self.greeting = self.reply()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def write(self, data: str | bytes) -> None:
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def reply(self) -> str:
        lines = [self._file.readline().decode()]
        while lines[-1][3:4] == "-":
            lines.append(self._file.readline().decode())
        return "".join(lines).replace("\r\n", "\n").rstrip("\n")

    def say(self, command: str) -> str:
        self.write(command + "\r\n")
        return self.reply()

    def start_tls(self) -> None:
        assert self.say("STARTTLS") == "220 2.0.0 Ready to start TLS"
        self.wrap()

    def wrap(self) -> None:
        """Shake hands, after the server said that it is ready."""
        context = ssl.create_default_context(cafile=self.sandbox.ca_file)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        self._file.close()
        self.socket = context.wrap_socket(self.socket, server_hostname=self.sandbox.host)
        self._file = self.socket.makefile("rb")

    def is_dead(self) -> bool:
        """Whether the server closes the connection without a further word."""
        try:
            return self._file.read() == b""
        except (ConnectionError, ssl.SSLEOFError):
            return True

    def sign_in(self) -> None:
        assert self.say(f"AUTH PLAIN {self.plain()}") == "235 2.7.0 Authentication successful"

    def plain(self, password: str | None = None) -> str:
        password = self.sandbox.password if password is None else password
        return b64encode(f"\0{self.sandbox.username}\0{password}".encode()).decode()

    def open(self) -> Self:
        """Go through EHLO, TLS and sign-in."""
        self.say("EHLO there")
        self.start_tls()
        self.say("EHLO there")
        self.sign_in()
        return self

    def send(
        self, content: str | bytes = "Subject: hi\r\n\r\nHello\r\n", *, to: str = "b@example.org"
    ) -> str:
        """Hand in a message whose lines begin with no dot; return the last reply."""
        data = content if isinstance(content, bytes) else content.encode()
        self.say("MAIL FROM:<a@example.org>")
        self.say(f"RCPT TO:<{to}>")
        self.say("DATA")
        self.write(data + b".\r\n")
        return self.reply()
