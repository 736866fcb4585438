"""What signs in appears nowhere: not on a screen, not in JSON, not in the process table."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.support.beside import peer
from tests.support.providers import configure, provider
from tests.support.run import Result, ended, run, running, wait_for
from tests.support.script import (
    GOODBYE,
    Expect,
    Hang,
    Reply,
    Script,
    Upgrade,
    ehlo,
    greeting,
    transaction,
)

USER, SECRET = "tim@a.test", "Tanstaaf & Söhne"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PASSWORD = {"auth": {"user": USER, "pass": "${THE_SECRET}"}}
TOKEN_TEXT = "ya29.a0Af_H6SMB-secret"
TOKEN = {"auth": {"type": "oauth2", "user": USER, "access_token": {"env": "THE_SECRET"}}}

# How one signs in -> configuration, secret, what the server offers and asks.
WAYS: dict[str, tuple[dict[str, Any], str, str, Script]] = {
    "plain": (PASSWORD, SECRET, "AUTH PLAIN", (Expect("AUTH PLAIN "),)),
    "login": (
        *(PASSWORD, SECRET, "AUTH LOGIN"),
        (
            *(Expect("AUTH LOGIN"), Reply("334 VXNlcm5hbWU6"), Expect("")),
            *(Reply("334 UGFzc3dvcmQ6"), Expect("")),
        ),
    ),
    "xoauth2": (TOKEN, TOKEN_TEXT, "AUTH XOAUTH2", (Expect("AUTH XOAUTH2 "),)),
}


def forms(secret: str) -> list[str]:
    bearer = f"user={USER}\x01auth=Bearer {secret}\x01\x01"
    return [secret, encoded(secret), encoded(f"\0{USER}\0{secret}"), encoded(bearer)]


def shows(result: Result, secret: str) -> list[str]:
    shown = result.stdout.decode() + result.stderr
    return [form for form in forms(secret) if form in shown or form.rstrip("=") in shown]


LETTER = ("send", "--to", "b@b.test", "--text", "x")
LOUD = ("-v", "--debug")


@pytest.mark.parametrize("answer", ["235 2.7.0 ok", "535 5.7.8 no"])
@pytest.mark.parametrize("options", [LOUD, (*LOUD, "--json")])
@pytest.mark.parametrize("way", WAYS)
def test_a_secret_is_never_shown(
    tmp_path: Path,
    way: str,
    options: tuple[str, ...],
    answer: str,
    server_tls: ssl.SSLContext,
    ca_file: str,
) -> None:
    config, secret, offer, asked = WAYS[way]
    after = (*transaction(), *GOODBYE) if answer.startswith("2") else (Hang(),)
    script = (
        *(*greeting("STARTTLS"), Expect("STARTTLS"), Reply("220 go"), Upgrade(), *ehlo(offer)),
        *(*asked, Reply(answer), *after),
    )
    with peer(script, tls=server_tls) as server:
        configure(tmp_path, provider("main", server, tls={"ca_file": ca_file}, **config))
        result = run(*LETTER, *options, env={"THE_SECRET": secret}, cwd=tmp_path)
    assert result.exit_status == (0 if answer.startswith("2") else 77)
    assert any(form in line for line in server.heard for form in forms(secret))
    assert shows(result, secret) == []
    assert "***" in result.stderr


def test_a_password_in_a_url_is_not_shown(tmp_path: Path) -> None:
    url = f"smtp://tim:{SECRET.replace(' ', '%20')}@127.0.0.1:1?nonsense=1"
    result = run(*LETTER, "--from", "a@a.test", env={"NEXOMAILER_URL": url}, cwd=tmp_path)
    assert result.exit_status == 78
    assert "unknown parameter" in result.stderr
    assert "Tanstaaf" not in result.stderr


@pytest.mark.parametrize("kind", ["command", "file"])
def test_a_secret_of_two_lines_is_refused_and_not_shown(tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\nmore\n")
    (tmp_path / "secret").chmod(0o600)
    secret = {"command": ["cat", "secret"]} if kind == "command" else {"file": "secret"}
    auth = {"user": USER, "pass": secret}
    with peer((Hang(),)) as server:
        configure(tmp_path, provider("main", server, auth=auth, connection_timeout="50ms"))
        result = run(*LETTER, *LOUD, cwd=tmp_path)
    assert result.exit_status in (75, 78)
    assert shows(result, SECRET) == []


def test_a_process_list_does_not_show_it(tmp_path: Path) -> None:
    with peer((*greeting("AUTH PLAIN"), Expect("AUTH"), Hang())) as server:
        configure(tmp_path, provider("main", server, **PASSWORD))
        env = {"THE_SECRET": SECRET}
        with running(*LETTER, "-v", "--deadline", "5s", env=env, cwd=tmp_path) as process:
            wait_for(process, "C: AUTH PLAIN ***")
            line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            process.terminate()
            ended(process)
    assert b"nexomailer_cli\0send" in line
    assert SECRET.encode() not in line
