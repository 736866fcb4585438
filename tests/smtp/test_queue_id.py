import pytest

from nexomailer_cli.smtp.queue_id import queue_id
from nexomailer_cli.smtp.reply import Reply

SAYINGS = [
    ("Ok: queued as 4F2A91C0", "4F2A91C0"),
    ("OK id=1tFxYz-0000Ab-1c", "1tFxYz-0000Ab-1c"),
    ("46N0abcd012345 Message accepted for delivery", "46N0abcd012345"),
    ("Ok 0100018f3c-0000-4000-9aa0-000000", "0100018f3c-0000-4000-9aa0-000000"),
    ("Ok: queued as hXJ8sQ2_TpSo", "hXJ8sQ2_TpSo"),
    (
        "<a@b.test> [InternalId=123456, Hostname=X.PROD.OUTLOOK.COM] Queued mail for delivery",
        None,
    ),
    ("Message received", None),
    ("Ok", None),
]


@pytest.mark.parametrize(("text", "expected"), SAYINGS)
def test_the_queue_id_is_found_where_each_product_puts_it(text: str, expected: str | None) -> None:
    assert queue_id(Reply(250, "2.0.0", (text,))) == expected


def test_no_reply_has_no_queue_id() -> None:
    assert queue_id(None) is None
