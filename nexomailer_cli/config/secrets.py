"""Passwords and tokens: where they are kept, and how they are had when needed.

A `Secret` is a description, not a value: nothing is read, run or asked before
`resolve`, and then only for the provider in use. Does not know about TOML,
providers or servers, and keeps no copy of what it resolved.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

from msgspec import Struct

from nexomailer_cli.config.variables import VariableError, escape, expand
from nexomailer_cli.errors import Problem, SecretError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Warn = Callable[[str], None]

# Access tokens reach a few kilobytes; SMTP lines end long before this.
MAX_SECRET_BYTES = 64 * 1024

# Google, Yahoo and Fastmail show their app passwords in four groups of four.
_IN_FOURS = r"[A-Za-z0-9]{4}(?: [A-Za-z0-9]{4}){3}"

# Container runtimes mount secrets readable by all, inside a namespace that has no others.
_MOUNTED_BY_THE_RUNTIME = "/run/secrets/"


class Secret(Struct, frozen=True):
    """Where a secret comes from.

    `parts` is, by `kind`: the text itself, a variable's name, a file's path, a command
    with its arguments, a keyring's service and (see `of`) user, or nothing for a prompt.
    `${VAR}` inside a part is looked up when the secret is used. Its repr shows nothing.
    """

    kind: Literal["text", "env", "file", "command", "keyring", "prompt"]
    parts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Secret(***)"

    def of(self, user: str) -> Secret:
        """Return the same for somebody: a keyring keeps one password for each user."""
        return Secret(self.kind, (*self.parts, escape(user))) if self.kind == "keyring" else self

    @property
    def is_literal(self) -> bool:
        """Whether the configuration itself gives the secret away."""
        return self.kind == "text" and "${" not in self.parts[0].replace("$${", "")


def resolve(
    secret: Secret,
    *,
    env: Mapping[str, str],
    prompt: Callable[[str], str] | None = None,
    label: str = "secret",
    warn: Warn | None = None,
    patience: float = float("inf"),
) -> str:
    """Return the secret's value, never empty and always one line.

    `patience` is the number of seconds that a command may take, half a minute at most.
    `label` says in messages whose secret it is. `prompt` asks a person; without
    one, a secret that has to be asked for is an error. `warn` is told what is
    careless but no mistake. Raises SecretError, which never holds any part of
    a value.
    """
    value = _value(secret, _Means(env, prompt, label, warn or _say_nothing, patience))
    if not value:
        _fail(label, f"{_origin(secret)} is empty")
    if any(character in value for character in "\0\r\n"):
        _fail(label, f"{_origin(secret)} holds more than one line, or a NUL")
    if warn:
        _look_for_slips(value, f"{label}: {_origin(secret)}", warn)
    return value


def looks_like_app_password(text: str) -> bool:
    """Whether somebody copied the spaces with which a service shows its app passwords."""
    return " " in text and re.fullmatch(_IN_FOURS, text) is not None


def _look_for_slips(value: str, subject: str, warn: Warn) -> None:
    if value != value.strip():
        warn(f"{subject} begins or ends with white space")
    elif looks_like_app_password(value):
        warn(f"{subject} looks like an app password as it is displayed: leave out its spaces")


class _Means(Struct, frozen=True):
    """What `resolve` was given to find a value with."""

    env: Mapping[str, str]
    prompt: Callable[[str], str] | None
    label: str
    warn: Warn
    patience: float


def _value(secret: Secret, means: _Means) -> str:
    if secret.kind == "prompt":
        return _ask(means.prompt, means.label)
    try:
        parts = tuple(expand(part, means.env) for part in secret.parts)
    except VariableError as error:
        _fail(means.label, str(error))
    match secret.kind:
        case "text":
            return parts[0]
        case "env":
            return _variable(parts[0], means.env, means.label)
        case "file":
            return _file(Path(parts[0]), means.label, means.warn)
        case "command":
            return _command(parts, means)
        case "keyring":
            return _keyring(parts, means)


def _variable(name: str, env: Mapping[str, str], label: str) -> str:
    if name not in env:
        _fail(label, f"environment variable {printable(name)} is not set")
    if not env[name].isprintable() and any("\ud800" <= each <= "\udfff" for each in env[name]):
        _fail(label, f"environment variable {printable(name)} is not UTF-8 text")
    return env[name]


def _ask(prompt: Callable[[str], str] | None, label: str) -> str:
    if prompt is None:
        _fail(label, "has to be asked for, and there is no terminal to ask on")
    try:
        return prompt(f"{label}: ")
    except EOFError:
        _fail(label, "was asked for and not given")


def _file(path: Path, label: str, warn: Warn) -> str:
    try:
        path = path.expanduser()
        content, mode = _read_regular(path)
    except (OSError, RuntimeError, ValueError) as error:  # no home; a NUL in the path
        reason = getattr(error, "strerror", None) or error
        _fail(label, f"cannot read {printable(str(path))}: {printable(str(reason))}")
    if _is_too_open(path, mode):
        shown = printable(str(path))
        warn(f"{label}: others can read {shown}: chmod 600 it (mode {mode:04o})")
    return _one_newline_less(_decoded(content, label))


def _read_regular(path: Path) -> tuple[bytes, int]:
    # Without O_NONBLOCK, opening a FIFO that nobody writes to waits for ever.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(0, "it is not a regular file")
        content = os.read(descriptor, MAX_SECRET_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_SECRET_BYTES:
        raise OSError(0, "it is too large for a secret")
    return content, stat.S_IMODE(mode)


def _is_too_open(path: Path, mode: int) -> bool:
    others = mode & (stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH)
    return bool(others) and not str(path).startswith(_MOUNTED_BY_THE_RUNTIME)


def _command(argv: tuple[str, ...], means: _Means) -> str:
    from nexomailer_cli.config.secret_command import SECONDS, CommandError, run

    seconds = max(0.0, min(SECONDS, means.patience))
    try:
        output = run(argv, env=means.env, limit=MAX_SECRET_BYTES, seconds=seconds)
    except CommandError as error:
        _fail(means.label, str(error))
    # `pass show` prints the password first and notes about it after.
    first, _, _ = _decoded(output, means.label).partition("\n")
    return first.removesuffix("\r")


def _keyring(parts: tuple[str, ...], means: _Means) -> str:
    from nexomailer_cli.config.secret_keyring import KeyringError, look_up

    service, *users = parts
    try:
        return look_up(service, "".join(users))
    except KeyringError as error:
        _fail(means.label, str(error))


def _decoded(content: bytes, label: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # The exception quotes the bytes: not even as a cause.
        pass
    return _fail(label, "is not UTF-8 text")


def _one_newline_less(text: str) -> str:
    return text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")


def _origin(secret: Secret) -> str:
    match secret.kind:
        case "env" | "file" | "keyring":
            return printable(f"{secret.kind} {secret.parts[0]}")
        case "command":
            return f"what {printable(secret.parts[0])} printed"
        case "prompt":
            return "what was typed"
        case "text":
            return "the text"


def _fail(label: str, message: str) -> NoReturn:
    # `from None`: an underlying error may quote what it choked on.
    raise SecretError(Problem(message, key=label)) from None


def _say_nothing(_: str) -> None:
    """Drop a warning that nobody wants to hear."""


def terminal_prompt(tty: str = "/dev/tty") -> Callable[[str], str] | None:
    """Return what asks on the terminal without echo, or None where there is none.

    Asks even when standard input is a pipe, as in `mail < body.txt`.
    """
    try:
        os.close(os.open(tty, os.O_RDWR))
    except OSError:
        return None
    import getpass

    return getpass.getpass
