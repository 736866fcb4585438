"""Who is not to get mail: lists of addresses and domains, and those that had it already.

For these decisions `Ann@Example.org` and `ann@example.org` are one person. RFC 5321 section
2.4 leaves capitals before the @ to the receiving host; in practice they mean nothing, and a
second copy, or mail to somebody who has unsubscribed, is worse than none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nexomailer_cli.bulk.keyset import KeySet
from nexomailer_cli.bulk.source import BadLine, Source
from nexomailer_cli.errors import AddressError, InputError, Problem
from nexomailer_cli.message.address import parse_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOST_NAMED: Final = 20  # problems


def address_key(spec: str) -> str:
    """Return what stands for a mailbox where capitals do not count; `spec` is canonical."""
    return spec.lower() if spec.isascii() else spec.casefold()


class Suppression:
    """Addresses and whole domains, as `--suppress` names them.

    `@example.org` is all of that domain and no subdomain. Empty lines and those that begin
    with # are passed over. Raises InputError naming every line that is neither.
    """

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._keys = KeySet()
        self._problems: list[Problem] = []
        for path in paths:
            self._load(path)
        if self._problems:
            raise InputError(
                "\n".join(map(str, self._problems)),
                hint="Each line holds one address, or @ and a domain.",
            )

    def __len__(self) -> int:
        return len(self._keys)

    def covers(self, spec: str) -> bool:
        """Tell whether this canonical addr-spec must not get mail."""
        if not self._keys:
            return False
        key = address_key(spec)
        return bool(self._keys.get(key) or self._keys.get(key[key.rindex("@") :]))

    def _load(self, path: str) -> None:
        source = Source(path)
        try:
            for line, key in _keys(source):
                if isinstance(key, Problem):
                    self._problems.append(key)
                    if len(self._problems) >= _MOST_NAMED:
                        return
                else:
                    self._keys.add(key, line)
        finally:
            source.close()


def _keys(source: Source) -> Iterator[tuple[int, str | Problem]]:
    number = 0
    try:
        for number, text in enumerate(source.lines(), 1):
            line = text.strip()
            if line and not line.startswith("#"):
                yield number, _key(line, source.name, number)
    except BadLine as bad:
        yield bad.line, Problem(str(bad), file=source.name, line=bad.line)


def _key(line: str, name: str, number: int) -> str | Problem:
    try:
        if line.startswith("@"):
            # Whatever mailbox it is, the domain is checked and made canonical.
            return address_key(parse_address(f"x{line}").spec)[1:]
        return address_key(parse_address(line).spec)
    except AddressError as error:
        return Problem(str(error), file=name, line=number)


class Duplicates:
    """Addresses met so far in a table, for `--dedupe`."""

    def __init__(self) -> None:
        self._lines = KeySet()

    def earlier(self, spec: str, line: int) -> int:
        """Return the line an address was met on before, 0 if this is the first time."""
        return self._lines.add(address_key(spec), line)
