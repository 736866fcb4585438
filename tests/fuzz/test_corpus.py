"""What fuzzing begins with, and what it has found before: quick, and without a fuzzer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(each for each in CORPUS.glob("*/*") if each.is_file())


def test_there_is_a_corpus_for_every_target() -> None:
    assert {each.parent.name for each in FILES} == set(TARGETS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_what_others_wrote_is_read_or_refused(file: Path) -> None:
    TARGETS[file.parent.name](file.read_bytes())
