"""What reads bytes that others wrote, each as one function that any bytes may be given to.

A target returns where bytes are refused with words, and fails where they bring up anything
else, or where two ways to the same end do not agree.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from nexomailer_cli.bulk.recipients import Row, open_rows
from nexomailer_cli.config.file import load_config
from nexomailer_cli.config.settings import Config
from nexomailer_cli.errors import (
    AddressError,
    ConfigError,
    InputError,
    Problem,
    ProtocolError,
    UsageError,
)
from nexomailer_cli.message.address import parse_address, parse_addresses
from nexomailer_cli.message.draft import Address
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.reply import Reply, ReplyReader

NAMES = ("input.csv", "input.tsv", "input.jsonl", "input.txt")


def reply(data: bytes) -> None:
    """A server's replies: the same however they are cut, harmless, and with a code that is one."""
    length, wire = data[0] + 1 if data else 1, data[1:]
    whole = _replies([wire])
    assert whole == _replies([wire[at : at + length] for at in range(0, len(wire), length)])
    for each in whole:
        if isinstance(each, Reply):
            assert 200 <= each.code < 600
            assert all(line == printable(line) for line in each.lines)


def _replies(pieces: list[bytes]) -> list[Reply | str]:
    """Return the replies up to the first that is none, and what kept it from being one."""
    reader, found = ReplyReader(), list[Reply | str]()
    try:
        for piece in pieces:
            found.extend(reader.replies(piece))
    except ProtocolError as error:
        found.append(error.reason)
    return found


def address(data: bytes) -> None:
    """A list of addresses: each one is found again where it is written by us."""
    text = data.decode("utf-8", "replace")
    try:
        found = parse_addresses(text)
    except AddressError:
        return
    for each in found:
        _sound(each)


def _sound(found: Address) -> None:
    assert found.spec == printable(found.spec)
    assert found.name == printable(found.name)
    assert not any(each.isspace() and each != " " for each in found.spec)
    assert found.spec.count("@") == 1 or found.spec.startswith('"')
    assert parse_address(found.spec).spec == found.spec


def rows(data: bytes) -> None:
    """A table: every row or what is wrong with it, the same twice, in order."""
    path = _folder() / NAMES[data[0] % len(NAMES) if data else 0]
    path.write_bytes(data[1:])
    try:
        table = open_rows(str(path))
    except (InputError, UsageError):
        return
    try:
        numbers = [each.number for each in _examined(table.examined()) if isinstance(each, Row)]
        again = [each.number for each in _examined(table.examined()) if isinstance(each, Row)]
    finally:
        table.source.close()
    assert numbers == again
    assert numbers == sorted(set(numbers))


def _examined(found: Iterator[Row | Problem]) -> Iterator[Row | Problem]:
    for each in found:
        if isinstance(each, Row):
            assert not any(
                "\0" in value for value in each.values.values() if isinstance(value, str)
            )
        else:
            assert each.message
        yield each


def configuration(data: bytes) -> None:
    """A configuration: read, or refused with all of its mistakes, the same twice."""
    path = _folder() / "nexomailer.toml"
    path.write_bytes(data)
    path.chmod(0o600)
    assert _configured(path) == _configured(path)


def _configured(path: Path) -> Config | str:
    try:
        return load_config(str(path), {"HOME": str(path.parent)})
    except ConfigError as error:
        assert error.problems
        return str(error)


@cache
def _folder() -> Path:
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="fuzz", dir=memory if memory.is_dir() else None))


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (reply, address, rows, configuration)
}
