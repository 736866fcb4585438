"""Whose a configuration file is, and who else may read and write it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from nexomailer_cli.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.config.secrets import Secret

_READABLE = stat.S_IRGRP | stat.S_IROTH
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH


def refuse_strangers(file: str, status: os.stat_result, secrets: tuple[Secret, ...]) -> None:
    """Raise ConfigError for a file that nobody named and that runs what somebody else says.

    Whoever changes to a directory that others write in must not run their commands: this is
    what happened to git before CVE-2022-24765. Root's files are as good as one's own.
    """
    if not hasattr(os, "geteuid") or all(secret.kind != "command" for secret in secrets):
        return
    if status.st_uid not in (os.geteuid(), 0):
        whose = "it belongs to another user"
    elif status.st_mode & _WRITABLE:
        whose = f"others can write it (mode {stat.S_IMODE(status.st_mode):04o})"
    else:
        return
    raise ConfigError(
        Problem(f"names a command to run as you, and {whose}", file=file),
        hint=f"If you trust it, say so: --config {file}; or make it yours alone: chmod go-w.",
    )


def warn_of_others(
    file: str,
    status: os.stat_result,
    secrets: tuple[Secret, ...],
    warn: Callable[[str], None],
) -> None:
    """Tell of passwords that others can read, and of commands that others can write."""
    mode = stat.S_IMODE(status.st_mode)
    if mode & _READABLE and any(secret.is_literal for secret in secrets):
        warn(f"{file}: holds a password that others can read: chmod 600 it (mode {mode:04o})")
    if mode & _WRITABLE and any(secret.kind == "command" for secret in secrets):
        warn(f"{file}: others can write here what runs as you: chmod 600 it (mode {mode:04o})")
