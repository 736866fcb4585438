"""Who gets no mail: suppressed people, and the second row of the same one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.bulk.keyset import KeySet
from nexomailer_cli.bulk.suppression import Duplicates, Suppression
from nexomailer_cli.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

LIST = (
    "\ufeff# gone\r\nAnn@Example.org\r\n\r\n  @Bücher.example \n@blocked.example\nBob <bob@x.test>"
)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone.txt").write_text(LIST)
    return "gone.txt"


def test_addresses_and_domains_are_covered_whatever_their_capitals(path: str) -> None:
    suppression = Suppression([path])
    assert len(suppression) == 4
    for spec in ("ann@example.ORG", "ANN@example.org", "x@blocked.example", "bob@x.test"):
        assert suppression.covers(spec)
    assert suppression.covers("a@xn--bcher-kva.example")
    for spec in ("an@example.org", "ann@sub.example.org", "x@sub.blocked.example", "x@x.test"):
        assert not suppression.covers(spec)


def test_without_a_list_nobody_is_covered() -> None:
    assert not Suppression().covers("a@x.test")


def test_every_line_that_is_no_address_is_named(path: str, tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("nobody\n@\n@a b\nc@x.test\na@x, b@x\n")
    with pytest.raises(InputError) as caught:
        Suppression([path, "bad.txt"])
    lines = str(caught.value).split("\n")
    assert [line.split(" ")[0] for line in lines] == [f"bad.txt:{n}:" for n in (1, 2, 3, 5)]
    (tmp_path / "bad.txt").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"bad\.txt:1: the octet 0xFF"):
        Suppression(["bad.txt"])


def test_a_file_that_is_no_list_is_given_up_soon(tmp_path: Path) -> None:
    (tmp_path / "book").write_text("word\n" * 100_000)
    with pytest.raises(InputError) as caught:
        Suppression([str(tmp_path / "book")])
    assert len(str(caught.value).split("\n")) == 20


def test_a_second_row_of_an_address_is_told_the_line_of_the_first() -> None:
    seen = Duplicates()
    assert seen.earlier("ann@x.test", 2) == 0
    assert seen.earlier("bob@x.test", 3) == 0
    assert seen.earlier("Ann@X.test", 9) == 2
    assert seen.earlier("ÄNNE@x.test", 10) == 0
    assert seen.earlier("änne@x.test", 11) == 10


@given(st.lists(st.text(max_size=2)))
def test_a_key_set_remembers_like_a_dictionary(keys: list[str]) -> None:
    ours, known = KeySet(), dict[str, int]()
    for number, key in enumerate(keys, 1):
        assert ours.add(key, number) == known.get(key, 0)
        known.setdefault(key, number)
    assert len(ours) == len(known)
    assert all(ours.get(key) == number for key, number in known.items())
    assert ours.get("never") == 0


def test_very_many_keys_are_quick() -> None:
    started = time.process_time()
    keys = KeySet()
    for number in range(1, 50_001):
        assert keys.add(f"{number}@x.test", number) == 0
    assert keys.get("777@x.test") == 777
    assert time.process_time() - started < 2
