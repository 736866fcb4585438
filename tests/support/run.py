"""Runs the command: in this process, which is quick, or in one of its own, which is real.

Either way what it leaves behind is searched for the secrets that it was given.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nexomailer_cli.cli.run import run as run_app
from nexomailer_cli.cli.signals import ENDING
from tests.support import secrecy

COMMAND = (sys.executable, "-W", "error", "-m", "nexomailer_cli")
CLOSED = "closed"
TERMINAL = "terminal"


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left behind."""

    stdout: bytes
    stderr: str
    exit_status: int

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on standard output; anything else there fails."""
        assert self.stdout.endswith(b"\n"), self
        assert self.stdout.count(b"\n") == 1, self
        value = json.loads(self.stdout)
        assert isinstance(value, dict)
        assert value["exit_code"] == self.exit_status
        return value


def run(
    *arguments: str,
    stdin: bytes | str = TERMINAL,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdout: io.TextIOWrapper | None = None,
) -> Result:
    """Run the command in this process.

    `stdin` is what is piped in, `TERMINAL` (nobody types) or `CLOSED`. `env` is all the
    environment there is, beside HOME, which is `cwd`. With a `stdout` of its own, what is
    written there is not in the result.
    """
    results, stderr = _stream(), _stream()
    with (
        _watched(arguments, env, cwd),
        contextlib.chdir(cwd or Path.cwd()),
        _environment(env or {}, cwd),
        _standard_input(stdin),
        _signals(),
        contextlib.redirect_stdout(stdout or results),
        contextlib.redirect_stderr(stderr),
    ):
        status = run_app(arguments)
    return _searched(Result(_written(results), _written(stderr).decode(), int(status)))


@contextlib.contextmanager
def _watched(
    arguments: Sequence[str | bytes], env: Mapping[str, str] | None, cwd: Path | None
) -> Iterator[None]:
    """See to it that no secret is given on the command line, or left in a file."""
    secrecy.collect(env or {}, cwd)
    secrecy.check("the command line", *map(os.fsencode, arguments))
    before = secrecy.snapshot(cwd)
    yield
    secrecy.check_files(cwd, before)


def _searched(result: Result) -> Result:
    secrecy.check("the output", result.stdout, result.stderr.encode())
    return result


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace", write_through=True)


def _written(stream: io.TextIOWrapper) -> bytes:
    stream.seek(0)
    return bytes(stream.buffer.read())


@contextlib.contextmanager
def _standard_input(stdin: bytes | str) -> Iterator[None]:
    before = sys.stdin
    after: io.TextIOWrapper | None = None
    if isinstance(stdin, bytes):
        after = io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
    elif stdin == TERMINAL:
        after = _Terminal(io.BytesIO(), "utf-8")
    sys.stdin = after  # Python itself puts None where it is closed
    try:
        yield
    finally:
        sys.stdin = before


@contextlib.contextmanager
def _environment(env: Mapping[str, str], cwd: Path | None) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ |= {"PATH": before["PATH"], "HOME": str(cwd or Path.cwd()), **env}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


def run_process(
    *arguments: str | bytes,
    stdin: bytes | IO[Any] | int | None = subprocess.DEVNULL,
    stdout: IO[Any] | int = subprocess.PIPE,
    stderr: IO[Any] | int = subprocess.PIPE,
    env: Mapping[str, str] | None = None,
    cwd: Path,
    seconds: float = 20,
) -> Result:
    """Run the command in a process of its own; `stdin` is bytes, or a file as it is."""
    piped = stdin if isinstance(stdin, bytes) else None
    with _watched(arguments, env, cwd):
        done = subprocess.run(
            [*COMMAND, *arguments],
            input=piped,
            stdin=None if isinstance(stdin, bytes) else stdin,
            stdout=stdout,
            stderr=stderr,
            env=environment(env, cwd),
            cwd=cwd,
            timeout=seconds,
            check=False,
        )
    told = (done.stderr or b"").decode("utf-8", "backslashreplace")
    return _searched(Result(done.stdout or b"", told, done.returncode))


@contextlib.contextmanager
def running(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path, stdin: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the command, and kill it at the end if it still runs."""
    with (
        _watched(arguments, env, cwd),
        subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(env, cwd),
            cwd=cwd,
        ) as process,
    ):
        try:
            yield process
            secrecy.check_processes(process.pid)
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[bytes], words: str) -> str:
    """Read what the command tells until it has said `words`."""
    assert process.stderr is not None
    told = ""
    while words not in told:
        line = process.stderr.readline().decode()
        assert line, told
        told += line
    secrecy.check_processes(process.pid)
    secrecy.check("the output", told.encode())
    return told


def ended(process: subprocess.Popen[bytes]) -> Result:
    """Wait for the end of a started command."""
    stdout, stderr = process.communicate(timeout=10)
    return _searched(Result(stdout, stderr.decode(), process.returncode))


def environment(env: Mapping[str, str] | None, cwd: Path) -> dict[str, str]:
    """Return what a process of its own gets."""
    root = str(Path(__file__).parents[2])
    kept = {"PATH": os.environ["PATH"], "HOME": str(cwd), "PYTHONPATH": root}
    return {**kept, **(env or {})}
