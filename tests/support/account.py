"""Mails, accounts and connections for tests of the transport room."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

from nexomailer_cli.smtp.auth import Credentials
from nexomailer_cli.smtp.envelope import Envelope, Mail
from nexomailer_cli.smtp.failure import Rule
from nexomailer_cli.smtp.outcome import Disposition
from nexomailer_cli.transport.account import Account
from nexomailer_cli.transport.base import Event, Observer, unobserved
from nexomailer_cli.transport.connection import Connection
from nexomailer_cli.transport.limits import Limits
from nexomailer_cli.transport.meeting import Meeting
from nexomailer_cli.transport.terms import Terms
from tests.support.aside import Aside
from tests.support.script import Peer

CONTENT = b"Subject: x\r\n\r\n.body\r\n"
# More than the kernel's buffers on both sides hold.
BIG = b"Subject: x\r\n\r\n" + (b"x" * 998 + b"\r\n") * 16_000
PROMPT = Limits(connect=5.0, reply=5.0, end=5.0)
HASTY = Limits(connect=0.12, reply=0.12, end=0.12)
PASSWORD = Credentials("tim", "tanstaaf")


def mail(*recipients: str, content: bytes = CONTENT, sender: str = "s@a.test") -> Mail:
    return Mail(Envelope(sender, recipients or ("r1@b.test",)), content)


def terms(
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    credentials: Credentials | None = None,
    implicit: bool = False,
) -> Terms:
    return Terms(
        host="127.0.0.1",
        port=port,
        implicit_tls=implicit,
        requires_tls=tls is not None,
        tls=tls,
        servername="localhost",
        ehlo_name="me.test",
        credentials=credentials,
    )


def account(
    peer: Peer | int,
    *,
    name: str = "main",
    limits: Limits = PROMPT,
    rules: Callable[[], Iterable[Rule]] = tuple,
    tls: ssl.SSLContext | None = None,
    credentials: Credentials | None = None,
    implicit: bool = False,
) -> Account:
    port = peer if isinstance(peer, int) else peer.port
    return Account(
        name=name,
        host="127.0.0.1",
        port=port,
        terms=lambda: terms(port, tls=tls, credentials=credentials, implicit=implicit),
        limits=limits,
        rules=rules,
    )


async def connect(
    peer: Peer,
    limits: Limits = PROMPT,
    observer: Observer = unobserved,
    tls: ssl.SSLContext | None = None,
    blocking: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Aside[tuple[Disposition, ...]]:
    meeting = Meeting(terms(peer.port, tls=tls), PROMPT, blocking=blocking)
    wire, session = await asyncio.to_thread(meeting.open)
    return Aside(Connection(wire, session, "main", limits, observer))


async def until_heard(peer: Peer, verb: str) -> None:
    """Let the loop run until the client has said `verb`."""
    await eventually(lambda: verb in peer.verbs)


async def eventually(holds: Callable[[], bool]) -> None:
    """Let the loop run until something holds of which no event tells."""
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def events_of(kind: type[Event], events: Iterable[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]
