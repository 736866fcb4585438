"""Files that are for their owner only: configurations, and passwords beside them."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from nexomailer_cli.errors import OutputError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNER_ONLY = 0o600


def write_private(path: Path, text: str, *, replaces: bool = False) -> None:
    """Write a file that nobody else can read, whole or not at all; raise OutputError.

    What is there already is an error unless it `replaces` it.
    """
    with _explained(path):
        with contextlib.suppress(FileExistsError):  # by a file: opening it will tell
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not replaces:
            _write(path, text)
            return
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        _write(beside, text)
        beside.replace(path)


def _write(path: Path, text: str) -> None:
    # Never any other mode, not even for a moment, and never through somebody's link.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise OutputError(f"{printable(str(path))} exists already") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot write {printable(str(path))}: {printable(reason)}") from error
