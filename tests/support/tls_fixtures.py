"""Certificates for scripted peers, made once."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="session")
def server_tls(ca: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """Make a server's context for the names given; `localhost` and 127.0.0.1 by default."""

    def make(*names: str, issuer: trustme.CA = ca) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer.issue_cert(*(names or ("localhost", "127.0.0.1"))).configure_cert(context)
        return context

    return make


@pytest.fixture
def client_tls(ca: trustme.CA) -> ssl.SSLContext:
    """A context that trusts our CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca.configure_trust(context)
    return context
