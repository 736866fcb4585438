"""Every exit status of the contract, reached by a real command."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from nexomailer_cli import errors
from nexomailer_cli.cli import request
from nexomailer_cli.cli.exit_status import ExitStatus, of_error
from nexomailer_cli.errors import TransportError
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.transport import meeting
from tests.support.beside import peer
from tests.support.providers import configure, provider
from tests.support.run import ended, run, running, wait_for
from tests.support.script import (
    GOODBYE,
    Close,
    Content,
    Expect,
    Hang,
    Reply,
    Script,
    Step,
    greeting,
    transaction,
)

LETTER = ("send", "--to", "b@b.test", "--text", "x")
LOGIN = {"auth": {"user": "tim", "pass": "tanstaaf"}}
ENVELOPE: tuple[Step, ...] = (
    *(Expect("MAIL"), Reply("250 ok"), Expect("RCPT"), Reply("250 ok")),
    *(Expect("DATA"), Reply("354 go on")),
)

# Exit status -> what the server does, and further options.
BY_SERVER: dict[ExitStatus, tuple[Script, tuple[str, ...]]] = {
    ExitStatus.OK: ((*greeting(), *transaction(), *GOODBYE), ()),
    ExitStatus.PARTIAL: (
        (*greeting(), *transaction(rcpt=("250 ok", "550 5.1.1 nobody")), *GOODBYE),
        ("--to", "c@c.test"),
    ),
    ExitStatus.UNKNOWN: ((*greeting(), *ENVELOPE, Content(), Close()), ()),
    ExitStatus.REFUSED: ((*greeting(), *transaction(end="554 5.7.1 no"), *GOODBYE), ()),
    ExitStatus.UNAVAILABLE: ((Reply("554 go away"), Hang()), ()),
    ExitStatus.TEMPORARY: ((*greeting(), *transaction(end="451 4.3.0 later"), *GOODBYE), ()),
    ExitStatus.PROTOCOL: ((Reply("what?"), Hang()), ()),
    ExitStatus.NO_PERMISSION: (
        (*greeting("AUTH PLAIN"), Expect("AUTH"), Reply("535 5.7.8 no"), Hang()),
        (),
    ),
}
BY_OPTION = {
    ExitStatus.USAGE: ("--deadline", "soon"),
    ExitStatus.NO_INPUT: ("--attach", "no/such/file"),
    ExitStatus.CANNOT_CREATE: ("-o", "no/such/folder/file"),
    ExitStatus.CONFIG: ("--config", "no/such/file"),
}
# WARNINGS: tests/cli/test_probing.py
OTHERWISE = {ExitStatus.NO_HOST, ExitStatus.BUG, ExitStatus.INTERRUPTED, ExitStatus.WARNINGS}


def test_every_status_is_reached_here() -> None:
    assert set(ExitStatus) == {*BY_SERVER, *BY_OPTION, *OTHERWISE}


@pytest.mark.parametrize("status", BY_SERVER, ids=str)
def test_what_servers_do(tmp_path: Path, status: ExitStatus) -> None:
    script, options = BY_SERVER[status]
    config = LOGIN if status is ExitStatus.NO_PERMISSION else {}
    with peer(script) as server:
        configure(tmp_path, provider("main", server, **config))
        assert run(*LETTER, *options, cwd=tmp_path).exit_status == status


@pytest.mark.parametrize("status", BY_OPTION, ids=str)
def test_what_people_do(tmp_path: Path, status: ExitStatus) -> None:
    configure(tmp_path, provider("main", 1))
    assert run(*LETTER, *BY_OPTION[status], cwd=tmp_path).exit_status == status


def test_a_host_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reach(*_: object) -> None:
        raise TransportError("no such host", phase=Phase.CONNECT, reason="EAI_NONAME")

    monkeypatch.setattr(meeting, "reach", reach)
    configure(tmp_path, provider("main", 1))
    result = run(*LETTER, cwd=tmp_path)
    assert result.exit_status == ExitStatus.NO_HOST
    assert "There is no host named 127.0.0.1" in result.stderr


def test_a_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "draft_of", None)
    configure(tmp_path, provider("main", 1))
    assert run(*LETTER, cwd=tmp_path).exit_status == ExitStatus.BUG


def test_an_interrupt(tmp_path: Path) -> None:
    with peer((Reply("220 hi"), Hang())) as server:
        configure(tmp_path, provider("main", server))
        with running(*LETTER, "-v", cwd=tmp_path) as process:
            wait_for(process, "C: EHLO")
            process.send_signal(signal.SIGINT)
            assert ended(process).exit_status == ExitStatus.INTERRUPTED


def test_the_first_provider_decides_where_none_can_be_used(tmp_path: Path) -> None:
    no = (*greeting("AUTH PLAIN"), Expect("AUTH"), Reply("535 5.7.8 no"), Hang())
    with peer(no) as first, peer((Reply("554 go away"), Hang())) as second:
        configure(tmp_path, provider("main", first, **LOGIN), provider("backup", second))
        assert run(*LETTER, cwd=tmp_path).exit_status == ExitStatus.NO_PERMISSION


def test_one_that_may_recover_makes_it_worth_another_try(tmp_path: Path) -> None:
    with peer((Reply("554 go away"), Hang())) as first, peer((Reply("421 busy"),)) as second:
        configure(tmp_path, provider("main", first), provider("backup", second))
        assert run(*LETTER, cwd=tmp_path).exit_status == ExitStatus.TEMPORARY


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.UsageError("x"), 2),
        (errors.SecretError(errors.Problem("x")), 78),
        (errors.AddressError("x"), 65),
        (errors.TemplateError("x"), 65),
        (errors.InputError("x"), 66),
        (errors.OutputError("x"), 73),
        (errors.NexomailerError("x"), 70),
    ],
)
def test_an_error_that_keeps_a_command_from_its_work(
    error: errors.NexomailerError, status: int
) -> None:
    assert of_error(error) == status
