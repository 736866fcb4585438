from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, TypeVar

import pytest

from tests.servers.client import Client
from tests.servers.exim import Exim
from tests.servers.postfix import Postfix
from tests.servers.scripted import Aiosmtpd, Haraka, SmtpServer
from tests.servers.sendmail import Sendmail
from tests.servers.server import SECURITIES, Server
from tests.servers.table import Table

SERVERS: tuple[type[Server], ...] = (Postfix, Exim, Sendmail, SmtpServer, Haraka, Aiosmtpd)
EACH = [
    # Two processes that run the tests share the servers out.
    pytest.param(kind, id=kind.name, marks=pytest.mark.xdist_group(kind.name))
    for kind in SERVERS
]


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(tuple(kind.name for kind in SERVERS)))


class Startable(Protocol):
    """What a server of these tests can do."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


AnyServer = TypeVar("AnyServer", bound=Startable)


@pytest.fixture(scope="session", params=EACH)
def real(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of our own. Without its program its tests fail: they are there to be run."""
    kind: type[Server] = request.param
    demand(*kind.programs())
    with running(kind) as server:
        yield server


def demand(*programs: str) -> None:
    """Fail where a program is not installed: these tests are there to be run."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.fail(f"{', '.join(missing)} not found; tests/servers/install.sh installs them")
    if os.geteuid() != 0:
        pytest.fail("mail servers can only be started by root; run these tests with sudo")


@contextmanager
def running(make: Callable[[Path], AnyServer]) -> Iterator[AnyServer]:
    """Run a server in a folder of its own."""
    # Not pytest's own folder, whose parent is closed to the servers' users.
    with TemporaryDirectory(prefix="nexomailer-server-") as folder:
        Path(folder).chmod(0o755)
        server = make(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture
def server(real: Server) -> Server:
    """The server, with nothing in it."""
    real.taken()
    return real


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Client:
    """The command, set up for the server by STARTTLS."""
    return Client(server, tmp_path)


@pytest.fixture(params=SECURITIES)
def either_client(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Client:
    """The command, set up by STARTTLS and by TLS from the first byte."""
    return Client(server, tmp_path, request.param)


@pytest.fixture
def note(
    server: Server, record_property: Callable[[str, object], None]
) -> Callable[[str, str], None]:
    """Write a result into `docs/servers.md`: what was tried, and what came of it."""
    return lambda row, result: record_property(Table.KEY, (server.name, row, result))
