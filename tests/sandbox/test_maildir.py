from __future__ import annotations

import mailbox
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexomailer_cli.sandbox.maildir import Maildir


def test_a_maildir_is_its_owner_s_alone(tmp_path: Path) -> None:
    stored = Maildir(tmp_path / "deep" / "box").store(b"x")
    box = tmp_path / "deep" / "box"
    assert {stat_mode(folder) for folder in (box, *box.iterdir())} == {0o700}
    assert stat_mode(stored.path) == 0o600


def stat_mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_stored_message_is_new_and_named_after_its_id(tmp_path: Path) -> None:
    stored = Maildir(tmp_path).store(b"x")
    assert stored.path.parent == tmp_path / "new"
    assert stored.id in stored.path.name
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_standard_library_reads_what_was_stored(tmp_path: Path) -> None:
    maildir = Maildir(tmp_path)
    maildir.store(b"Subject: one\r\n\r\n1\r\n")
    maildir.store(b"Subject: two\r\n\r\n2\r\n")
    subjects = sorted(message["Subject"] for message in mailbox.Maildir(tmp_path, create=False))
    assert subjects == ["one", "two"]


def test_a_second_opening_keeps_what_is_there(tmp_path: Path) -> None:
    stored = Maildir(tmp_path).store(b"x")
    Maildir(tmp_path)
    assert stored.path.read_bytes() == b"x"


def test_a_message_that_cannot_be_stored_leaves_nothing_behind(tmp_path: Path) -> None:
    maildir = Maildir(tmp_path)
    (tmp_path / "new").rmdir()
    with pytest.raises(FileNotFoundError):
        maildir.store(b"x")
    assert list((tmp_path / "tmp").iterdir()) == []


@settings(max_examples=50, deadline=None)
@given(contents=st.lists(st.binary(), max_size=5))
def test_every_byte_is_kept(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]
) -> None:
    maildir = Maildir(tmp_path_factory.mktemp("box"))
    assert [maildir.store(content).path.read_bytes() for content in contents] == contents
