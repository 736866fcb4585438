from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nexomailer_cli.config.secret_command import CommandError, run
from nexomailer_cli.config.secrets import MAX_SECRET_BYTES, Secret, resolve, terminal_prompt
from nexomailer_cli.errors import SecretError

ENV = {"SMTP_PASS": "hunter2", "EMPTY": "", "PATH": os.environ["PATH"]}


def text(value: str) -> Secret:
    return Secret("text", (value,))


def python(program: str) -> Secret:
    return Secret("command", (sys.executable, "-c", program))


def file(path: Path, content: str | bytes = "hunter2\n", *, mode: int = 0o600) -> Secret:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return Secret("file", (str(path),))


def refusal(secret: Secret) -> str:
    with pytest.raises(SecretError) as caught:
        resolve(secret, env=ENV, label="password of main")
    told = str(caught.value)
    assert told.startswith("password of main: ")
    assert "hunter2" not in told
    # What caused it is part of a traceback.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return told.removeprefix("password of main: ")


def test_the_repr_of_a_secret_shows_nothing() -> None:
    for secret in (text("hunter2"), Secret("env", ("hunter2",)), Secret("prompt")):
        assert repr(secret) == str(secret) == f"{secret}" == "Secret(***)"


def test_an_app_password_with_the_spaces_it_is_shown_with_is_remarked() -> None:
    told: list[str] = []
    secret = Secret("env", ("APP",))
    env = {"APP": "abcd efgh ijkl mnop"}
    assert resolve(secret, env=env, label="password of main", warn=told.append) == env["APP"]
    assert told == [
        "password of main: env APP looks like an app password as it is displayed: "
        "leave out its spaces"
    ]


@pytest.mark.parametrize("value", ["abcdefghijklmnop", "abcd efgh", "correct horse battery staple"])
def test_other_passwords_are_not(value: str) -> None:
    resolve(text(value), env={}, warn=pytest.fail)


# Text and environment


@pytest.mark.parametrize(
    ("secret", "value"),
    [
        (text("pass word"), "pass word"),
        (text("${SMTP_PASS}!"), "hunter2!"),
        (text("a$${b}"), "a${b}"),
        (text("pässwörd"), "pässwörd"),
        (Secret("env", ("SMTP_PASS",)), "hunter2"),
    ],
)
def test_text_and_variables_are_looked_up(secret: Secret, value: str) -> None:
    assert resolve(secret, env=ENV) == value


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        (text("x${NOWHERE}"), "environment variable NOWHERE is not set"),
        (text("${hunter2"), '"${" has no "}"'),
        (text("${EMPTY}"), "the text is empty"),
        (text("hunter2\0"), "the text holds more than one line, or a NUL"),
        (text("hunter2\nmore"), "more than one line"),
        (Secret("env", ("NOWHERE",)), "environment variable NOWHERE is not set"),
        (Secret("env", ("EMPTY",)), "env EMPTY is empty"),
    ],
)
def test_text_and_variables_without_a_usable_value_are_refused(
    secret: Secret, message: str
) -> None:
    assert message in refusal(secret)


@pytest.mark.parametrize(
    ("secret", "is_literal"),
    [
        (text("hunter2"), True),
        (text("hunter$${2"), True),
        (text("${SMTP_PASS}"), False),
        (Secret("env", ("SMTP_PASS",)), False),
        (Secret("prompt"), False),
    ],
)
def test_a_literal_secret_is_known_as_one(secret: Secret, is_literal: bool) -> None:
    assert secret.is_literal is is_literal


@pytest.mark.parametrize("value", [" hunter2", "hunter2 ", "hunter2\t", "\u00a0hunter2"])
def test_white_space_around_a_secret_is_kept_and_warned_about(value: str) -> None:
    told: list[str] = []
    assert resolve(text(value), env={}, label="password of main", warn=told.append) == value
    assert told == ["password of main: the text begins or ends with white space"]


# Files


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("hunter2", "hunter2"),
        ("hunter2\n", "hunter2"),
        ("hunter2\r\n", "hunter2"),
        (b"\xef\xbb\xbfhunter2\n", "hunter2"),
        ("x" * MAX_SECRET_BYTES, "x" * MAX_SECRET_BYTES),
    ],
)
def test_one_newline_at_the_end_of_a_file_is_not_part_of_the_secret(
    tmp_path: Path, content: str | bytes, value: str
) -> None:
    assert resolve(file(tmp_path / "pass", content), env={}, warn=pytest.fail) == value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        ("hunter2\n\n", "more than one line"),
        ("hunter2\nmore\n", "more than one line"),
        (b"hunter2\0", "or a NUL"),
        (b"hunter2\xff", "is not UTF-8 text"),
        ("x" * (MAX_SECRET_BYTES + 1), "it is too large for a secret"),
    ],
)
def test_a_file_without_a_usable_secret_is_refused(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    assert message in refusal(file(tmp_path / "pass", content))


def test_a_file_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, message in (
        (tmp_path / "nowhere", "No such file or directory"),
        (tmp_path, "it is not a regular file"),
        (tmp_path / "fifo", "it is not a regular file"),
        (Path("/dev/zero"), "it is not a regular file"),
        (Path("a\0b"), "cannot read a\\x00b: "),
        (Path("~nobody-at-all/pass"), "cannot read ~nobody-at-all/pass: "),
    ):
        assert message in refusal(Secret("file", (str(path),)))


def test_a_tilde_in_a_files_path_is_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file(tmp_path / "pass")
    assert resolve(Secret("file", ("~/pass",)), env={}) == "hunter2"


def test_a_files_path_may_hold_a_variable(tmp_path: Path) -> None:
    file(tmp_path / "pass")
    secret = Secret("file", ("${DIRECTORY}/pass",))
    assert resolve(secret, env={"DIRECTORY": str(tmp_path)}) == "hunter2"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o444])
def test_a_file_that_others_can_read_is_warned_about(tmp_path: Path, mode: int) -> None:
    told: list[str] = []
    resolve(file(tmp_path / "pass", mode=mode), env={}, label="password", warn=told.append)
    path = tmp_path / "pass"
    assert told == [f"password: others can read {path}: chmod 600 it (mode {mode:04o})"]


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_private_file_is_not_warned_about(tmp_path: Path, mode: int) -> None:
    assert resolve(file(tmp_path / "pass", mode=mode), env={}, warn=pytest.fail) == "hunter2"


# Commands


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ("print('hunter2')", "hunter2"),
        ("print('hunter2', end='')", "hunter2"),
        ("print('hunter2', end='\\r\\n')", "hunter2"),
        ("print('hunter2\\nurl: example.com\\n')", "hunter2"),
        ("import sys; print(sys.stdin.read() + 'x')", "x"),
        ("import os; print(os.environ['SMTP_PASS'])", "hunter2"),
        ("import sys; sys.stderr.write('noise' * 100000); print('hunter2')", "hunter2"),
    ],
)
def test_the_first_line_that_a_command_prints_is_the_secret(program: str, value: str) -> None:
    assert resolve(python(program), env=ENV) == value


def test_there_is_no_shell() -> None:
    assert resolve(Secret("command", ("echo", "$(id)", ";", "*")), env=ENV) == "$(id) ; *"


def test_variables_in_a_command_are_looked_up() -> None:
    assert resolve(Secret("command", ("echo", "x${SMTP_PASS}")), env=ENV) == "xhunter2"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("pass", "printed is empty"),
        ("print()", "printed is empty"),
        ("print('hunter2\\0')", "or a NUL"),
        ("import sys; sys.stdout.buffer.write(b'hunter2\\xff')", "is not UTF-8 text"),
        ("print('hunter2'); raise SystemExit(3)", "exited with status 3"),
        (
            "import sys; print('hunter2'); sys.exit('\\x1b[2Jvault is\\nlocked')",
            "exited with status 1: \\x1b[2Jvault is locked",
        ),
        ("import os; os.kill(os.getpid(), 9)", "was killed by signal 9"),
        ("while True: print('hunter2' * 1000)", "printed more than 65536 bytes"),
    ],
)
def test_a_command_without_a_usable_secret_is_refused(program: str, message: str) -> None:
    assert message in refusal(python(program))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("nowhere-at-all", "hunter2"), "cannot run nowhere-at-all: No such file"),
        (("/", "hunter2"), "cannot run /: Permission denied"),
        (("echo", "hunter2\0"), "cannot run echo: a NUL in it"),
    ],
)
def test_a_command_that_cannot_be_run_is_named_without_its_arguments(
    argv: tuple[str, ...], message: str
) -> None:
    assert message in refusal(Secret("command", argv))


def test_what_a_command_complains_of_is_cut_short() -> None:
    told = refusal(python("raise SystemExit('x' * 100000)"))
    assert told.endswith("x" * 300)
    assert len(told) < 500


def test_a_command_that_takes_too_long_is_ended() -> None:
    begin = time.monotonic()
    with pytest.raises(CommandError, match=r"sleep took longer than 0\.1 seconds"):
        run(("sleep", "20"), env=ENV, limit=100, seconds=0.1)
    assert time.monotonic() - begin < 5


def test_a_command_that_closes_its_output_and_goes_on_is_ended() -> None:
    program = "import os, time; os.close(1); os.close(2); time.sleep(20)"
    with pytest.raises(CommandError, match="took longer"):
        run((sys.executable, "-c", program), env=ENV, limit=100, seconds=0.3)


def test_a_daemon_that_the_command_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    begin = time.monotonic()
    script = f"sleep 20 & echo $! > {pid}; echo hunter2"
    assert run(("sh", "-c", script), env=ENV, limit=100) == b"hunter2\n"
    assert time.monotonic() - begin < 5
    os.kill(int(pid.read_text()), signal.SIGTERM)


# Asking


def test_a_secret_is_asked_for_by_its_label() -> None:
    asked: list[str] = []

    def prompt(label: str) -> str:
        asked.append(label)
        return "hunter2"

    assert resolve(Secret("prompt"), env={}, prompt=prompt, label="password of main") == "hunter2"
    assert asked == ["password of main: "]


def test_without_a_terminal_nothing_can_be_asked() -> None:
    assert "there is no terminal to ask on" in refusal(Secret("prompt"))


def test_no_answer_is_an_error() -> None:
    def hang_up(_: str) -> str:
        raise EOFError

    with pytest.raises(SecretError, match="was asked for and not given"):
        resolve(Secret("prompt"), env={}, prompt=hang_up)
    with pytest.raises(SecretError, match="what was typed is empty"):
        resolve(Secret("prompt"), env={}, prompt=lambda _: "")


def test_where_there_is_a_terminal_it_can_be_asked() -> None:
    master, slave = os.openpty()
    assert terminal_prompt(os.ttyname(slave)) is not None
    os.close(master)
    os.close(slave)
    assert terminal_prompt("/nowhere/tty") is None


ASK = """
from nexomailer_cli.config.secrets import Secret, resolve, terminal_prompt
value = resolve(Secret("prompt"), env={}, prompt=terminal_prompt(), label="password of main")
print("got", len(value))
"""


def test_a_secret_is_asked_for_without_echo_although_input_is_a_pipe() -> None:
    program = f"import os; os.dup2(os.open('/dev/null', 0), 0)\n{ASK}"
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", program])
    shown = b""
    while b"password of main: " not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, b"hunter2\n")
    while b"got 7" not in shown:
        shown += os.read(terminal, 1000)
    assert os.waitpid(child, 0)[1] == 0
    os.close(terminal)
    assert b"hunter2" not in shown


def test_in_a_session_without_a_terminal_there_is_none() -> None:
    program = "from nexomailer_cli.config.secrets import terminal_prompt; print(terminal_prompt())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, start_new_session=True
    )
    assert done.stdout == b"None\n"


def test_variable_that_is_not_utf8_is_an_error_that_does_not_quote_it() -> None:
    with pytest.raises(SecretError, match="is not UTF-8 text") as caught:
        resolve(Secret("env", ("TOKEN",)), env={"TOKEN": "geheim\udcff"})
    assert "geheim" not in str(caught.value)
