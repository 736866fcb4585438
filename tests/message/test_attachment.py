"""Attachments: real files, all of them, and nothing but files."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from nexomailer_cli.errors import InputError, MessageError
from nexomailer_cli.message.attachment import load_attachments, load_inline
from nexomailer_cli.message.draft import Attachment
from nexomailer_cli.message.mediatype import media_type


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory of files, with one outside of it."""
    root = tmp_path / "root"
    for name in ("b.pdf", "a.pdf", "sub/c.pdf", "sub/deep/d.pdf", "note.txt", ".hidden.pdf"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "secret.txt").write_bytes(b"secret")
    return root


def names(*specs: str, base: Path, root: Path | None = None) -> list[str]:
    return [file.filename for file in load_attachments(specs, base=base, root=root)]


def test_a_path_is_read_with_its_type_and_name(folder: Path) -> None:
    assert load_attachments([str(folder / "a.pdf")]) == (
        Attachment("a.pdf", "application/pdf", b"a.pdf"),
    )


def test_relative_paths_start_at_base_then_root_then_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert names("c.pdf", base=folder / "sub", root=folder) == ["c.pdf"]
    assert [file.filename for file in load_attachments(["a.pdf"], root=folder)] == ["a.pdf"]
    monkeypatch.chdir(folder)
    assert [file.filename for file in load_attachments(["sub/c.pdf"])] == ["c.pdf"]


def test_a_tilde_is_the_home_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert names("~/a.pdf", base=Path("/")) == ["a.pdf"]


def test_an_explicit_type_wins(folder: Path) -> None:
    (file,) = load_attachments(["note.txt:application/x-own"], base=folder)
    assert (file.filename, file.media_type) == ("note.txt", "application/x-own")
    (file,) = load_attachments(["not*.txt:text/x-log"], base=folder)
    assert file.media_type == "text/x-log"


def test_a_colon_without_a_type_belongs_to_the_path(folder: Path) -> None:
    (folder / "12:30.txt").write_bytes(b"x")
    (folder / "a:text").mkdir()
    (folder / "a:text/plain").write_bytes(b"y")
    assert names("12:30.txt", "a:text/plain", base=folder) == ["12:30.txt", "plain"]


def test_globs_are_sorted_and_leave_directories_out(folder: Path) -> None:
    assert names("*", base=folder) == ["a.pdf", "b.pdf", "note.txt"]
    assert names("[ab].pdf", "sub/?.pdf", base=folder) == ["a.pdf", "b.pdf", "c.pdf"]
    assert names(str(folder / "*.pdf"), base=Path("/")) == ["a.pdf", "b.pdf"]


def test_two_stars_descend_once_however_often_they_are_written(folder: Path) -> None:
    expected = ["a.pdf", "b.pdf", "c.pdf", "d.pdf"]
    assert names("**/*.pdf", base=folder) == expected
    assert names("**/" * 40 + "*.pdf", base=folder) == expected
    assert names(f"{folder}/**/*.pdf", base=Path("/")) == expected
    assert names("su?/**", base=folder) == ["c.pdf", "d.pdf"]
    assert names("**", base=folder) == ["a.pdf", "b.pdf", "note.txt", "c.pdf", "d.pdf"]
    assert names("a**.pdf", base=folder) == ["a.pdf"]
    with pytest.raises(InputError, match=r"more than one \*\* in a pattern"):
        names("**/*/**/*.pdf", base=folder)


def test_links_that_lead_round_in_circles_end_no_search(folder: Path) -> None:
    (folder / "x").symlink_to(".")
    (folder / "y").symlink_to("..")
    (folder / ".git").mkdir()
    (folder / ".git" / "e.pdf").write_bytes(b"")
    assert names("**/*.pdf", base=folder) == ["a.pdf", "b.pdf", "c.pdf", "d.pdf"]


def test_an_existing_path_is_meant_literally(folder: Path) -> None:
    (folder / "[ab].pdf").write_bytes(b"x")
    assert names("[ab].pdf", base=folder) == ["[ab].pdf"]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("missing.pdf", "'missing.pdf': no such file"),
        ("missing.pdf:text/plain", "'missing.pdf': no such file"),
        ("*.doc", r"'\*\.doc': the pattern matches no file"),
        ("su*", "matches no file"),
        ("sub", "it is a directory, not a file"),
        ("", "'': not a file name"),
        ("a\0b", "not a file name"),
        ("x\x1b]2;", r"'x\\x1b\]2;': no such file"),
        ("x" * 5000, "no such file"),
    ],
)
def test_what_is_no_file_is_named(folder: Path, spec: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        load_attachments([spec], base=folder)


def test_a_named_pipe_is_refused_without_waiting(folder: Path) -> None:
    os.mkfifo(folder / "pipe.pdf")
    for spec in ("pipe.pdf", "*.pdf"):
        with pytest.raises(InputError, match="it is a named pipe"):
            load_attachments([spec], base=folder)


def test_devices_and_sockets_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="it is a device"):
        load_attachments(["/dev/zero"])
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(InputError, match="it is a socket"):
            load_attachments(["socket"])


@pytest.mark.skipif(sys.platform != "linux", reason="needs files that lie about their size")
def test_a_file_that_is_not_what_its_size_says_is_refused() -> None:
    with pytest.raises(InputError, match="it changed while it was read"):
        load_attachments(["/proc/self/environ"])
    with pytest.raises(InputError, match="'/proc/self/mem': Input/output error"):
        load_attachments(["/proc/self/mem"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(folder: Path) -> None:
    (folder / "a.pdf").chmod(0)
    with pytest.raises(InputError, match=r"a\.pdf': Permission denied"):
        load_attachments(["a.pdf"], base=folder)


def test_broken_and_circular_links_are_input_errors(folder: Path) -> None:
    (folder / "broken").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    for root in (None, folder):
        for name in ("broken", "loop"):
            with pytest.raises(InputError, match=name):
                load_attachments([name], base=folder, root=root)


def test_links_are_followed_and_keep_their_own_name(folder: Path) -> None:
    (folder / "report.pdf").symlink_to("a.pdf")
    for root in (None, folder):
        (file,) = load_attachments(["report.pdf"], base=folder, root=root)
        assert (file.filename, file.content) == ("report.pdf", b"a.pdf")


@pytest.mark.parametrize(
    "spec",
    [
        *["../secret.txt", "sub/../../secret.txt", "link.txt", "/etc/passwd", "/etc/pass*"],
        *["../*.txt", "sub/../../*.txt", "li*.txt", "linked/secret.txt", "linked/*"],
    ],
)
def test_nothing_outside_the_root_is_read(folder: Path, spec: str) -> None:
    (folder / "link.txt").symlink_to("../secret.txt")
    (folder / "linked").symlink_to("..")
    with pytest.raises(InputError, match="outside of the directory for attachments"):
        load_attachments([spec], root=folder)


def test_the_size_limit_holds_for_all_files_together(folder: Path) -> None:
    with (folder / "large.bin").open("wb") as file:
        file.truncate(10_000_000_000)
    with pytest.raises(MessageError, match=r"10,000,000,000 bytes are more than the 100,000,000"):
        load_attachments(["large.bin"], base=folder)
    assert len(load_attachments(["a.pdf", "b.pdf"], base=folder, max_octets=10)) == 2
    with pytest.raises(MessageError, match=r"b\.pdf': its 5 bytes are more than the 4"):
        load_attachments(["a.pdf", "b.pdf"], base=folder, max_octets=9)


@pytest.mark.parametrize("name", ["a\nb.txt", "a\r\nBcc: x.txt", "\u202egpj.exe", "a\x1b.txt"])
def test_names_that_hide_something_are_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    with pytest.raises(MessageError, match="in the file name") as caught:
        load_attachments([name], base=folder)
    assert str(caught.value).isprintable()


def test_inline_files_have_a_content_id(folder: Path) -> None:
    assert load_inline("logo@x=note.txt:image/png", base=folder) == Attachment(
        "note.txt", "image/png", b"note.txt", "logo@x"
    )


@pytest.mark.parametrize("spec", ["note.txt", "=note.txt", "a b=note.txt", "<a>=note.txt", "a="])
def test_wrong_inline_files_are_explained(folder: Path, spec: str) -> None:
    with pytest.raises(MessageError, match="not an inline file") as caught:
        load_inline(spec, base=folder)
    assert "logo=logo.png" in caught.value.hint


def test_an_inline_pattern_must_name_one_file(folder: Path) -> None:
    assert load_inline("x=a*.pdf", base=folder).filename == "a.pdf"
    with pytest.raises(MessageError, match="names 2 files"):
        load_inline("x=*.pdf", base=folder)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.PDF", "application/pdf"),
        ("a.tar.gz", "application/gzip"),
        ("a.ics", "text/calendar"),
        ("a.eml", "message/rfc822"),
        ("a.heic", "image/heic"),
        ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.unknown", "application/octet-stream"),
        ("a", "application/octet-stream"),
        (".pdf", "application/octet-stream"),
    ],
)
def test_media_types_do_not_depend_on_the_machine(name: str, expected: str) -> None:
    assert media_type(name) == expected
