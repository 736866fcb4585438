"""Texts, addresses and values: where they come from, and how it is told that they do not."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from nexomailer_cli.cli import sources
from nexomailer_cli.errors import AddressError, InputError, MessageError, UsageError


def test_a_text_is_itself_a_file_or_an_at_sign(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("\ufeffgrüße".encode())
    assert sources.read_text("text", "--text") == "text"
    assert sources.read_text(f"@{tmp_path}/file", "--text") == "grüße"
    assert sources.read_text("@@file", "--text") == "@file"
    assert sources.read_text("", "--text") == ""


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("no\x1bthing", r"cannot read no\x1bthing: No such file or directory"),
        (".", "cannot read .: Is a directory"),
        ("file/below", "cannot read file/below: Not a directory"),
        ("nul\0", r"cannot read nul\x00: embedded null byte"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(InputError) as caught:
        sources.read_file(path)
    assert str(caught.value) == why


def test_what_has_no_end_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_OCTETS", 10)
    (tmp_path / "file").write_bytes(b"x" * 11)
    with pytest.raises(InputError, match="larger than"):
        sources.read_file(str(tmp_path / "file"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 11)))
    with pytest.raises(InputError, match="standard input: it is larger than"):
        sources.read_stdin("--text")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 10)))
    assert sources.read_stdin("--text") == b"x" * 10


def test_a_closed_standard_input_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="it is closed"):
        sources.read_stdin("--text")


def test_a_standard_input_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Broken()))
    with pytest.raises(InputError, match="standard input: Input/output error"):
        sources.read_stdin("--text")


def test_what_is_not_utf8_is_told_with_its_line() -> None:
    with pytest.raises(MessageError) as caught:
        sources.decoded(b"one\ntwo\ncaf\xe9\n", "body\x1b.txt")
    assert str(caught.value) == r"body\x1b.txt, line 3: this is not UTF-8 text"
    assert "iconv" in caught.value.hint


def test_a_list_of_addresses_names_the_line_of_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("# team\n\nA <a@a.test>, b@b.test\n  # more\nnobody\n")
    with pytest.raises(AddressError) as caught:
        sources.addresses([f"@{path}"], "--to")
    assert str(caught.value).startswith(f"{path}, line 5: ")


def test_lists_and_addresses_are_joined_in_order(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("b@b.test\r\nc@c.test\r\n")
    found = sources.addresses(["a@a.test", f"@{path}", "d@d.test"], "--to")
    assert [each.spec for each in found] == ["a@a.test", "b@b.test", "c@c.test", "d@d.test"]


@pytest.mark.parametrize("value", ["nobody", "a@a.test\nBcc: x@x.test", "a@a.test\0", "a@\udcff"])
def test_what_is_typed_and_is_no_address_is_usage(value: str) -> None:
    with pytest.raises(UsageError, match=r"^--to: "):
        sources.typed(value, "--to")
    with pytest.raises(UsageError, match=r"^--from: "):
        sources.typed_address(value, "--from")


def test_values_on_the_command_line_take_precedence(tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    path.write_text('{"a": 1, "b": {"c": [true, null, 1.5]}}')
    values = sources.values_of(["a=x=y", "d="], str(path))
    assert values == {"a": "x=y", "b": {"c": [True, None, 1.5]}, "d": ""}


@pytest.mark.parametrize("variable", ["a", "=x", "a b=x", "1=x", "\x1b=x"])
def test_a_value_needs_a_name(variable: str) -> None:
    with pytest.raises(UsageError, match="is not KEY=VALUE") as caught:
        sources.values_of([variable], None)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text", ["", "[1]", "null", '{"a": NaN}', '{"a": 1', '{"a":' * 50_000, '{"\\ud800": 1}']
)
def test_a_file_of_values_holds_one_object(tmp_path: Path, text: str) -> None:
    (tmp_path / "v.json").write_text(text)
    with pytest.raises(MessageError, match=r"v\.json: ") as caught:
        sources.values_of([], str(tmp_path / "v.json"))
    assert "one JSON object" in caught.value.hint


def test_header_fields_are_split_at_the_first_colon() -> None:
    fields = sources.header_fields(["X-A: b: c ", "X-B:"])
    assert fields == (("X-A", "b: c"), ("X-B", ""))


@pytest.mark.parametrize("value", ["X-A", ": b", "", "\x1b"])
def test_a_header_field_needs_a_name_and_a_colon(value: str) -> None:
    with pytest.raises(UsageError, match="is not a header field") as caught:
        sources.header_fields([value])
    assert str(caught.value).isprintable()
