"""Where the texts of a message come from: the command line, files, standard input.

What was typed wrong is a UsageError; what a file holds wrong names the file and line.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nexomailer_cli.cli.output import Output
from nexomailer_cli.errors import AddressError, InputError, MessageError, UsageError
from nexomailer_cli.message.address import parse_address, parse_addresses
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nexomailer_cli.message.draft import Address

# No mail server takes more, and /dev/zero has no end.
MAX_OCTETS = 200_000_000


def read_text(value: str, option: str) -> str:
    """Return the text that `value` stands for: itself, `@FILE`, or `-` for standard input."""
    if value == "-":
        return decoded(read_stdin(option), "standard input")
    if value.startswith("@@"):
        return value[1:]
    if value.startswith("@"):
        return decoded(read_file(value[1:]), value[1:])
    return value


def read_file(path: str) -> bytes:
    """Return a file's octets; raise InputError naming it."""
    if not path:
        raise InputError("a file is to be read, but its name is empty")
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_OCTETS + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot read {printable(path)}: {reason}") from error
    return _bounded(content, path)


def read_stdin(option: str) -> bytes:
    """Return all of standard input; raise UsageError on a terminal, InputError when closed."""
    if sys.stdin is None:
        raise InputError("cannot read standard input: it is closed")
    if sys.stdin.isatty() and option != "--raw":
        Output().note(f"{option}: type the text; end with Ctrl-D.")
    try:
        content = sys.stdin.buffer.read(MAX_OCTETS + 1)
    except OSError as error:
        raise InputError(f"cannot read standard input: {error.strerror}") from error
    return _bounded(content, "standard input")


def _bounded(content: bytes, name: str) -> bytes:
    if len(content) > MAX_OCTETS:
        raise InputError(f"cannot read {printable(name)}: it is larger than 200 MB")
    return content


def decoded(content: bytes, name: str) -> str:
    """Return UTF-8 text without a byte order mark; raise MessageError naming the line."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MessageError(
            f"{printable(name)}, line {line}: this is not UTF-8 text",
            hint=f"Convert it: iconv -f LATIN1 -t UTF-8 {printable(name)}",
        ) from None


def addresses(values: Iterable[str], option: str) -> tuple[Address, ...]:
    """Return the mailboxes of an option that may be repeated, and may name `@FILE`s."""
    found: list[Address] = []
    for value in values:
        found += _listed(value[1:]) if value.startswith("@") else typed(value, option)
    return tuple(found)


def typed(value: str, option: str) -> tuple[Address, ...]:
    """Return the mailboxes of one option; raise UsageError for what is none."""
    try:
        return parse_addresses(value)
    except AddressError as error:
        raise UsageError(f"{option}: {error}", hint=error.hint) from error


def typed_address(value: str, option: str) -> Address:
    """Return the one mailbox of an option; raise UsageError for anything else."""
    try:
        return parse_address(value)
    except AddressError as error:
        raise UsageError(f"{option}: {error}", hint=error.hint) from error


def _listed(path: str) -> Iterable[Address]:
    """Yield the addresses of a file: some on each line, `#` begins a comment line."""
    lines = decoded(read_file(path), path).splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            yield from parse_addresses(line)
        except AddressError as error:
            place = f"{printable(path)}, line {number}"
            raise AddressError(f"{place}: {error}", hint=error.hint) from error


def values_of(variables: Iterable[str], vars_file: str | None) -> dict[str, Any]:
    """Return the values for templates: those of the file, then `KEY=VALUE` over them."""
    values = _json_object(vars_file) if vars_file else {}
    for variable in variables:
        key, equals, value = variable.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(
                f"--var: “{printable(variable)}” is not KEY=VALUE",
                hint="A key has letters, digits and underscores, as in --var first_name=Ann.",
            )
        if not value.isprintable() and any("\ud800" <= each <= "\udfff" for each in value):
            raise UsageError(f"--var: the value of {key} is not UTF-8 text")
        values[key] = value
    return values


def _json_object(path: str) -> dict[str, Any]:
    import msgspec

    content = decoded(read_file(path), path)
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise MessageError(
            f"{printable(path)}: {printable(str(error))}",
            hint='The file must hold one JSON object, as in {"name": "Ann"}.',
        ) from error


def header_fields(values: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return name and value of each `Name: value`."""
    fields = []
    for value in values:
        name, colon, body = value.partition(":")
        if not colon or not name.strip():
            raise UsageError(
                f"--header: “{printable(value)}” is not a header field",
                hint="Write it as 'Name: value', for example --header 'X-Priority: 1'.",
            )
        fields.append((name.strip(), body.strip(" \t")))
    return tuple(fields)


def stdin_is_piped() -> bool:
    """Whether somebody may have piped a body in."""
    return sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty()
