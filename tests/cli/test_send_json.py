"""`send --json`: one object on standard output, whatever happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Post
from tests.support.beside import peer
from tests.support.providers import configure, provider
from tests.support.run import CLOSED, TERMINAL, run
from tests.support.script import GOODBYE, greeting, transaction

KEYS = (
    *("schema", "status", "message_id", "provider", "queue_id", "recipients", "attempts", "error"),
    "exit_code",
)
LETTER = ("--from", "a@a.test", "--to", "b@b.test", "--text", "x")


def test_everything_the_contract_names_is_there(tmp_path: Path) -> None:
    with peer([*greeting(), *transaction(), *GOODBYE]) as server:
        configure(tmp_path, provider("main", server))
        result = run("send", "--json", *LETTER, "--message-id", "<1@a.test>", cwd=tmp_path)
    report = result.json
    elapsed = report["attempts"][0].pop("elapsed_ms")
    assert 0 <= elapsed < 5000
    assert tuple(report) == KEYS
    assert report == {
        "schema": "nexomailer.send/1",
        "status": "accepted",
        "message_id": "<1@a.test>",
        "provider": "main",
        "queue_id": "4F2A",
        "recipients": [
            {
                "address": "b@b.test",
                "verdict": "accepted",
                "code": 250,
                "enhanced": "2.0.0",
                "text": "Ok: queued as 4F2A",
            }
        ],
        "attempts": [
            {
                "provider": "main",
                "host": "127.0.0.1",
                "port": server.port,
                "tls": None,
                "phase": "end",
                "verdict": "accepted",
                "code": 250,
                "enhanced": "2.0.0",
                "text": "Ok: queued as 4F2A",
            }
        ],
        "error": None,
        "exit_code": 0,
    }
    assert result.stderr == ""


def test_tls_is_told(post: Post) -> None:
    report = run("send", "--json", *LETTER, env=post.env, cwd=post.folder).json
    assert report["attempts"][0]["tls"] == "TLSv1.3"


def test_a_dry_run_is_composed_and_goes_to_whom_it_would(tmp_path: Path) -> None:
    result = run("send", "--json", "--dry-run", *LETTER, "--bcc", "c@c.test", cwd=tmp_path)
    report = result.json
    assert (report["schema"], report["status"]) == ("nexomailer.send/1", "composed")
    assert report["sender"] == "a@a.test"
    assert [each["address"] for each in report["recipients"]] == ["b@b.test", "c@c.test"]
    assert {each["verdict"] for each in report["recipients"]} == {None}
    assert report["size"] > 100
    assert report["message_id"].endswith("@a.test>")


# Options -> exit status and the error's id.
MISTAKES: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no recipient": (("--from", "a@a.test", "--text", "x"), 2, "usage"),
    "no sender": (("--to", "b@b.test", "--text", "x"), 2, "usage"),
    "no body": (("--from", "a@a.test", "--to", "b@b.test"), 2, "usage"),
    "no address": ((*LETTER, "--cc", "nobody"), 2, "usage"),
    "no time": ((*LETTER, "--deadline", "soon"), 2, "usage"),
    "no provider of that name": ((*LETTER, "--provider", "nobody"), 2, "usage"),
    "no file": ((*LETTER, "--attach", "no*thing"), 66, "input.unreadable"),
    "no folder": ((*LETTER, "-o", "no/such/folder"), 73, "output.unwritable"),
    "no header": ((*LETTER, "--subject", "a\nb"), 65, "message.invalid"),
    "no configuration": ((*LETTER, "--config", "no.toml"), 78, "config.invalid"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_object_too(tmp_path: Path, case: str) -> None:
    options, status, identity = MISTAKES[case]
    configure(tmp_path, provider("main", 1), defaults={})
    result = run("send", "--json", *options, cwd=tmp_path)
    report = result.json
    assert (report["exit_code"], report["error"]["id"]) == (status, identity)
    assert (tuple(report), report["status"]) == (KEYS, "failed")
    assert result.stderr == f"error: {report['error']['title']}\n"


def test_every_mistake_of_the_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "nexomailer.toml").write_text(
        'nonsense = 1\n[[providers]]\n[providers.config]\nhost = "a"\nprot = 25\n'
    )
    report = run("send", "--json", *LETTER, cwd=tmp_path).json
    assert report["exit_code"] == 78
    title = report["error"]["title"]
    assert "nexomailer.toml:1: nonsense" in title
    assert "nexomailer.toml:5: providers[0].config.prot" in title or "prot" in title
    assert "port" in title


@pytest.mark.parametrize("stdin", [CLOSED, TERMINAL])
def test_no_body_at_all(tmp_path: Path, stdin: str) -> None:
    options = ("--dry-run", "--from", "a@a.test", "--to", "b@b.test")
    result = run("send", "--json", *options, stdin=stdin, cwd=tmp_path)
    assert result.json["error"]["title"] == "there is no body"


def test_what_is_not_utf8_is_json_all_the_same(tmp_path: Path) -> None:
    result = run("send", "--json", *LETTER, "--dsn", "\udcff\x1b", "--dry-run", cwd=tmp_path)
    report: dict[str, Any] = result.json
    assert report["error"]["title"].startswith("--dsn: “\\udcff\\x1b”")
