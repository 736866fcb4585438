"""An examiner in a folder of its own, and certificates for the servers of the lab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import certificates
from tests.support.certificates import Chain
from tests.support.lab.examining import Examiner

Neighbours = Callable[..., None]


@pytest.fixture
def neighbours(monkeypatch: pytest.MonkeyPatch) -> Neighbours:
    """Let the examination take these ports for the usual ones of mail servers."""

    def be(*ports: int) -> None:
        monkeypatch.setattr("nexomailer_cli.probe.alternatives.NEIGHBOURS", ports)

    return be


@pytest.fixture
def examine(tmp_path: Path, neighbours: Neighbours) -> Examiner:
    """The command, without a look at ports that are not of the lab."""
    neighbours()
    return Examiner(tmp_path)


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A certificate for 127.0.0.1 that nothing is wrong with."""
    return certificates.healthy(tmp_path_factory.mktemp("healthy"), "127.0.0.1")


@pytest.fixture
def trusting(examine: Examiner, healthy: Chain) -> Examiner:
    """The command with `healthy`'s authority."""
    return Examiner(examine.folder, ("--ca-file", str(healthy.authority)))
