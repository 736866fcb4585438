"""Files that are for their owner only: configurations, and passwords beside them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from nexomailer_cli.errors import OutputError
from nexomailer_cli.printable import printable
from nexomailer_cli.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write_private(path: Path, text: str, *, replaces: bool = False) -> None:
    """Write a file that nobody else can read, whole or not at all; raise OutputError.

    What is there already is an error unless it `replaces` it.
    """
    with _explained(path):
        with contextlib.suppress(FileExistsError):  # by a file: opening it will tell
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, text.encode(), replaces=replaces)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise OutputError(f"{printable(str(path))} exists already") from error
    except UnicodeEncodeError:  # quotes it
        said = f"cannot write {printable(str(path))}: not all of it is UTF-8 text"
        raise OutputError(said) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot write {printable(str(path))}: {printable(reason)}") from error
