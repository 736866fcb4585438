from __future__ import annotations

from collections.abc import Iterator

import pytest

from nexomailer_cli.sandbox.server import Sandbox
from tests.sandbox.client import Client


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    """A client that has said EHLO, without TLS."""
    with Client(sandbox) as client:
        client.say("EHLO there")
        yield client


@pytest.fixture
def signed_in(sandbox: Sandbox) -> Iterator[Client]:
    """A client under TLS that has signed in."""
    with Client(sandbox) as client:
        yield client.open()
