"""Files that rows name: read once, and few kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from nexomailer_cli.errors import InputError, MessageError
from nexomailer_cli.message.attachment import MAX_OCTETS
from nexomailer_cli.message.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abc":
        (tmp_path / name).write_bytes(name.encode() * 10)
    return tmp_path


def test_a_file_is_read_when_it_is_first_asked_for_and_no_more(folder: Path) -> None:
    store = Store(folder)
    first = store.files("a")
    (folder / "a").unlink()
    assert store.files("a") is first
    assert first[0].content == b"a" * 10


def test_what_was_not_asked_for_longest_is_given_up(folder: Path) -> None:
    store = Store(folder, capacity=20)
    first, second = store.files("a"), store.files("b")
    assert store.files("a") is first
    store.files("c")
    assert store.files("a") is first
    assert store.files("b") is not second


def test_the_newest_is_kept_however_large(folder: Path) -> None:
    store = Store(folder, capacity=5)
    assert store.files("a") is store.files("a")
    store.files("b")
    assert store.files("b") is store.files("b")


def test_sizes_are_known_without_reading(folder: Path) -> None:
    store = Store(folder)
    assert store.size("[ab]") == 20
    (folder / "a").unlink()
    assert store.size("[ab]") == 20
    with (folder / "large").open("wb") as file:
        file.truncate(MAX_OCTETS + 1)
    with pytest.raises(MessageError, match="are more than"):
        store.size("large")


@pytest.mark.parametrize("spec", ["nothing", "pipe", "..", "sub", "b\nc", "../x", "broken"])
def test_what_cannot_be_read_is_told_by_its_size_already(folder: Path, spec: str) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "sub").mkdir()
    (folder / "b\nc").write_bytes(b"")
    (folder / "broken").symlink_to("nowhere")
    store = Store(folder)
    for look in (store.size, store.files):
        with pytest.raises((InputError, MessageError), match="attachment "):
            look(spec)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(folder: Path) -> None:
    (folder / "a").chmod(0)
    with pytest.raises(InputError, match="may not be read"):
        Store(folder).size("a")
