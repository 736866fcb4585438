"""Tables: what is read from them, and that nothing is lost in them without a word."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nexomailer_cli.bulk.cell import harmless, original
from nexomailer_cli.bulk.dialect import likely_delimiter
from nexomailer_cli.bulk.recipients import MAX_FIELD, Row, open_rows
from nexomailer_cli.errors import InputError, NexomailerError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    Table = Callable[..., str]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.chdir(tmp_path)

    def write(content: str | bytes, name: str = "people.csv") -> str:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    return write


NEVER_CLOSED = 'people.csv:1: a quotation mark (") opens a field that is never closed'


def rows(path: str, **options: str) -> list[Row]:
    with open_rows(path, **options) as table:
        return list(table)


def values(path: str, **options: str) -> list[dict[str, object]]:
    return [dict(row.values) for row in rows(path, **options)]


def refusal(path: str, **options: str) -> str:
    with pytest.raises(NexomailerError) as caught:
        rows(path, **options)
    return str(caught.value)


def test_a_row_has_its_number_its_line_and_values_in_the_order_of_the_header(table: Table) -> None:
    path = table('email,First name\na@x.test,"Ann\r\nMarie"\n\nb@x.test,Bob\n')
    assert rows(path) == [
        Row(1, 2, {"email": "a@x.test", "First name": "Ann\r\nMarie"}),
        Row(2, 5, {"email": "b@x.test", "First name": "Bob"}),
    ]


def test_rows_can_be_read_again_and_by_two_at_once(table: Table) -> None:
    with open_rows(table("email\na@x.test\nb@x.test\n")) as people:
        first, second = iter(people), iter(people)
        assert [next(first), next(second), next(second), next(first)] == [*people, *people][
            :1
        ] * 2 + [*people][1:] * 2
        assert people.columns == ("email",)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(table: Table, end: str) -> None:
    path = table(end.join(["email,n", "a@x.test,1", "", " , ", "b@x.test,2"]))
    assert [(row.line, row.values["n"]) for row in rows(path)] == [(2, "1"), (5, "2")]


@pytest.mark.parametrize(
    ("encoding", "given"),
    [
        *[("utf-8", ""), ("utf-8-sig", ""), ("utf-16", ""), ("utf-32", "")],
        *[("cp1252", "cp1252"), ("latin-1", "Latin1"), ("utf-16-le", "utf-16-le")],
        *[("utf-8-sig", "utf-8"), ("utf-16", "utf-16")],
    ],
)
def test_the_byte_order_mark_tells_the_encoding_or_the_user_does(
    table: Table, encoding: str, given: str
) -> None:
    path = table("email,name\na@x.test,Zoë Ünal\n".encode(encoding))
    assert values(path, encoding=given) == [{"email": "a@x.test", "name": "Zoë Ünal"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(table: Table, delimiter: str) -> None:
    head = delimiter.join(["email", "name", "note"])
    line = delimiter.join(["a@x.test", '"Doe, J; |\t"', '"a,b,c;d;e|f|g\t\t"'])
    assert values(table(f"{head}\n{line}\n")) == [
        {"email": "a@x.test", "name": "Doe, J; |\t", "note": "a,b,c;d;e|f|g\t\t"}
    ]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("email\na@x.test\n", ("email",)),
        ("Name, first;email\nAnn;a@x.test\nBob;b@x.test\n", ("Name, first", "email")),
        ("sep=;\nemail;a,b,c\na@x.test;1\n", ("email", "a,b,c")),
        ('"sep=|"\r\nemail|n\r\na@x.test|1\r\n', ("email", "n")),
        ("a;b\n" + '"x","y\n' * 2 + 'z";"w"\n', ("a", "b")),
        ('email,note\na@x.test,"' + "x\n" * 500 + '"\n', ("email", "note")),
        ("email;text\n" + "a@x.test;a,b\n" * 40 + "b@x.test\n", ("email", "text")),
    ],
)
def test_a_comma_in_a_field_fools_nobody(table: Table, text: str, columns: tuple[str, ...]) -> None:
    with open_rows(table(text)) as people:
        assert people.columns == columns


def test_the_user_knows_the_delimiter_better(table: Table) -> None:
    path = table("sep=,\nemail;n,m\na;b\n", "people.txt")
    assert values(path, delimiter=";") == [{"email": "a", "n,m": "b"}]
    assert values(path, delimiter="semicolon") == [{"email": "a", "n,m": "b"}]
    assert values(table("a,b\tc\n1,2\t3\n", "x.tsv")) == [{"a,b": "1,2", "c": "3"}]
    assert values(table("{a},b\n1,2\n", "x.txt")) == [{"{a}": "1", "b": "2"}]


@pytest.mark.parametrize("delimiter", ["", "ab", '"', "\n", "a", " ", "\0"])
def test_what_cannot_delimit_is_refused(table: Table, delimiter: str) -> None:
    path = table("email\na\n")
    if delimiter:
        assert "cannot stand between fields" in refusal(path, delimiter=delimiter)


@pytest.mark.parametrize("encoding", ["klingon", "hex", "rot13", "\0", "ü"])
def test_an_encoding_nobody_knows_is_refused(table: Table, encoding: str) -> None:
    with pytest.raises(UsageError, match="is not an encoding"):
        open_rows(table("email\na\n"), encoding=encoding)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "people.csv is empty"),
        (b"\n\n", "people.csv is empty"),
        (b"email,name\n\n,\n", "people.csv has a header but no rows"),
        (b"email,,name\n1,2,3\n", "people.csv:1: column 2 has no name"),
        (b"email, \n1,2\n", "people.csv:1: column 2 has no name"),
        (b"\nn, Email,EMAIL ,\n", "people.csv:2: columns 2 and 3 are both called 'EMAIL'\n"
         "people.csv:2: column 4 has no name"),
        (b"STRASSE,stra\xc3\x9fe\n1,2\n", "people.csv:1: columns 1 and 2 are both called 'straße'"),
        (b'"email,name\n1,2\n', NEVER_CLOSED),
        (b"e" + b",e" * 10_001 + b"\n", "people.csv:1: 10,002 columns are more than anybody means"),
    ],
)  # fmt: skip
def test_a_header_with_flaws_names_all_of_them(table: Table, content: bytes, message: str) -> None:
    assert refusal(table(content)) == message


HEAD = "email,name\na@x.test,Ann\n"


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("b@x.test\n", ["3: 1 field where the header has 2 columns"]),
        ("\n\nb@x.test,Doe, Bob\n", ["5: 3 fields where the header has 2 columns"]),
        ('b@x.test,"Bob\nc@x.test,Cy\n', ['3: a quotation mark (") opens a field that is never']),
        ('b@x.test,"Bob\nc@x.test,"Cy"\n', ['3: a quotation mark (") in the middle of a field']),
        ('b@x.test,"Bob"by\n', ['3: a quotation mark (") in the middle']),
        ("b@x.test,B\0b\n", ["3: a NUL character"]),
        (f"b@x.test,{'x' * (MAX_FIELD + 1)}\n", ["3: a field is larger than 1,048,576"]),
        ('b@x.test,"' + "x\n" * MAX_FIELD, ["3: a field is larger than 1,048,576"]),
        (f"b@x.test,{'x' * 9_000_000}", ["3: it is longer than 8,388,608 characters"]),
        ("b\nc@x.test,Cy\nd,e,f\n\0", ["3: 1 field", "5: 3 fields", "6: a NUL"]),
    ],
)  # fmt: skip
def test_all_flaws_of_the_rows_are_told_with_their_lines(
    table: Table, text: str, problems: list[str]
) -> None:
    path = table(HEAD + text)
    with open_rows(path) as people:
        found = [str(each) for each in people.examined() if isinstance(each, Problem)]
    assert len(found) == len(problems)
    for problem, expected in zip(found, problems, strict=True):
        assert problem.startswith(f"people.csv:{expected}")
    assert refusal(path) == found[0]


def test_rows_around_a_flaw_keep_their_lines_and_are_counted_on(table: Table) -> None:
    with open_rows(table(HEAD + 'x\nb@x.test,"Bob"by\nc@x.test,Cy\n')) as people:
        good = [each for each in people.examined() if isinstance(each, Row)]
    assert [(row.number, row.line) for row in good] == [(1, 2), (2, 5)]


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("before", [0, 3, 40_000])
def test_the_line_that_is_no_text_is_named(table: Table, ends: bytes, before: int) -> None:
    content = ends.join([b"email,name", *[b"a@x.test,Ann"] * (before + 1), b"b@x.test,Z\xeb", b""])
    assert refusal(table(content)) == (
        f"people.csv:{before + 3}: the octet 0xEB is not UTF-8 text; "
        "a file from Excel may need --encoding cp1252"
    )
    assert values(table(content), encoding="cp1252")[-1]["name"] == "Zë"


def test_text_that_ends_in_the_middle_of_a_character_is_refused(table: Table) -> None:
    assert refusal(table(HEAD.encode() + b"b@x.test,\xc3")).startswith(
        "people.csv:3: the octet 0xC3"
    )
    content = ("\ufeff" + HEAD).encode("utf-16-le") + b"x"
    assert refusal(table(content)).startswith("people.csv:3: the octet 0x78 is not UTF-16")


def test_utf_16_without_a_mark_is_recognised_by_a_person_with_a_hint(table: Table) -> None:
    assert "say --encoding utf-16-le" in refusal(table(HEAD.encode("utf-16-le")))
    assert "say --encoding utf-16-be" in refusal(table(HEAD.encode("utf-16-be")))
    assert refusal(table(HEAD.encode("utf-16-le")), encoding="utf-8").endswith(": a NUL character")


def test_a_file_that_is_none_is_named(table: Table, tmp_path: Path) -> None:
    assert refusal("no\x1b.csv") == "cannot read no\\x1b.csv: No such file or directory"
    assert refusal(str(tmp_path)).endswith(": Is a directory")
    assert "neither a file nor a pipe" in refusal("/dev/zero")
    assert "cannot read" in refusal("a\0b")


def test_a_pipe_can_be_read_twice(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    code = (
        "from nexomailer_cli.bulk.recipients import open_rows\n"
        "for path in ('-', 'pipe.csv'):\n"
        "    with open_rows(path) as people:\n"
        "        print(people.name, *[row.line for row in [*people, *people]])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=-1, stdout=-1, text=True
    )
    assert process.stdin is not None
    process.stdin.write(HEAD)
    process.stdin.close()
    process.stdin = None
    (tmp_path / "pipe.csv").write_text(HEAD)
    assert process.communicate()[0] == "standard input 2 2\npipe.csv 2 2\n"


def test_standard_input_may_be_a_file_or_closed(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path(table(HEAD)).open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert [row.line for row in rows("-")] == [2]
    with pytest.raises(InputError, match="standard input: it is closed"):
        open_rows("-")


def test_a_file_that_changes_meanwhile_is_noticed(table: Table) -> None:
    with open_rows(table(HEAD)) as people:
        reading = iter(people)
        next(reading)
        table(HEAD + "b@x.test,Bob\n")
        with pytest.raises(InputError, match=r"people\.csv has changed since it was opened"):
            list(reading)
        with pytest.raises(InputError, match="has changed"):
            list(people)


def test_a_file_that_is_replaced_meanwhile_does_not_matter(table: Table) -> None:
    with open_rows(table(HEAD)) as people:
        Path(table("x\ny\n", "other.csv")).replace("people.csv")
        assert len([*people, *people]) == 2


def test_a_large_table_needs_no_memory(table: Table) -> None:
    path = table(HEAD + f"b@x.test,{'x' * 20_000}\n" * 500)
    tracemalloc.start()
    with open_rows(path) as people:
        assert sum(1 for _ in people) == 501
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_json_lines_keep_values_as_they_are_written(table: Table) -> None:
    text = '\ufeff{"email": "a@x.test", "price": 1.10, "n": 7, "ok": true, "no": null}\r\n\n'
    text += '{"email": "b@x.test", "list": [{"x": 1e3}], "s": "\\u00e4"}\n'
    path = table(text, "people.jsonl")
    with open_rows(path) as people:
        assert people.columns == ("email", "price", "n", "ok", "no", "list", "s")
        first, second = people
    assert first.values == {"email": "a@x.test", "price": "1.10", "n": 7, "ok": True, "no": ""}
    assert second == Row(2, 3, {"email": "b@x.test", "list": [{"x": "1e3"}], "s": "ä"})
    assert len(rows(table(text, "people.dat"))) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", 'not an object like {"email": "ann@example.org"}'),
        ('{"a": 1', "not JSON: Expecting ',' delimiter at character 8"),
        ('{"a": 1, "a": 2}', "two members are called 'a'"),
        ('{"x": {"a\\u001b": 1, "a\\u001b": 2}}', "two members are called 'a\\\\x1b'"),
        ('{"a": 1, "A ": 2}', "two members have names that differ in capitals or spaces only"),
        ('{" ": 1}', "a member has no name"),
        ('{"a": "\\ud800"}', "an escape such as \\ud800 stands for no character"),
        ('{"a": NaN}', "a number or a nesting beyond all bounds"),
        ('{"a": ' + "[" * 100_000, "a number or a nesting beyond all bounds"),
        ('{"a": ' + "9" * 5000 + "}", "a number or a nesting beyond all bounds"),
        ('{"a": "' + "x" * (MAX_FIELD + 1) + '"}', "a value is larger than 1,048,576 characters"),
        ("\0", "a NUL character"),
    ],
)
def test_a_line_that_is_no_object_is_a_problem(table: Table, line: str, message: str) -> None:
    path = table('{"email": "a"}\n' + line + "\n", "people.jsonl")
    with open_rows(path) as people:
        assert [str(each) for each in people.examined() if isinstance(each, Problem)] == [
            f"people.jsonl:2: {message}"
        ]


def test_json_lines_without_a_line_are_empty(table: Table) -> None:
    assert refusal(table("\n", "people.jsonl")) == "people.jsonl is empty"
    names = json.dumps({f"a{number}": 1 for number in range(10_001)})
    assert "more than 10,000 different names" in refusal(table(names, "people.jsonl"))


CELLS = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8
)


@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=4),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
@example([["0", "0", "0"], ["\r", "\r", "\r"]], ",", "\n")
def test_what_a_spreadsheet_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]], delimiter: str, end: str
) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["email", "b", "c"])
    writer.writerows([[harmless(cell) for cell in record] for record in cells])
    path = tmp_path_factory.mktemp("table") / "people.csv"
    path.write_bytes(file.getvalue().encode())
    expected = [record for record in cells if any(cell.strip() for cell in record)]
    if expected:
        assert [list(row.values()) for row in values(str(path))] == expected


@given(st.text(alphabet="'=+-@\t\ra", max_size=5))
def test_a_formula_is_made_harmless_and_read_back(cell: str) -> None:
    assert not harmless(cell).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert original(harmless(cell)) == cell


@given(st.text(alphabet='ab,;\t|"\n', max_size=60))
def test_any_text_has_a_likely_delimiter(text: str) -> None:
    assert likely_delimiter(text.splitlines(keepends=True)) in ",;\t|"


@given(st.binary(max_size=80), st.sampled_from(["x.csv", "x.jsonl", "x"]))
def test_any_octets_are_rows_or_problems(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("table") / name
    path.write_bytes(content)
    try:
        with open_rows(str(path)) as people:
            for each in people.examined():
                assert isinstance(each, Row | Problem)
    except NexomailerError as error:
        assert str(error)


def test_a_ragged_row_in_a_short_table_does_not_hide_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("email,name\na@b.test\nb@b.test,x,y\n")
    with open_rows(str(path)) as rows:
        assert rows.columns == ("email", "name")
        assert all(isinstance(row, Problem) for row in rows.examined())


def test_utf_16_without_a_mark_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes("email,name\na@b.test,\xe9\n".encode("utf-16-le"))
    with pytest.raises(InputError, match="--encoding utf-16-le"), open_rows(str(path)):
        pass


def test_json_lines_without_a_single_name_say_why(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("[1]\nnot\n")
    with pytest.raises(InputError, match=r"p\.jsonl:1: not an object"):
        open_rows(str(path))
