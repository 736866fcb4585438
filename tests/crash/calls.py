"""The system calls of a run, as strace sees them, and how to make one of them the last.

A run is traced once; then it is run again for each of its calls, and dies, or fails, there.
Calls are counted by name and thread, as strace counts them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# All that changes anything outside of the process. To be killed at a call that only looks
# is to be killed right after the last of these.
CHANGES = (
    *("openat", "pwrite64", "fdatasync", "fsync", "ftruncate", "unlink", "rename"),
    *("connect", "shutdown", "write", "writev", "sendto", "sendmsg", "exit_group"),
)
WRITES = ("pwrite64", "fdatasync", "fsync")
# The interpreter and its modules are loaded all along: nothing changes by that.
_LOADED = re.compile(r"\.(py|pyc|so|so\.[0-9.]+)[>\"]|/proc/|/dev/|/etc/|locale|O_DIRECTORY")
_CALL = re.compile(r"^([0-9]+) +([a-z_0-9]+)\((.*)$")
# Not --seccomp-bpf: with it strace 6.1 injects no signal.
_STRACE = ("strace", "-f", "-qq")


@dataclass(frozen=True)
class Call:
    """The `number`th call of a name, from 1."""

    name: str
    number: int
    words: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.number} ({self.words[:60]})"


def traced(into: Path, names: Sequence[str] = ("all",)) -> list[str]:
    """Return what to put before a command so that its calls are written down."""
    return [*_STRACE, "-y", "-o", str(into), "-e", f"trace={','.join(names)}"]


def killed_at(call: Call) -> list[str]:
    """Return what to put before a command so that it is killed before it makes a call."""
    return [*_quietly(call), "-e", f"inject={call.name}:signal=KILL:when={call.number}"]


def failing_at(call: Call, error: str, *, for_good: bool = False) -> list[str]:
    """Return what to put before a command so that a call fails, and with `for_good` all later."""
    when = f"{call.number}+" if for_good else str(call.number)
    return [*_quietly(call), "-e", f"inject={call.name}:error={error}:when={when}"]


def _quietly(call: Call) -> list[str]:
    return [*_STRACE, "-o", "/dev/null", "-e", f"trace={call.name}"]


def calls_from(trace: Path, marker: str, names: Iterable[str] = ()) -> Iterator[Call]:
    """Yield the calls of the main thread from the first that names `marker` on.

    Without those that load code; with `names`, these only.
    """
    lines = trace.read_text("utf-8", "replace").splitlines()
    wanted, counts = frozenset(names), Counter[str]()
    main = lines[0].split()[0]
    has_begun = False
    for line in lines:
        found = _CALL.match(line)
        if found is None or found[1] != main:
            continue
        name, words = found[2], found[3]
        counts[name] += 1
        has_begun = has_begun or marker in words
        if has_begun and (not wanted or name in wanted) and not _LOADED.search(words):
            yield Call(name, counts[name], words)
