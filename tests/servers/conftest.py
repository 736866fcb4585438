from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.servers.postfix import PROGRAMS, Postfix, free_port


@pytest.fixture(scope="session")
def postfix() -> Iterator[Postfix]:
    """A Postfix of our own. Without one installed, its tests fail: they are there to be run."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.fail(f"{', '.join(missing)} not found; tests/servers/install.sh installs them")
    if os.geteuid() != 0:
        pytest.fail("Postfix can only be started by root; run these tests with sudo")
    # Not pytest's own folder, whose parent is closed to Postfix's user.
    with TemporaryDirectory(prefix="nexomailer-postfix-") as folder:
        Path(folder).chmod(0o755)
        server = Postfix(Path(folder), free_port())
        server.start()
        try:
            yield server
        finally:
            server.stop()
