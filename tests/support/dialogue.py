"""A person at a terminal: reads what the command says, and types when it is asked."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.run import COMMAND, environment

SECONDS = 20.0
# Passwords are asked for on the controlling terminal, whatever standard input is.
ON_A_TERMINAL = (
    *(sys.executable, "-c"),
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])",
)


def converse(
    *arguments: str,
    answers: Sequence[tuple[str, str]],
    cwd: Path,
    env: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run the command on a terminal of its own; return its exit status and all it showed.

    `answers` are words to wait for, each with what is then typed; `^D` is the end of input.
    """
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*ON_A_TERMINAL, *COMMAND, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env={**environment(env, cwd), "TERM": "dumb", "COLUMNS": "100"},
        start_new_session=True,
    ) as process:
        os.close(theirs)
        try:
            told = _talk(ours, list(answers))
            return process.wait(SECONDS), told.decode().replace("\r\n", "\n")
        finally:
            process.kill()
            os.close(ours)


def _talk(terminal: int, answers: list[tuple[str, str]]) -> bytes:
    told, read = b"", 0
    until = time.monotonic() + SECONDS
    while piece := _read(terminal):
        assert time.monotonic() < until, told
        told += piece
        if answers and answers[0][0].encode() in told[read:]:
            read = len(told)
            _, answer = answers.pop(0)
            os.write(terminal, b"\x04" if answer == "^D" else f"{answer}\n".encode())
    assert not answers, (answers, told)
    return told


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other side has hung up
        return b""
