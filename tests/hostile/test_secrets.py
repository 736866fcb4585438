"""The search for secrets finds what it looks for, and finds nothing in a run of many."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.hostile.cutting import Cutter, cutting
from tests.support import secrecy
from tests.support.beside import beside
from tests.support.certificates import Chain
from tests.support.providers import configure, provider
from tests.support.run import run, run_process, running, wait_for

SECRET = "Pa55 wörd+/&\"'"
USER = "tim@a.test"


def encoded(*octets: bytes) -> bytes:
    return base64.b64encode(b"".join(octets))


SEEN: dict[str, bytes] = {
    "plain": f"the password is {SECRET}.".encode(),
    "base64": encoded(SECRET.encode()),
    "PLAIN": encoded(b"\0", USER.encode(), b"\0", SECRET.encode()),
    "PLAIN, another length": encoded(b"\0", USER[1:].encode(), b"\0", SECRET.encode()),
    "XOAUTH2": encoded(b"user=", USER.encode(), b"\1auth=Bearer ", SECRET.encode(), b"\1\1"),
    "base64 of URLs": base64.urlsafe_b64encode(b"\0" + SECRET.encode()),
    "a URL": f"smtp://tim:{quote(SECRET, safe='')}@a.test".encode(),
    "JSON": json.dumps({"pass": SECRET}).encode(),
    "Python": repr({"pass": SECRET}).encode(),
    "hexadecimal": SECRET.encode().hex().encode(),
}


@pytest.mark.parametrize("form", SEEN)
def test_a_secret_is_found_in_every_form(form: str) -> None:
    secrets = secrecy.Secrets()
    secrets.keep(SECRET)
    assert secrets.found_in(b"... " + SEEN[form] + b" ...")
    assert not secrets.found_in(SEEN[form].swapcase()[::-1])


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        (("AUTH PLAIN AHRpbQB0YW5zdGFhZg==",), b"AHRpbQB0YW5zdGFhZg"),
        (("AUTH LOGIN", "dGltQGEudGVzdA==", "dGFuc3RhYWYxMjM="), b"dGFuc3RhYWYxMjM"),
        (
            ("AUTH CRAM-MD5", encoded(b"tim 0123456789abcdef0123456789abcdef").decode()),
            b"0123456789abcdef0123456789abcdef",
        ),
        (
            ("AUTH SCRAM-SHA-256", encoded(b"c=biws,r=abc,p=dHzbZapWIk4jUhN+Ute9ytag").decode()),
            b"dHzbZapWIk4jUhN+Ute9ytag",
        ),
    ],
)
def test_a_proof_is_a_secret_too(said: tuple[str, ...], seen: bytes) -> None:
    secrets = secrecy.Secrets()
    for number, line in enumerate(said):
        secrets.overhear(line, said[:number])
    assert secrets.found_in(seen)
    secrets.overhear("MAIL FROM:<tim@a.test>", said)
    assert not secrets.found_in(b"MAIL FROM:<tim@a.test>")


def test_a_file_that_shows_a_secret_is_found(tmp_path: Path) -> None:
    (tmp_path / "before").write_text(SECRET)
    before = secrecy.snapshot(tmp_path)
    secrecy.collect({"SMTP_PASS": SECRET}, tmp_path)
    secrecy.check_files(tmp_path, before)
    (tmp_path / "after").write_bytes(SEEN["PLAIN"])
    with pytest.raises(AssertionError, match="after shows"):
        secrecy.check_files(tmp_path, before)


def test_a_configuration_and_a_url_are_known_to_hold_secrets(tmp_path: Path) -> None:
    configure(tmp_path, provider("main", 1, auth={"user": "tim", "pass": "tanstaaf"}))
    secrecy.collect({"NEXOMAILER_URL": "smtp://tim:s%C3%BC%C3%9Fholz@a.test"}, tmp_path)
    assert secrecy.KEPT.found_in(b"tanstaaf")
    assert secrecy.KEPT.found_in("süßholz".encode())


@pytest.mark.parametrize("step", ["", "auth", "end"])
def test_neither_journal_nor_report_nor_log_holds_the_password(
    tmp_path: Path, healthy: Chain, step: str
) -> None:
    (tmp_path / "people.csv").write_text("email\nr1@b.test\nr2@b.test\n")
    letter = ("--from", "a@a.test", "--subject", "x", "--text", "x", "--retry-for", "0")
    options = ("--yes", "-v", "--debug", "--report", "out.csv", "--journal", "run.journal")
    with beside(cutting(Cutter(step, "421", healthy.server_context()))) as server:
        tls = {"ca_file": str(healthy.authority)}
        auth = {"user": USER, "pass": "${THE_SECRET}"}
        configure(tmp_path, provider("main", server.port, tls=tls, auth=auth))
        # What is left behind is searched for it.
        result = run_process(
            *("bulk", "people.csv", *letter, *options), env={"THE_SECRET": SECRET}, cwd=tmp_path
        )
        assert "AUTH PLAIN ***" in result.stderr
        assert (tmp_path / "out.csv").exists()
        for command in (("status",), ("rows",)):
            shown = run("journal", *command, "run.journal", "-v", cwd=tmp_path)
            assert shown.exit_status == 0, shown.stderr


def test_a_process_list_shows_no_password_of_a_run(tmp_path: Path, healthy: Chain) -> None:
    (tmp_path / "people.csv").write_text("email\nr1@b.test\n")
    letter = ("--from", "a@a.test", "--subject", "x", "--text", "x", "--yes", "-v")
    with beside(cutting(Cutter("mail", "hang", healthy.server_context()))) as server:
        tls = {"ca_file": str(healthy.authority)}
        auth = {"user": USER, "pass": {"command": ["printenv", "THE_SECRET"]}}
        configure(tmp_path, provider("main", server.port, tls=tls, auth=auth))
        env = {"THE_SECRET": SECRET}
        with running("bulk", "people.csv", *letter, env=env, cwd=tmp_path) as process:
            told = wait_for(process, "C: MAIL FROM")
            line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    assert "AUTH PLAIN ***" in told
    assert b"nexomailer_cli\0bulk" in line
