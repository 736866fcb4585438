"""What may be on a disk after a power cut, worked out from the calls of a traced run.

A write that was not synced may be there or not, each for itself: that is what POSIX
promises, and all of it. What had gone out to a server by then has gone out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

NAMES = ("pwrite64", "fdatasync", "fsync", "ftruncate", "unlink", "write", "writev", "sendto")
# All of the data of each call, in hexadecimal.
OPTIONS = ("-xx", "-s", "200000")
_CALL = re.compile(r'^[0-9]+ +([a-z0-9]+)\((?:[0-9]+<([^>]*)>|"([^"]*)")(.*)$')
_DATA = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_NUMBERS = re.compile(r", ([0-9]+)(?:, ([0-9]+))?\) += [0-9]+$")
_END = re.compile(rb"\r\n\.\r\n|BDAT ([0-9]+) LAST\r\n")
_UNFINISHED = " <unfinished ...>"
_RESUMED = re.compile(r" *<\.\.\. [a-z0-9_]+ resumed>(.*)$")
_RECIPIENT = re.compile(rb"RCPT TO:<([^>]+)>")


@dataclass
class File:
    """What is surely there, and what was written since."""

    synced: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        self.synced = self.content(self.pending)
        self.pending.clear()

    def content(self, writes: list[tuple[int, bytes | None]]) -> bytes:
        """Return what is there when these writes have reached the disk as well."""
        content = bytearray(self.synced)
        for offset, data in writes:
            if data is None:
                del content[offset:]
            else:
                content.extend(bytes(max(0, offset - len(content))))
                content[offset : offset + len(data)] = data
        return bytes(content)


@dataclass
class Moment:
    """Right before the disk is waited for once more, or at the end."""

    files: dict[str, File]
    delivered: dict[str, int]

    def least(self) -> dict[str, bytes]:
        """Return what is on the disk if nothing got there that was not waited for."""
        return {name: file.synced for name, file in self.files.items()}

    def some(self, random: Random) -> dict[str, bytes]:
        """Return what is on the disk if some of the rest got there."""
        return {
            name: file.content([each for each in file.pending if random.random() < 0.5])
            for name, file in self.files.items()
        }


def moments(trace: Path, journal: str, delivered: str = "") -> Iterator[Moment]:
    """Yield the moments of a traced run: what it wrote to `journal`, and whom it delivered to.

    That is what it sent to a server, or wrote to the file `delivered`.
    """
    now = Moment({}, {})
    streams: dict[str, bytes] = {}
    for line in _whole(trace.read_text("ascii").splitlines()):
        found = _CALL.match(line)
        if found is None:
            continue
        name, path, rest = found[1], _plain(found[2] or found[3]), found[4]
        if Path(path).name.startswith(journal):
            if name in ("fdatasync", "fsync"):
                yield now
            _touch(now.files.setdefault(Path(path).name, File()), name, rest)
            if name == "unlink":
                del now.files[Path(path).name]
        elif delivered and Path(path).name == delivered and name == "write":
            _count(now, _data(rest).decode().split())
        elif path.startswith(("socket:", "TCP:")):
            streams[path] = _heard(now, streams.get(path, b"") + _data(rest))
    yield now


def _whole(lines: list[str]) -> Iterator[str]:
    """Put together what strace tells in two pieces, where threads make calls at once."""
    begun: dict[str, str] = {}
    for line in lines:
        thread, _, words = line.partition(" ")
        if words.endswith(_UNFINISHED):
            begun[thread] = line.removesuffix(_UNFINISHED)
        elif found := _RESUMED.match(words):
            yield begun.pop(thread) + found[1]
        else:
            yield line


def _touch(file: File, name: str, rest: str) -> None:
    numbers = _NUMBERS.search(rest)
    if name in ("fdatasync", "fsync"):
        file.sync()
    elif name == "pwrite64" and numbers is not None:
        file.pending.append((int(numbers[2]), _data(rest)))
    elif name == "ftruncate" and numbers is not None:
        file.pending.append((int(numbers[1]), None))
    else:
        assert name == "unlink", (name, rest[-80:])


def _heard(now: Moment, stream: bytes) -> bytes:
    """Take what a server has heard by now; return what is not the end of a message yet."""
    while found := _END.search(stream):
        end = found.end() + int(found[1] or 0)
        if len(stream) < end:
            break
        _count(now, [each.decode() for each in _RECIPIENT.findall(stream[: found.start()])])
        stream = stream[end:]
    return stream


def _count(now: Moment, people: list[str]) -> None:
    for each in people:
        now.delivered[each] = now.delivered.get(each, 0) + 1


def _data(rest: str) -> bytes:
    return b"".join(bytes.fromhex(each[1].replace("\\x", "")) for each in _DATA.finditer(rest))


def _plain(path: str) -> str:
    return bytes.fromhex(path.replace("\\x", "")).decode() if path.startswith("\\x") else path
