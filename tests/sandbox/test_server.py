"""Life and death of the server, whatever its clients are doing."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
from pathlib import Path

import aiosmtplib
import pytest

from nexomailer_cli.errors import OutputError, UsageError
from nexomailer_cli.sandbox.certificate import make_identity
from nexomailer_cli.sandbox.reception import Captured
from nexomailer_cli.sandbox.server import Sandbox
from tests.sandbox.client import Client


async def test_an_asyncio_program_sends_through_it() -> None:
    with Sandbox() as sandbox:
        client = aiosmtplib.SMTP(
            hostname=sandbox.host,
            port=sandbox.port,
            username=sandbox.username,
            password=sandbox.password,
            start_tls=True,
            local_hostname="there",
            cert_bundle=str(sandbox.ca_file),
        )
        async with client:
            await client.sendmail("a@example.org", ["b@example.org"], b"Subject: hi\r\n\r\nx\r\n")
    assert [captured.tls for captured in sandbox.captured] == [True]


def test_nothing_is_left_when_it_ends() -> None:
    before = set(threading.enumerate())
    with Sandbox() as sandbox, Client(sandbox) as client:
        client.open().send()
        folder = sandbox.ca_file.parent
        assert sandbox.captured[0].path.is_relative_to(folder)
    assert set(threading.enumerate()) <= before
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((sandbox.host, sandbox.port))


def test_it_ends_at_once_while_clients_hold_on() -> None:
    with Sandbox() as sandbox:
        idle, in_data, under_tls, in_handshake = clients = [Client(sandbox) for _ in range(4)]
        idle.say("EHLO there")
        in_data.say("EHLO there")
        in_data.say("MAIL FROM:<a@example.org>")
        in_data.say("RCPT TO:<b@example.org>")
        in_data.say("DATA")
        under_tls.open()
        in_handshake.say("STARTTLS")
        silent = socket.create_connection((sandbox.host, sandbox.port))
    for client in clients:
        assert client.is_dead()
        client.__exit__()
    silent.close()
    gc.collect()  # an unclosed socket or transport warns when it is collected
    assert sandbox.captured == ()


def test_a_taken_port_is_said_at_once() -> None:
    with Sandbox() as first, pytest.raises(UsageError, match=f":{first.port}: ") as caught:
        Sandbox(port=first.port).__enter__()
    assert "--port" in caught.value.hint


def test_its_port_is_free_again_for_the_next() -> None:
    with Sandbox() as first, Client(first) as client:
        client.say("QUIT")
    with Sandbox(port=first.port) as second, Client(second) as client:
        assert client.greeting == "220 localhost nexomailer sandbox"


def test_a_maildir_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    before = set(threading.enumerate())
    with pytest.raises(OutputError, match="Not a directory") as caught:
        Sandbox(maildir=tmp_path / "file" / "box").__enter__()
    assert "--maildir" in caught.value.hint
    assert set(threading.enumerate()) <= before


def test_a_named_maildir_outlives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Sandbox(maildir=Path("box")) as sandbox, Client(sandbox) as client:
        client.open().send("Subject: kept\r\n\r\n")
    assert sandbox.maildir == tmp_path / "box"
    assert sandbox.captured[0].content == b"Subject: kept\r\n\r\n"


def test_every_start_has_credentials_and_an_authority_of_its_own() -> None:
    with Sandbox() as one, Sandbox() as other:
        assert one.password != other.password
        assert one.ca_file.read_bytes() != other.ca_file.read_bytes()


def test_its_folder_is_its_owner_s_alone(sandbox: Sandbox) -> None:
    assert sandbox.ca_file.parent.stat().st_mode & 0o777 == 0o700


def test_a_listener_hears_of_a_message_before_the_client_does() -> None:
    heard: list[Captured] = []
    with Sandbox(on_message=heard.append) as sandbox, Client(sandbox) as client:
        client.open().send("Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\n")
        assert tuple(heard) == sandbox.captured
        assert heard[0].subject == "grüße"


def test_a_listener_that_fails_makes_the_client_try_again() -> None:
    def fail(captured: Captured) -> None:
        raise ValueError("no\r\n250 ink")

    with Sandbox(on_message=fail) as sandbox, Client(sandbox) as client:
        reply = client.open().send()
        assert reply == "451 4.3.0 Error in the sandbox: ValueError: no\\x0d\\x0a250 ink"
        assert client.say("NOOP") == "250 2.0.0 Ok"


def test_a_client_that_does_not_trust_it_disturbs_nobody(sandbox: Sandbox) -> None:
    with Client(sandbox) as client:
        client.say("STARTTLS")
        context = ssl.create_default_context(cadata=make_identity().authority.decode())
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(client.socket, server_hostname="localhost").close()
    with Client(sandbox) as client:
        assert client.open().send().startswith("250 2.0.0 ")


def test_a_client_that_talks_nonsense_instead_of_tls_disturbs_nobody(sandbox: Sandbox) -> None:
    with Client(sandbox) as client:
        client.say("STARTTLS")
        client.write("EHLO there\r\n")
        assert client.is_dead()
    with Client(sandbox) as client:
        assert client.open().send().startswith("250 2.0.0 ")


async def test_many_clients_at_once_lose_nothing() -> None:
    with Sandbox() as sandbox:
        await asyncio.gather(*(asyncio.to_thread(_send_some, sandbox, who) for who in range(8)))
        bodies = sorted(captured.content for captured in sandbox.captured)
    assert bodies == sorted(_body(who, turn) for who in range(8) for turn in range(10))


def _send_some(sandbox: Sandbox, who: int) -> None:
    with Client(sandbox) as client:
        client.open()
        for turn in range(10):
            client.send(_body(who, turn))


def _body(who: int, turn: int) -> bytes:
    return f"Subject: {who} {turn}\r\n\r\n".encode()


def test_its_repr_tells_where_it_is_and_how_busy(sandbox: Sandbox) -> None:
    assert repr(sandbox) == f"<Sandbox 127.0.0.1:{sandbox.port} [0 captured]>"
    assert sandbox.password not in repr(sandbox)
