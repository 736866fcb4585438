"""Searches what a command leaves behind for the secrets that it was given.

A test says nothing for it: secrets are those of its configuration and environment, and what
was heard of a sign-in by the servers of the test. Whatever a command prints, writes or shows
in the process table is searched for them, in every form in which they could be of use.
"""

from __future__ import annotations

import base64
import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

# Shorter ones occur by chance.
LEAST = 6
LARGEST = 32 * 1024 * 1024
_NAMES = re.compile(r"pass|secret|token", re.IGNORECASE)
_KEYS = frozenset({"pass", "password", "access_token", "accessToken", "client_secret", "token"})
_VERBS = {"AUTH", "EHLO", "HELO", "STARTTLS", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "QUIT"}

Snapshot = dict[Path, tuple[int, int]]


class Secrets:
    """What must not be seen again in this test."""

    def __init__(self) -> None:
        self._forms: dict[bytes, str] = {}

    def forget(self) -> None:
        """Begin anew."""
        self._forms.clear()

    def keep(self, *secrets: str) -> None:
        """Take note of secrets."""
        for secret in secrets:
            if len(secret) >= LEAST:
                self._forms |= dict.fromkeys(forms(secret), secret)

    def overhear(self, line: str, before: Sequence[str]) -> None:
        """Take note of what a client said to a server, if it is part of a sign-in.

        `before` is what it had said before that. Among what is said are proofs that are no form
        of the password, such as those of CRAM-MD5 and SCRAM.
        """
        verb = _verb(line)
        if verb == "AUTH":
            self._keep_encoded("".join(line.split()[2:]))
        elif not verb and next(filter(None, map(_verb, reversed(before))), "") == "AUTH":
            self._keep_encoded(line)

    def _keep_encoded(self, word: str) -> None:
        if len(word) < 2 * LEAST:
            return
        self._forms[word.rstrip("=").encode()] = word
        try:
            said = base64.b64decode(word, validate=True).decode()
        except ValueError:
            return
        self.keep(*re.findall(r"(?<=p=)[^,]+", said))  # RFC 5802: the proof of SCRAM
        self.keep(*re.findall(r" ([0-9a-f]{32})\Z", said))  # RFC 2195: that of CRAM-MD5

    def found_in(self, data: bytes) -> list[str]:
        """Return the secrets that are in there, in whatever form."""
        return [f"{secret!r} as {form!r}" for form, secret in self._forms.items() if form in data]


def _verb(line: str) -> str:
    verb = line.partition(" ")[0].upper()
    return verb if verb in _VERBS else ""


KEPT = Secrets()


def forms(secret: str) -> set[bytes]:
    """Return a secret as it is, and as it looks in base64, URLs, JSON, Python and hexadecimal."""
    octets = secret.encode()
    plain = {secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1], octets.hex()}
    plain |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return {form.encode() for form in plain} | set(_inside_base64(octets))


def _inside_base64(octets: bytes) -> Iterator[bytes]:
    """Yield what is the same in base64 whatever stands before and behind, as in PLAIN."""
    for before in range(3):
        first, last = -(-8 * before // 6), 8 * (before + len(octets)) // 6
        encoded = base64.b64encode(b"\0" * before + octets + b"\0\0\0")[first:last]
        yield from (encoded, encoded.translate(bytes.maketrans(b"+/", b"-_")))


def collect(env: Mapping[str, str], cwd: Path | None) -> None:
    """Take note of the secrets in an environment and in the configuration of a folder."""
    for name, value in env.items():
        if _NAMES.search(name):
            KEPT.keep(value)
        if name == "NEXOMAILER_URL" and (password := _password(value)):
            KEPT.keep(unquote(password))
    path = (cwd or Path()) / "nexomailer.toml"
    if cwd is not None and path.is_file():
        KEPT.keep(*_configured(path))


def _password(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None


def _configured(path: Path) -> Iterator[str]:
    try:
        yield from _literal(tomllib.loads(path.read_text()))
    except ValueError:
        return


def _literal(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name in _KEYS and isinstance(each, str) and "${" not in each:
                yield each
            else:
                yield from _literal(each)
    elif isinstance(value, list):
        for each in value:
            yield from _literal(each)


def snapshot(folder: Path | None) -> Snapshot:
    """Return which files there are, and of what age and size."""
    if folder is None:
        return {}
    return {path: _state(path) for path in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        yield from (Path(root, name) for name in names)


def _state(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_mtime_ns, found.st_size


def check(what: str, *shown: bytes) -> None:
    """Assert that no secret is in there."""
    for data in shown:
        assert not (found := KEPT.found_in(data)), f"{what} shows {found}"


def check_files(folder: Path | None, before: Snapshot) -> None:
    """Assert that no file that is new or changed since then holds a secret."""
    for path, state in snapshot(folder).items():
        if before.get(path) == state or not path.is_file() or state[1] > LARGEST:
            continue
        check(str(path), path.read_bytes())


def check_processes(pid: int) -> None:
    """Assert that the process and its children show no secret to whoever lists processes."""
    for each in (pid, *_children(pid)):
        try:
            check(f"the process {each}", Path(f"/proc/{each}/cmdline").read_bytes())
        except OSError:
            continue


def _children(pid: int) -> Iterable[int]:
    try:
        return map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    except OSError:
        return ()
