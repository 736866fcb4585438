"""What is the event loop's own in opening a session; the rest is in test_handshake."""

import asyncio
import socket
import ssl
from collections.abc import Callable

import aiosmtplib
import pytest

from nexomailer_cli.errors import TransportError
from nexomailer_cli.pool.carrier import Carrier
from nexomailer_cli.transport.base import Event
from tests.support.account import PASSWORD, PROMPT, eventually, terms, until_heard
from tests.support.script import (
    Deaf,
    Expect,
    Hang,
    Reply,
    Upgrade,
    ehlo,
    greeting,
    scripted,
)

ServerTls = Callable[..., ssl.SSLContext]


async def test_after_a_421_to_auth_the_connection_is_dropped_at_once(
    server_tls: ServerTls, client_tls: ssl.SSLContext
) -> None:
    # aiosmtplib begins a polite end of TLS then, and forgets the wire.
    script = (
        *greeting("STARTTLS"),
        Expect("STARTTLS"),
        Reply("220 go"),
        Upgrade(),
        *ehlo("AUTH PLAIN"),
        Expect("AUTH"),
        Reply("421 4.7.0 later"),
        Deaf(),
        Hang(),
    )
    async with scripted(script, tls=server_tls()) as peer:
        sockets: list[socket.socket] = []

        def look(event: Event) -> None:
            if handshake._opened is not None and handshake._opened.transport is not None:
                sockets.append(handshake.wire.get_extra_info("socket"))

        handshake = Carrier(terms(peer.port, tls=client_tls, credentials=PASSWORD), PROMPT, look)
        with pytest.raises(TransportError):
            await handshake.open()
        await eventually(lambda: sockets[0].fileno() == -1)


async def test_being_cancelled_closes_the_connection() -> None:
    async with scripted((Reply("220 hi"), Expect("EHLO"), Hang())) as peer:
        task = asyncio.create_task(Carrier(terms(peer.port), PROMPT).open())
        await until_heard(peer, "EHLO")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_what_we_use_of_aiosmtplib_beside_its_interface_is_still_there() -> None:
    async with scripted(greeting()) as peer:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=peer.port, start_tls=False)
        await client.connect()
        assert client.protocol is not None
        assert client.protocol._buffer == bytearray()
        assert hasattr(client.transport, "set_protocol")
        client.close()
