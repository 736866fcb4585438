from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.config.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("5s", 5),
        ("1.5s", 1.5),
        ("2m", 120),
        ("1h", 3600),
        ("1d", 86400),
        ("1m30s", 90),
        ("1h 1s", 3601),
        (" 5s ", 5),
        ("0s", 0),
        ("5000", 5),
        ("0.5", 0.0005),
    ],
)
def test_times_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


def test_a_bare_number_is_seconds_where_the_caller_says_so() -> None:
    assert parse_duration("90", bare="s") == 90


@pytest.mark.parametrize(
    "text",
    ["", " ", "s", "5 parsecs", "-5s", "1s1h", "1s1s", "5S", "1e3", "٥s", "inf", "nan", "5,5s"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a time is written like"):
        parse_duration(text)


@given(st.integers(0, 10**10))
def test_a_time_survives_being_written_and_read(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds)


def test_times_are_written_with_the_largest_units_first() -> None:
    assert format_duration(90061.5) == "1d1h1m1s500ms"
