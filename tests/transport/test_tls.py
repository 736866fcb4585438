"""Each option of `providers.config.tls`, and files that cannot be used."""

import ssl
import types
from pathlib import Path

import pytest
import trustme

from nexomailer_cli.config.settings import Tls
from nexomailer_cli.errors import ConfigError
from nexomailer_cli.transport import tls as module
from nexomailer_cli.transport.tls import tls_context


@pytest.fixture
def client(ca: trustme.CA, tmp_path: Path) -> tuple[str, str]:
    """A client certificate and its key."""
    leaf = ca.issue_cert("client.test")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    leaf.cert_chain_pems[0].write_to_path(str(cert))
    leaf.private_key_pem.write_to_path(str(key))
    return str(cert), str(key)


def problem(tls: Tls) -> str:
    with pytest.raises(ConfigError) as caught:
        tls_context(tls)
    [found] = caught.value.problems
    return str(found)


def test_a_server_has_to_prove_who_it_is() -> None:
    context = tls_context(Tls())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is True
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_server_need_not_prove_anything_where_the_configuration_says_so() -> None:
    context = tls_context(Tls(reject_unauthorized=False))
    assert context.verify_mode is ssl.CERT_NONE
    assert context.check_hostname is False


def test_the_oldest_version_is_the_configured_one() -> None:
    assert tls_context(Tls(min_version="1.3")).minimum_version is ssl.TLSVersion.TLSv1_3


def test_an_authority_of_ones_own_takes_the_place_of_the_system_s(ca_file: Path) -> None:
    context = tls_context(Tls(ca_file=str(ca_file)))
    assert context.cert_store_stats()["x509_ca"] == 1


def test_a_client_certificate_is_loaded(client: tuple[str, str]) -> None:
    cert, key = client
    tls_context(Tls(cert_file=cert, key_file=key))


def test_certificate_and_key_may_be_one_file(client: tuple[str, str], tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text("".join(Path(part).read_text() for part in client))
    tls_context(Tls(cert_file=str(both)))


@pytest.mark.parametrize("key", ["ca_file", "cert_file"])
@pytest.mark.parametrize("content", [None, b"", b"garbage\n", b"\xff\xfe\0"])
def test_a_file_that_cannot_be_used_is_named_with_its_key(
    key: str, content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "some.pem"
    if content is not None:
        path.write_bytes(content)
    words = problem(Tls(ca_file=str(path)) if key == "ca_file" else Tls(cert_file=str(path)))
    assert f"providers.config.tls.{key}: cannot use {path}: " in words


def test_a_directory_is_no_certificate(tmp_path: Path) -> None:
    assert "providers.config.tls.ca_file" in problem(Tls(ca_file=str(tmp_path)))


def test_a_key_of_another_certificate_is_refused(
    client: tuple[str, str], ca: trustme.CA, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    ca.issue_cert("other.test").private_key_pem.write_to_path(str(other))
    words = problem(Tls(cert_file=client[0], key_file=str(other)))
    assert "providers.config.tls" in words
    assert "mismatch" in words.lower()


@pytest.mark.parametrize("content", [None, b"garbage"])
def test_a_key_file_that_cannot_be_used_is_named_with_its_key(
    content: bytes | None, client: tuple[str, str], tmp_path: Path
) -> None:
    key = tmp_path / "lost.pem"
    if content is not None:
        key.write_bytes(content)
    words = problem(Tls(cert_file=client[0], key_file=str(key)))
    assert "providers.config.tls.key_file" in words
    assert str(key) in words


def test_an_encrypted_key_asks_nobody(
    client: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL would ask on the terminal, in the middle of an event loop."""
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    cert, key = client
    locked = tmp_path / "locked.pem"
    private = load_pem_private_key(Path(key).read_bytes(), None)
    locked.write_bytes(
        private.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"correct horse")
        )
    )
    passwords: list[object] = []
    load = ssl.SSLContext.load_cert_chain

    def spy(context: ssl.SSLContext, cert: str, key: str, password: str | None = None) -> None:
        passwords.append(password)
        load(context, cert, key, password)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", spy)
    assert "providers.config.tls" in problem(Tls(cert_file=cert, key_file=str(locked)))
    assert passwords == [""]  # None is what makes OpenSSL ask


# --- the system's authorities -----------------------------------------------------------------


def loaded(
    monkeypatch: pytest.MonkeyPatch, capath: str | None, tls: Tls | None = None
) -> list[str]:
    """Return where trust came from, with `capath` for the system's directory."""
    sources: list[str] = []

    def locations(_: ssl.SSLContext, cafile: str | None = None, capath: str | None = None) -> None:
        sources.append(f"capath {capath}" if capath else f"cafile {cafile}")

    paths = types.SimpleNamespace(openssl_cafile_env="OUR_CERT_FILE", capath=capath)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", locations)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda _: sources.append("system"))
    tls_context(tls or Tls())
    return sources


def test_a_directory_of_hashed_names_is_used_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "3513523f.0").touch()
    assert loaded(monkeypatch, str(tmp_path)) == [f"capath {tmp_path}"]


def test_a_directory_without_hashed_names_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "root.pem").touch()
    (tmp_path / "3513523f.r0").touch()
    assert loaded(monkeypatch, str(tmp_path)) == ["system"]


@pytest.mark.parametrize("capath", [None, "", "/nowhere/at/all"])
def test_no_directory_means_the_usual_way(
    capath: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loaded(monkeypatch, capath) == ["system"]


def test_a_bundle_named_in_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "3513523f.0").touch()
    monkeypatch.setenv("OUR_CERT_FILE", "/etc/own.pem")
    assert loaded(monkeypatch, str(tmp_path)) == ["system"]


def test_who_is_not_examined_needs_no_authorities(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "3513523f.0").touch()
    assert loaded(monkeypatch, str(tmp_path), Tls(reject_unauthorized=False)) == []


@pytest.mark.parametrize(("version", "strict"), [((3, 11), False), ((3, 13), True)])
def test_certificates_are_examined_as_strictly_as_python_does(
    version: tuple[int, int], strict: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "sys", types.SimpleNamespace(version_info=version))
    flags = tls_context(Tls()).verify_flags
    wanted = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    assert (flags & wanted == wanted) is strict
