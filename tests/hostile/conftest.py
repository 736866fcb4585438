"""Certificates for hostile servers, one of which is in order, and a quick machine."""

from __future__ import annotations

import pytest

from tests.support import certificates
from tests.support.certificates import Chain


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A certificate for 127.0.0.1 that nothing is wrong with."""
    return certificates.healthy(tmp_path_factory.mktemp("healthy"), "127.0.0.1")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a run waits for after a failure be matters of moments."""
    monkeypatch.setattr("nexomailer_cli.bulk.breaker.FIRST_SECONDS", 0.05)
    monkeypatch.setattr("nexomailer_cli.bulk.breaker.LONGEST_SECONDS", 0.1)
    monkeypatch.setattr("nexomailer_cli.bulk.desk.AGAIN_SECONDS", 0.05)
    monkeypatch.setattr("nexomailer_cli.pool.pool.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("nexomailer_cli.pool.pool.LONGEST_PAUSE", 0.02)
    monkeypatch.setattr("nexomailer_cli.transport.limits.MIN_BYTES_PER_SECOND", 2**26)
