"""The file of a journal: made, opened for one run alone, and told from other files.

Knows SQLite's switches and the shape of the tables, not what the rows mean.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nexomailer_cli.errors import InputError, OutputError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID = 0x6E78626A  # "nxbj"
VERSION = 1
CACHE_KIB = 16 * 1024

# One transaction: who is killed in between leaves an empty file, which is a journal to be made.
CREATE = f"""
BEGIN;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    state INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    began INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0,
    provider TEXT NOT NULL DEFAULT '',
    code INTEGER,
    enhanced TEXT NOT NULL DEFAULT '',
    text TEXT NOT NULL DEFAULT '',
    rest TEXT NOT NULL DEFAULT '',
    flaw TEXT NOT NULL DEFAULT ''
);
CREATE TABLE spent (
    provider TEXT NOT NULL,
    period REAL NOT NULL,
    slot INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (provider, period, slot)
) WITHOUT ROWID;
COMMIT;
"""


def open_file(path: str, *, create: bool) -> sqlite3.Connection:
    """Return a connection that has the journal to itself; `create` makes one that is missing.

    Raises OutputError when it cannot be made or another run has it, InputError for a file
    that is no journal or that another version wrote.
    """
    import sqlite3

    if create:
        _make_private(path)
    elif not Path(path).is_file():
        raise InputError(f"there is no journal {printable(path)}")
    try:
        connection = sqlite3.connect(path, timeout=0, isolation_level="IMMEDIATE")
    except sqlite3.Error as error:
        raise OutputError(f"cannot open the journal {printable(path)}: {error}") from error
    try:
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise explained(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _make_private(path: str) -> None:
    """Create the file for its owner alone: SQLite would let the whole group read it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        if Path(path).is_symlink():
            raise OutputError(f"the journal {printable(path)} is a symbolic link") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot create the journal {printable(path)}: {reason}") from error


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    # Before WAL: so no second process comes in, and there is no shared memory file.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL")
    # A commit survives the death of the process, not that of the machine; `lease` is for that.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA fullfsync = 1")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if (application, version, tables) == (0, 0, 0):
        connection.executescript(CREATE)
        _sync_folder(path)
    elif application != APPLICATION_ID:
        raise InputError(
            f"{printable(path)} is a database, but not a journal of nexomailer",
            hint="Name another file with --journal.",
        )
    elif version != VERSION:
        raise InputError(
            f"{printable(path)} was written by another version of nexomailer",
            hint="Finish that run with the version that began it, or name another --journal.",
        )
    # Takes the lock now, also where nothing is written for a while.
    connection.execute("BEGIN IMMEDIATE")
    connection.rollback()


def _sync_folder(path: str) -> None:
    """Let the file's name survive a power cut."""
    if os.name != "posix":
        return
    folder = os.open(Path(path).absolute().parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def explained(error: sqlite3.Error, path: str) -> InputError | OutputError:
    """Say what an error of SQLite's means to the person whose run it stops."""
    import sqlite3

    name = printable(path)
    words = str(error)
    if "locked" in words:
        return OutputError(
            f"another run is using the journal {name}",
            hint="Wait until it has ended, or stop it; it can be continued afterwards.",
        )
    if isinstance(error, sqlite3.OperationalError) and (
        "full" in words or "disk I/O" in words or "readonly" in words or "unable to open" in words
    ):
        return OutputError(
            f"cannot write the journal {name}: {words}",
            hint="Nothing was sent that is not on record. Make room, then run the same command"
            " again: it continues.",
        )
    return InputError(
        f"{name} is not a journal, or it is damaged: {printable(words)}",
        hint="Name another file with --journal. A damaged journal no longer says who got the"
        " message.",
    )


class Transaction:
    """One transaction: committed at the end of a `with` block, or not at all.

    With `is_synced` it is on disk then, together with all that was committed before.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: str, *, is_synced: bool = False
    ) -> None:
        self._connection = connection
        self._path = path
        self._is_synced = is_synced

    def __enter__(self) -> sqlite3.Connection:
        if self._is_synced:
            self._connection.execute("PRAGMA synchronous = FULL")
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, _traceback: object) -> None:
        import sqlite3

        try:
            if error is None:
                self._connection.commit()
        except sqlite3.Error as failed:
            error = failed
        if error is not None:
            self._give_up()
        if self._is_synced and error is None:
            self._connection.execute("PRAGMA synchronous = NORMAL")
        if isinstance(error, sqlite3.Error):
            raise explained(error, self._path) from error

    def _give_up(self) -> None:
        import contextlib
        import sqlite3

        with contextlib.suppress(sqlite3.Error):
            self._connection.rollback()
