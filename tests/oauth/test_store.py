from __future__ import annotations

import os
from pathlib import Path

import pytest

from nexomailer_cli.oauth.lock import locked
from nexomailer_cli.oauth.store import FileStore, Nowhere
from nexomailer_cli.oauth.token import Token

TOKEN = Token(access_token="a", obtained_at=1.0, expires_at=2.0, refresh_token="r")


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path, "key", pytest.fail)


def test_what_is_written_is_read(store: FileStore) -> None:
    assert store.read() is None
    store.write(TOKEN)
    assert store.read() == TOKEN
    store.delete()
    store.delete()
    assert store.read() is None


def test_a_process_that_died_while_writing_has_changed_nothing(
    store: FileStore, tmp_path: Path
) -> None:
    store.write(TOKEN)
    left = tmp_path / "key.new"
    left.write_text("{")
    left.chmod(0o666)
    assert store.read() == TOKEN
    store.write(TOKEN)
    assert (tmp_path / "key.json").stat().st_mode & 0o777 == 0o600
    assert not left.exists()


def test_a_write_that_fails_leaves_the_old_token(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(TOKEN)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write(Token(access_token="b", obtained_at=3.0))
    monkeypatch.undo()
    assert store.read() == TOKEN


def test_a_fifo_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    warnings: list[str] = []
    os.mkfifo(tmp_path / "key.json")
    assert FileStore(tmp_path, "key", warnings.append).read() is None
    assert "not a regular file" in warnings[0]


def test_a_lock_is_waited_for_no_longer_than_there_is_time(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "lock", seconds=1),
        pytest.raises(TimeoutError),
        locked(tmp_path / "lock", seconds=0.05),
    ):
        pytest.fail("two hold it")
    with locked(tmp_path / "lock", seconds=0):
        pass


def test_nowhere_keeps_nothing() -> None:
    nowhere = Nowhere()
    assert nowhere.read() is None
    nowhere.delete()
    with pytest.raises(OSError, match="no place"):
        nowhere.write(TOKEN)
    with pytest.raises(OSError, match="no place"):
        nowhere.locked(seconds=1)


def test_a_token_does_not_show_itself() -> None:
    assert repr(TOKEN) == "Token(***)"
