"""How long each wait may take."""

import pytest

from nexomailer_cli.transport.limits import (
    END_SECONDS,
    MIN_BYTES_PER_SECOND,
    REPLY_SECONDS,
    Limits,
    limits_for,
)

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("socket", "reply", "end"),
    [(None, REPLY_SECONDS, END_SECONDS), (10.0, 10.0, 10.0), (3600.0, 3600.0, 3600.0)],
)
def test_a_socket_time_out_of_the_user_wins_over_both_defaults(
    socket: float | None, reply: float, end: float
) -> None:
    limits = limits_for(7.0, socket, deadline=99.0)
    assert limits == Limits(connect=7.0, reply=reply, end=end, deadline=99.0)


def test_the_answer_to_the_content_is_waited_for_as_long_as_the_rfc_says() -> None:
    assert limits_for(1.0, None).end_for(0) == 600.0


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 30 * MEGABYTE])
def test_large_content_gets_more_time_on_its_way_and_after_it(size: int) -> None:
    limits = Limits(reply=60.0, end=600.0)
    assert limits.write_for(size) == 60.0 + size / MIN_BYTES_PER_SECOND
    assert limits.end_for(size) == 600.0 + size / MIN_BYTES_PER_SECOND


@pytest.mark.parametrize(
    ("deadline", "until"), [(float("inf"), 130.0), (110.0, 110.0), (90.0, 90.0), (130.0, 130.0)]
)
def test_no_wait_outlasts_the_deadline(deadline: float, until: float) -> None:
    assert Limits(deadline=deadline).until(30.0, now=100.0) == until
