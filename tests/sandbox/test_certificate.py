from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509

from nexomailer_cli.sandbox import certificate
from nexomailer_cli.sandbox.certificate import Identity, make_identity, server_context


def handshake(identity: Identity, *, folder: Path, name: str, authority: bytes = b"") -> None:
    """Let a strict client and a server shake hands in memory."""
    client = ssl.create_default_context(cadata=(authority or identity.authority).decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context(identity, folder=folder).wrap_bio(to_server, to_client, True)
    sides = [client.wrap_bio(to_client, to_server, server_hostname=name), server]
    while sides:
        sides = [side for side in sides if not finished(side)]


def finished(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_a_strict_client_trusts_it_on_this_machine(name: str, tmp_path: Path) -> None:
    handshake(make_identity(), folder=tmp_path, name=name)


@pytest.mark.parametrize("name", ["example.org", "127.0.0.2", "localhost.example.org"])
def test_it_is_nobody_else(name: str, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(make_identity(), folder=tmp_path, name=name)


def test_another_sandbox_authority_does_not_vouch_for_it(tmp_path: Path) -> None:
    stranger = make_identity().authority
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(make_identity(), folder=tmp_path, name="localhost", authority=stranger)


def test_the_authority_can_vouch_for_nothing_but_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "NAMES", (x509.DNSName("bank.example"),))
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        handshake(make_identity(), folder=tmp_path, name="bank.example")


def test_the_key_does_not_stay_on_disk(tmp_path: Path) -> None:
    server_context(make_identity(), folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_key_does_not_stay_on_disk_when_it_is_refused(tmp_path: Path) -> None:
    identity = make_identity()
    with pytest.raises(ssl.SSLError):
        server_context(Identity(identity.authority, identity.certificate, b""), folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "server.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        server_context(make_identity(), folder=tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_repr_does_not_show_the_key() -> None:
    identity = make_identity()
    assert b"PRIVATE KEY" in identity.key
    assert "PRIVATE KEY" not in repr(identity)
