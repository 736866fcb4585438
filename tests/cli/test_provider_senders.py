"""What a provider changes of a message, seen from its server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from nexomailer_cli.sandbox.server import Sandbox
from tests.cli.conftest import Post, parsed
from tests.support.providers import configure, provider
from tests.support.run import Result, run

# The sandbox refuses this sender, as a provider does that does not know him.
REFUSED = "forbidden@sandbox.test"
LETTER = ("send", "--to", "b@b.test", "--text", "Hello")


def at(sandbox: Sandbox, name: str = "backup", /, **keys: Any) -> dict[str, Any]:
    auth = {"user": sandbox.username, "pass": sandbox.password}
    tls = {"ca_file": str(sandbox.ca_file)}
    return provider(name, sandbox.port, auth=auth, tls=tls) | keys


def sent(post: Post, *arguments: str, stdin: bytes = b"") -> Result:
    result = run(*arguments, cwd=post.folder, stdin=stdin)
    assert result.exit_status == 0, result.stderr
    return result


def test_who_is_refused_by_one_provider_is_somebody_else_at_the_next(post: Post) -> None:
    configure(
        post.folder,
        at(post.sandbox, "main", headers={"X-Main": "secret stream"}),
        at(post.sandbox, **{"from": "Shop <shop@backup.test>", "headers": {"X-Tag": "ours"}}),
        defaults={"headers": {"X-Tag": "everywhere"}},
    )
    before = len(post.sandbox.captured)
    result = sent(post, *LETTER, "--from", REFUSED, "--json")
    assert [each["provider"] for each in result.json["attempts"]] == ["main", "backup"]
    (captured,) = post.sandbox.captured[before:]
    message = parsed(captured.content)
    assert (captured.sender, message["From"]) == ("shop@backup.test", "Shop <shop@backup.test>")
    assert (message.get_all("X-Tag"), message["X-Main"]) == (["ours"], None)
    assert message["Message-ID"] == result.json["message_id"]


def test_a_finished_message_keeps_its_sender(post: Post) -> None:
    configure(
        post.folder,
        at(post.sandbox, **{"from": "shop@backup.test", "envelope_from": "bounces@backup.test"}),
    )
    before = len(post.sandbox.captured)
    sent(post, "send", "--raw", "-", stdin=b"From: a@a.test\nTo: b@b.test\n\nHello\n")
    (captured,) = post.sandbox.captured[before:]
    assert captured.sender == "bounces@backup.test"
    assert parsed(captured.content)["From"] == "a@a.test"


def test_the_sender_of_the_first_provider_is_one_where_nobody_else_is(post: Post) -> None:
    configure(post.folder, at(post.sandbox, **{"from": "shop@backup.test"}), defaults={})
    sent(post, *LETTER)
    assert post.sandbox.captured[-1].sender == "shop@backup.test"


def test_an_examination_tries_the_sender_of_the_provider(post: Post) -> None:
    configure(post.folder, at(post.sandbox, **{"from": "Shop <shop@backup.test>"}))
    result = run(
        *("test-connection", "backup", "--rcpt", "b@b.test", "--json"), cwd=post.folder, stdin=b""
    )
    stages = {each["id"]: each for each in result.json["stages"]}
    assert stages["envelope"]["data"]["sender"] == "shop@backup.test"


@pytest.mark.parametrize("most", [100, 2])
def test_rows_of_a_run_are_changed_too_each_with_its_own_key(post: Post, most: int) -> None:
    rows = "".join(f"r{n}@b.test,N{n}\n" for n in range(20))
    (post.folder / "people.csv").write_text(f"email,name\n{rows}")
    backup = at(
        post.sandbox,
        **{"from": "shop@backup.test", "deduplication_header": "X-Key"},
    )
    backup["config"]["max_messages"] = most
    configure(post.folder, backup)
    before = len(post.sandbox.captured)
    letter = ("--from", REFUSED, "--cc", "c@b.test", "--subject", "Hi {{ name }}", "--text", "Dear")
    result = sent(post, "bulk", "people.csv", *letter, "--yes", "--json")
    assert json.loads(result.stdout.splitlines()[-1])["accepted"] == 20
    messages = [parsed(each.content) for each in post.sandbox.captured[before:]]
    assert {str(each["From"]) for each in messages} == {"shop@backup.test"}
    assert len({str(each["X-Key"]) for each in messages}) == len(messages) == 20
    assert {each.sender for each in post.sandbox.captured[before:]} == {"shop@backup.test"}


def test_a_header_that_no_message_may_have_is_a_mistake_of_the_configuration(post: Post) -> None:
    configure(post.folder, at(post.sandbox, headers={"Bcc": "x@x.test"}))
    for command in (LETTER, ("config", "check")):
        result = run(*command, cwd=post.folder, stdin=b"")
        assert result.exit_status == 78
        assert "providers.backup: Bcc: not to be set as a header" in result.stderr


def test_a_preset_knows_the_header_for_copies(tmp_path: Path) -> None:
    from nexomailer_cli.config.file import load_config
    from nexomailer_cli.core import rewriting_for

    path = tmp_path / "nexomailer.toml"
    path.write_text('[[providers]]\npreset = "resend"\nconfig.auth.pass = "${X}"\n')
    (resend,) = load_config(str(path), {}).providers
    assert resend.deduplication_header == "Resend-Idempotency-Key"
    assert rewriting_for(resend) is not None
    assert rewriting_for(structs.replace(resend, deduplication_header="")) is None
