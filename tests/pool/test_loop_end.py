"""The event loop of a run may be closed whenever its work is done, whatever the peers do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import pytest

from nexomailer_cli.pool.carrier import Carrier
from tests.support.account import PROMPT, eventually, terms
from tests.support.lab.place import Handler, serving
from tests.support.lab.smtp import hang, implicit, smtp, then

ServerTls = Callable[..., ssl.SSLContext]


@pytest.mark.parametrize("stuck", ["TLS", "GREETING", "STARTTLS", "second EHLO"])
def test_a_run_may_end_while_a_session_is_being_opened(
    server_tls: ServerTls, client_tls: ssl.SSLContext, stuck: str
) -> None:
    # uvloop cannot be closed while a connection still parts from its peer politely.
    uvloop = pytest.importorskip("uvloop")
    handler: Handler = {
        "TLS": hang,
        "GREETING": implicit(server_tls(), hang),
        "STARTTLS": smtp("STARTTLS", STARTTLS=then("220 go ahead", hang)),
        "second EHLO": smtp(
            "STARTTLS", STARTTLS=then("220 go ahead", implicit(server_tls(), hang))
        ),
    }[stuck]

    async def give_up(port: int) -> None:
        is_implicit = stuck in ("TLS", "GREETING")
        handshake = Carrier(terms(port, tls=client_tls, implicit=is_implicit), PROMPT)
        task = asyncio.create_task(handshake.open())
        await eventually(lambda: hangs(handshake))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    def hangs(handshake: Carrier) -> bool:
        client = handshake._opened
        if client is None:
            return False
        is_encrypted = handshake.tls_version != ""
        return {
            "TLS": True,
            "GREETING": client.is_connected,
            "STARTTLS": handshake.phase.name == "STARTTLS",
            "second EHLO": is_encrypted,
        }[stuck]

    with serving(handler) as place:
        loop = uvloop.new_event_loop()
        loop.run_until_complete(give_up(place.port))
        loop.close()
