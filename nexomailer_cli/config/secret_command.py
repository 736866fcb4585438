"""Run the command that prints a secret, such as `pass show smtp`.

No shell, no standard input, a time limit and a size limit. What it prints on
standard output never appears in an error; what it says on standard error does.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    import selectors
    import subprocess
    from collections.abc import Mapping

SECONDS = 30.0  # time to unlock a key by touching it
SHOWN_STDERR = 300  # characters
TICK = 0.05  # seconds between looks at whether the command has ended


class CommandError(Exception):
    """The command gave no secret."""


def run(
    argv: tuple[str, ...], *, env: Mapping[str, str], limit: int, seconds: float = SECONDS
) -> bytes:
    """Return what the command printed, at most `limit` bytes; raise CommandError."""
    import subprocess

    name = printable(argv[0])
    pipe = subprocess.PIPE
    try:
        # What the config names is what its owner wants to run.
        process = subprocess.Popen(  # noqa: S603
            argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "a NUL in it"
        raise CommandError(f"cannot run {name}: {reason}") from None
    with process:
        try:
            return _output(process, name, limit, time.monotonic() + seconds)
        except subprocess.TimeoutExpired:
            raise CommandError(f"{name} took longer than {seconds:g} seconds") from None
        finally:
            process.kill()


def _output(process: subprocess.Popen[bytes], name: str, limit: int, deadline: float) -> bytes:
    output, complaint = _read(process, limit, deadline)
    if len(output) > limit:
        raise CommandError(f"{name} printed more than {limit} bytes")
    status = process.wait(max(0.0, deadline - time.monotonic()))
    if status == 0:
        return output
    ending = f"exited with status {status}" if status > 0 else f"was killed by signal {-status}"
    said = printable(" ".join(complaint.decode(errors="replace").split()))[:SHOWN_STDERR]
    raise CommandError(f"{name} {ending}" + (f": {said}" if said else ""))


def _read(process: subprocess.Popen[bytes], limit: int, deadline: float) -> tuple[bytes, bytes]:
    # Not communicate(): it has no limit, and `yes` fills the memory in 30 seconds.
    import selectors

    assert process.stdout is not None
    assert process.stderr is not None
    output, complaint = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, output)
        selector.register(process.stderr, selectors.EVENT_READ, complaint)
        while selector.get_map() and len(output) <= limit and _take(selector, process, limit):
            _check_time(process, deadline)
    return bytes(output), bytes(complaint)


def _take(selector: selectors.BaseSelector, process: subprocess.Popen[bytes], limit: int) -> bool:
    # A daemon left behind by the command may hold the pipes open: when the command
    # has ended and nothing more is there, that was all.
    ended = process.poll() is not None
    ready = selector.select(0 if ended else TICK)
    for key, _ in ready:
        chunk = os.read(key.fd, 65536)
        if not chunk:
            selector.unregister(key.fileobj)
        # Everything is read, or the command would block; not everything is kept.
        if len(key.data) <= limit:
            key.data.extend(chunk)
    return bool(ready) or not ended


def _check_time(process: subprocess.Popen[bytes], deadline: float) -> None:
    import subprocess

    if time.monotonic() > deadline:
        raise subprocess.TimeoutExpired(process.args, 0)
