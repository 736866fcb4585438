"""On which line each key of a TOML file stands.

`tomllib` does not tell, so this walks over a text that `tomllib` has already taken:
it finds keys and steps over values, and has no opinion on either. Used only when
there is a mistake to report.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|[A-Za-z0-9_-]+')
# A multi-line string may end in up to two quotes that belong to it.
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE = re.compile(r"[^,\]}#\n]+")


def nearest_line(lines: dict[KeyPath, int], path: KeyPath) -> int | None:
    """Return the line of `path` or of the nearest thing around it, None for the whole file.

    Lists count from 0, as in `("providers", 0, "config")`.
    """
    ends = range(len(path), 0, -1)
    return next((lines[path[:end]] for end in ends if path[:end] in lines), None)


def lines_of(text: str) -> dict[KeyPath, int]:
    """Return the line of every table, key and list element of a valid TOML text."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


@dataclass(slots=True)
class _Scanner:
    text: str
    position: int = 0
    lines: dict[KeyPath, int] = field(default_factory=dict)
    # How often each [[table]] has come so far.
    tables: dict[KeyPath, int] = field(default_factory=dict)
    counted: int = 0  # up to here, `newlines` is right
    newlines: int = 0

    def document(self) -> None:
        table: KeyPath = ()
        self.take(_BLANK)
        while self.position < len(self.text):
            if self.text[self.position] == "[":
                table = self.header()
            else:
                self.assignment(table)
            self.take(_BLANK)

    def header(self) -> KeyPath:
        brackets = 2 if self.text.startswith("[[", self.position) else 1
        self.position += brackets
        path: KeyPath = ()
        for key in self.keys():
            path = self.element((*path, key))
        if brackets == 2:
            path = self.next_element(path)
        self.position += brackets
        self.lines[path] = self.line()
        return path

    def element(self, path: KeyPath) -> KeyPath:
        """Step into the last element where `path` is a list of tables."""
        self.note(path)
        return (*path, self.tables[path] - 1) if path in self.tables else path

    def next_element(self, path: KeyPath) -> KeyPath:
        if path and path[-1] == self.tables.get(path[:-1], 0) - 1:
            path = path[:-1]
        self.tables[path] = self.tables.get(path, 0) + 1
        return (*path, self.tables[path] - 1)

    def assignment(self, table: KeyPath) -> None:
        path = table
        for key in self.keys():
            path = (*path, key)
            self.note(path)
        self.position += 1  # the equals sign
        self.take(_SPACE)
        self.value(path)

    def value(self, path: KeyPath) -> None:
        first = self.text[self.position]
        if first == "[":
            self.array(path)
        elif first == "{":
            self.inline_table(path)
        else:
            self.take(_STRING) or self.take(_BARE)

    def array(self, path: KeyPath) -> None:
        index = 0
        while self.goes_on("]"):
            self.note((*path, index))
            self.value((*path, index))
            index += 1

    def inline_table(self, path: KeyPath) -> None:
        while self.goes_on("}"):
            self.assignment(path)

    def goes_on(self, end: str) -> bool:
        """Step over an opening bracket or a comma; tell whether something follows."""
        self.take(_BLANK)
        if self.text[self.position] in "[{,":
            self.position += 1
            self.take(_BLANK)
        if self.text[self.position] != end:
            return True
        self.position += 1
        return False

    def keys(self) -> list[str]:
        keys = []
        while True:
            self.take(_SPACE)
            keys.append(_decoded(self.take(_KEY)))
            self.take(_SPACE)
            if self.text[self.position] != ".":
                return keys
            self.position += 1

    def note(self, path: KeyPath) -> None:
        self.lines.setdefault(path, self.line())

    def line(self) -> int:
        self.newlines += self.text.count("\n", self.counted, self.position)
        self.counted = self.position
        return self.newlines + 1

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        if match is None:
            return ""
        self.position = match.end()
        return match[0]


def _decoded(key: str) -> str:
    if key[0] not in "\"'":
        return key
    import tomllib

    return str(tomllib.loads(f"key = {key}")["key"])
