"""aiosmtpd, as a program: `python -m tests.servers.programs.aiosmtpd_server SETTINGS.json`."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.servers.programs.desk import Desk

SETTINGS = json.loads(Path(sys.argv[1]).read_text())
DESK = Desk(SETTINGS)


class Handler:
    """What aiosmtpd asks at each step."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not DESK.knows(address):
            DESK.tell("refused", str(session.peer), recipient=address)
            return "550 5.1.1 User unknown"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.original_content
        assert content is not None
        name = DESK.keep(
            str(session.peer),
            content,
            sender=str(envelope.mail_from),
            recipients=envelope.rcpt_tos,
            mechanism=str(session.auth_data),
        )
        return f"250 2.0.0 Ok: queued as {name}"


def authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
) -> AuthResult:
    """Say whether that is the account."""
    assert isinstance(data, LoginPassword)
    right = (SETTINGS["username"].encode(), SETTINGS["password"].encode())
    return AuthResult(
        success=(data.login, data.password) == right, handled=False, auth_data=mechanism
    )


class Counting(SMTP):
    """Tells of its sessions; one that changes to TLS is still the same."""

    _began = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._began:
            self._began = str(transport.get_extra_info("peername"))
            DESK.tell("begin", self._began)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._began:
            DESK.tell("end", self._began)
            self._began = ""
        super().connection_lost(error)


class Commands(logging.Handler):
    """Counts the lines that aiosmtpd logs as received."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "%r >> %r" and isinstance(record.args, tuple):
            peer, line = record.args
            assert isinstance(line, bytes)
            name = line.partition(b" ")[0].decode("latin-1").upper()
            DESK.tell("command", str(peer), name=name)


def maker(context: ssl.SSLContext, *, is_implicit: bool) -> Callable[[], SMTP]:
    """Return what makes the server of one connection."""
    return lambda: Counting(
        Handler(),
        hostname=SETTINGS["hostname"],
        data_size_limit=SETTINGS["size_limit"],
        enable_SMTPUTF8=True,
        tls_context=None if is_implicit else context,
        authenticator=authenticate,
        # It knows of no TLS but its own.
        auth_require_tls=not is_implicit,
    )


async def main() -> None:
    """Serve until the end."""
    logger = logging.getLogger("mail.log")
    logger.setLevel(logging.INFO)
    logger.addHandler(Commands())
    logger.propagate = False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SETTINGS["certificate"], SETTINGS["key"])
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)  # of a client that hangs up
    host, ports = SETTINGS["host"], SETTINGS["ports"]
    await loop.create_server(maker(context, is_implicit=False), host, ports["starttls"])
    await loop.create_server(maker(context, is_implicit=True), host, ports["implicit"], ssl=context)
    DESK.tell("ready", "")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
