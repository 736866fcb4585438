"""Mechanisms on the wire, against a real server: SCRAM-SHA-256, EXTERNAL, and tokens in `bulk`."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tests.support.providers import configure, provider
from tests.support.run import run
from tests.support.secrets import found_in
from tests.support.signing_in import post_office
from tests.support.token_server import BEARER, CLIENT_SECRET, token_server

LETTER = ("send", "--to", "b@b.test", "--text", "x", "-v")
PASSWORD = "Tanstaaf, =Söhne"
AUTH: dict[str, Any] = {"user": "tim, a=b", "pass": PASSWORD}


@pytest.mark.parametrize("offers", [("SCRAM-SHA-256",), ("SCRAM-SHA-256", "PLAIN", "LOGIN")])
def test_scram_keeps_the_password_to_itself(tmp_path: Path, offers: tuple[str, ...]) -> None:
    with post_office(password=PASSWORD, offers=offers) as post:
        configure(tmp_path, provider("main", post.port, auth=AUTH))
        result = run(*LETTER, cwd=tmp_path)
    assert result.exit_status == 0, result
    assert post.sign_ins == [("SCRAM-SHA-256", "tim, a=b")]
    assert post.answers == [b""]
    assert found_in(result.stderr, [PASSWORD]) == []


def test_a_wrong_password_is_tried_once(tmp_path: Path) -> None:
    with post_office(password="another", offers=("SCRAM-SHA-256", "PLAIN")) as post:
        configure(tmp_path, provider("main", post.port, auth=AUTH))
        result = run(*LETTER, "--json", cwd=tmp_path)
    assert result.exit_status == 77
    assert result.json["error"]["id"].startswith("auth.")
    assert len(post.sign_ins) == 1


def test_a_server_without_proof_gets_no_letter(tmp_path: Path) -> None:
    with post_office(password=PASSWORD, offers=("SCRAM-SHA-256",), proves=False) as post:
        configure(tmp_path, provider("main", post.port, auth=AUTH))
        result = run(*LETTER, "--json", cwd=tmp_path)
    assert (result.exit_status, result.json["error"]["id"]) == (76, "auth.server_unproven")
    assert post.contents == []


def test_plain_is_spoken_where_it_is_asked_for(tmp_path: Path) -> None:
    with post_office(password=PASSWORD, offers=("SCRAM-SHA-256", "PLAIN")) as post:
        configure(tmp_path, provider("main", post.port, auth={**AUTH, "method": "plain"}))
        assert run(*LETTER, cwd=tmp_path).exit_status == 0
    assert post.sign_ins == []


def test_a_certificate_signs_in(tmp_path: Path, ca: trustme.CA, ca_file: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    client = ca.issue_cert("tim@a.test")
    client.cert_chain_pems[0].write_to_path(str(tmp_path / "client.pem"))
    client.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    tls = {"ca_file": ca_file, "cert_file": "client.pem", "key_file": "client.key"}
    auth = {"user": "tim@a.test", "method": "external"}
    with post_office(context, offers=("EXTERNAL", "PLAIN")) as post:
        configure(tmp_path, provider("main", post.port, secure=True, auth=auth, tls=tls))
        result = run(*LETTER, cwd=tmp_path)
    assert result.exit_status == 0, result
    assert post.sign_ins == [("EXTERNAL", "tim@a.test")]


def service_account(folder: Path, **more: str) -> None:
    import json

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {"client_email": "robot@a.test", "private_key": pem, "private_key_id": "k1", **more}
    (folder / "account.json").write_text(json.dumps(account))
    (folder / "account.json").chmod(0o600)


def test_a_service_account_acts_for_the_user(tmp_path: Path) -> None:
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    service_account(tmp_path)
    with token_server() as giver, post_office(tokens=giver.valid) as post:
        auth = giver.auth(service_account_file="account.json")
        del auth["client_id"], auth["client_secret"]
        configure(tmp_path, provider("main", post.port, auth=auth))
        result = run(*LETTER, cwd=tmp_path)
    assert result.exit_status == 0, result
    assert found_in(result.stderr, giver.secrets) == []
    (form,) = giver.requests
    assert form["grant_type"] == BEARER
    pem = (tmp_path / "account.json").read_text().encode().decode("unicode_escape")
    key = RSAKey.import_key(pem[pem.index("-----BEGIN") : pem.index('", "private_key_id')])
    signed = jwt.decode(form["assertion"], key, algorithms=["RS256"])
    assert signed.header["kid"] == "k1"
    assert signed.claims["iss"] == "robot@a.test"
    assert signed.claims["sub"] == "tim@a.test"
    assert signed.claims["aud"] == f"{giver.url}/token"
    assert signed.claims["scope"] == "mail send"
    assert signed.claims["exp"] - signed.claims["iat"] == 3600


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is no key of a service account"),
        ('{"type": "authorized_user"}', "is no key of a service account"),
        (
            '{"client_email": "a@b", "private_key": "-----BEGIN PRIVATE KEY-----\\nhunter2"}',
            "cannot be used",
        ),
    ],
)
def test_a_service_account_that_is_none_is_told(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "account.json").write_text(content)
    (tmp_path / "account.json").chmod(0o644)
    with token_server() as giver, post_office() as post:
        auth = giver.auth(service_account_file="account.json")
        del auth["client_id"], auth["client_secret"]
        configure(tmp_path, provider("main", post.port, auth=auth))
        result = run(*LETTER, "--debug", cwd=tmp_path)
    assert result.exit_status == 78
    assert words in result.stderr
    assert "others can read" in result.stderr
    assert "hunter2" not in result.stderr


def test_a_run_of_many_renews_a_token_that_is_refused(tmp_path: Path) -> None:
    rows = "".join(f"r{number}@b.test\n" for number in range(12))
    (tmp_path / "people.csv").write_text(f"email\n{rows}")
    with token_server(rotates=True) as giver, post_office(tokens=giver.valid) as post:
        auth = giver.auth(refresh_token=giver.new_refresh_token())
        configure(
            tmp_path,
            provider("main", post.port, auth=auth, max_connections=3, max_messages=2),
        )
        assert run(*LETTER, cwd=tmp_path).exit_status == 0
        giver.valid.clear()
        words = ("--text", "Hi", "--subject", "x", "--yes", "-v", "--debug")
        result = run("bulk", "people.csv", *words, cwd=tmp_path)
    assert result.exit_status == 0, result
    assert len(post.contents) == 13
    # However many connections met the refusal, the token was renewed once.
    assert len(giver.requests) == 2
    seen = result.stdout.decode() + result.stderr
    for path in tmp_path.glob("people.csv.journal*"):
        seen += path.read_bytes().decode("latin-1")
    assert found_in(seen, [*giver.secrets, CLIENT_SECRET]) == []
