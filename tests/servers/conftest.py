from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, TypeVar

import pytest

from tests.servers import exim as an_exim
from tests.servers import postfix as a_postfix
from tests.servers.exim import Exim
from tests.servers.postfix import Postfix
from tests.servers.server import free_port


@pytest.fixture(scope="session")
def postfix() -> Iterator[Postfix]:
    """A Postfix of our own. Without one installed, its tests fail: they are there to be run."""
    demand(*a_postfix.PROGRAMS)
    with running(Postfix) as server:
        yield server


@pytest.fixture(scope="session")
def exim() -> Iterator[Exim]:
    """An Exim of our own; likewise."""
    demand(str(an_exim.PROGRAM))
    with running(Exim) as server:
        yield server


def demand(*programs: str) -> None:
    """Fail where a program is not installed: these tests are there to be run."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.fail(f"{', '.join(missing)} not found; tests/servers/install.sh installs them")
    if os.geteuid() != 0:
        pytest.fail("mail servers can only be started by root; run these tests with sudo")


class Startable(Protocol):
    """What a server of these tests can do."""

    def __init__(self, folder: Path, port: int) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


AnyServer = TypeVar("AnyServer", bound=Startable)


@contextmanager
def running(kind: type[AnyServer]) -> Iterator[AnyServer]:
    """Run a server in a folder of its own."""
    # Not pytest's own folder, whose parent is closed to the servers' users.
    with TemporaryDirectory(prefix="nexomailer-server-") as folder:
        Path(folder).chmod(0o755)
        server = kind(Path(folder), free_port())
        try:
            server.start()
            yield server
        finally:
            server.stop()
