from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexomailer_cli.sandbox.subject import read_subject


@pytest.mark.parametrize(
    ("content", "subject"),
    [
        (b"Subject: hello\r\n\r\nbody", "hello"),
        (b"To: x\r\nsubject:hello\r\n", "hello"),
        (b"Subject: two\r\n lines\r\n\tand three\r\nTo: x\r\n\r\n", "two lines and three"),
        (b"Subject: =?utf-8?q?caf=C3=A9?= =?iso-8859-1?q?_=E9?=\r\n\r\n", "café é"),
        ("Subject: Grüße\r\n\r\n".encode(), "Grüße"),
        (b"Subject: \xff\r\n\r\n", "\N{REPLACEMENT CHARACTER}"),
        (b"Subject: lf only\n\nbody", "lf only"),
        (b"Subject: =?klingon?q?x?=\r\n\r\n", "=?klingon?q?x?="),
        (b"Subject: =?utf-8?q?=FF?=\r\n\r\n", "=?utf-8?q?=FF?="),
        (b"Subject: =?utf-8?b?a?=\r\n\r\n", "=?utf-8?b?a?="),
        (b"Subject: =?utf-8?q?a=0D=0Ab?=\r\n\r\n", "a b"),
        (b"Subject:\r\n\r\nSubject: no", ""),
        (b"To: x\r\n\r\nSubject: in the body", ""),
        (b"\r\nSubject: in the body", ""),
        (b"X-Subject: other\r\n\r\n", ""),
        (b"", ""),
    ],
)
def test_subject(content: bytes, subject: str) -> None:
    assert read_subject(content) == subject


@settings(deadline=None)
@given(st.binary())
def test_no_message_breaks_it(value: bytes) -> None:
    subject = read_subject(b"Subject: =?utf-8?" + value)
    assert "\n" not in subject
