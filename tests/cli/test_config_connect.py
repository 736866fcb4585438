"""`config check --connect`: the configuration is right, and do the servers agree?"""

from __future__ import annotations

from typing import Any

import pytest

from nexomailer_cli.sandbox.server import Sandbox
from tests.cli.conftest import Post
from tests.support.providers import configure, provider
from tests.support.run import run


def at(sandbox: Sandbox, name: str, password: str) -> dict[str, Any]:
    auth = {"user": sandbox.username, "pass": password}
    tls = {"ca_file": str(sandbox.ca_file)}
    return provider(name, sandbox.port, auth=auth, tls=tls)


def test_every_provider_is_met(post: Post) -> None:
    box = post.sandbox
    configure(post.folder, at(box, "main", box.password), at(box, "backup", "wr0ng"))
    result = run("config", "check", "--connect", cwd=post.folder)
    assert result.exit_status == 77
    told = result.stdout.decode()
    assert told.startswith("nexomailer.toml: ok, 2 providers (main, backup)\n")
    assert "1 of 2 ready to send" in told
    assert "wr0ng" not in told + result.stderr


def test_one_that_is_well_exits_with_0(post: Post) -> None:
    configure(post.folder, at(post.sandbox, "main", post.sandbox.password))
    result = run("config", "check", "--connect", cwd=post.folder)
    assert result.exit_status == 0
    assert post.sandbox.password not in result.stdout.decode() + result.stderr


@pytest.mark.parametrize(("password", "status"), [("", 0), ("wr0ng", 77)])
def test_programs_get_one_object(post: Post, password: str, status: int) -> None:
    configure(post.folder, at(post.sandbox, "main", password or post.sandbox.password))
    result = run("config", "check", "--connect", "--json", cwd=post.folder)
    assert result.exit_status == status
    (report,) = result.json["connections"]["examinations"]
    assert report["exit_code"] == status
    assert report["auth"]["attempted"]


def test_mistakes_come_first(post: Post) -> None:
    (post.folder / "nexomailer.toml").write_text("[[providers]]\nconfig.port = 25\n")
    result = run("config", "check", "--connect", "--json", cwd=post.folder)
    assert (result.exit_status, "connections" in result.json) == (78, False)
