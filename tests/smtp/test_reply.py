"""One table of replies drives every way in which they may arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.errors import ProtocolError
from nexomailer_cli.smtp.reply import (
    MAX_KNOWN,
    MAX_LINE_BYTES,
    MAX_REPLY_LINES,
    Reply,
    ReplyReader,
    Severity,
)

CASES = [
    (b"220 mail.test ESMTP\r\n", Reply(220, "", ("mail.test ESMTP",))),
    (b"250\r\n", Reply(250, "", ("",))),
    (b"250 \r\n", Reply(250, "", ("",))),
    (b"250 2.0.0 Ok\r\n", Reply(250, "2.0.0", ("Ok",))),
    (b"250 2.0.0\r\n", Reply(250, "2.0.0", ("",))),
    (b"250-a\r\n250-b c\r\n250 d\r\n", Reply(250, "", ("a", "b c", "d"))),
    (
        b"535-5.7.8 Wrong\r\n535 5.7.8 password\r\n",
        Reply(535, "5.7.8", ("Wrong", "password")),
    ),
    # An enhanced code of another class than the reply's is text (RFC 2034 section 4).
    (b"250 5.7.1 odd\r\n", Reply(250, "", ("5.7.1 odd",))),
    (b"250 bare line feed\n", Reply(250, "", ("bare line feed",))),
    (b"550 caf\xe9 \xc3\xa9\r\n", Reply(550, "", ("caf\\xe9 é",))),
    (b"250 \x1b]0;title\x07\x9b\r\n", Reply(250, "", ("\\x1b]0;title\\x07\\x9b",))),
    (b"250 a\rb\0c\r\n", Reply(250, "", ("a\\x0db\\x00c",))),
    ("250 a\u202eb\r\n".encode(), Reply(250, "", ("a\\u202eb",))),
]


@pytest.mark.parametrize(("wire", "reply"), CASES)
def test_a_reply_is_read_whole_in_bytes_and_with_another_behind_it(
    wire: bytes, reply: Reply
) -> None:
    whole, single, double = ReplyReader(), ReplyReader(), ReplyReader()
    assert whole.receive(wire) == [reply]
    assert whole.is_empty
    assert [r for i in range(len(wire)) for r in single.receive(wire[i : i + 1])] == [reply]
    assert double.receive(wire + b"354 go\r\n25") == [reply, Reply(354, "", ("go",))]
    assert not double.is_empty


@given(st.lists(st.sampled_from([wire for wire, _ in CASES]), max_size=5), st.data())
def test_any_chunking_gives_the_same_replies(wires: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(wires)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader = ReplyReader()
    pieces = zip([0, *cuts], [*cuts, len(stream)], strict=True)
    replies = [reply for start, end in pieces for reply in reader.receive(stream[start:end])]
    assert replies == [dict(CASES)[wire] for wire in wires]


@pytest.mark.parametrize(
    "line",
    [
        b"* OK IMAP4rev1 ready",
        b"SSH-2.0-OpenSSH_9.2",
        b"HTTP/1.1 400 Bad Request",
        b"+OK POP3",
        b"",
        b"25",
        b"250x",
        b"099 too low",
        b"199 too low",
        b"600 too high",
        b"abc",
        b"-1 x",
        "２５０ full-width".encode(),
    ],
)
def test_what_is_no_reply_ends_the_conversation(line: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        ReplyReader().receive(line + b"\r\n")
    assert caught.value.reason == "not-smtp"


def test_what_was_said_instead_is_quoted_and_harmless() -> None:
    with pytest.raises(ProtocolError, match=r"\* OK \\x1b\[2J") as caught:
        ReplyReader().receive(b"* OK \x1b[2J\r\n")
    assert caught.value.detail == "* OK \\x1b[2J"


def test_one_reply_has_one_code() -> None:
    with pytest.raises(ProtocolError, match="two codes, 250 and 550"):
        ReplyReader().receive(b"250-yes\r\n550 no\r\n")


@pytest.mark.parametrize(
    "flood",
    [
        b"250 " + b"x" * (MAX_LINE_BYTES + 1),
        b"250 " + b"x" * (MAX_LINE_BYTES + 1) + b"\r\n",
        b"250-x\r\n" * (MAX_REPLY_LINES + 1),
        (b"250-" + b"x" * 4000 + b"\r\n") * 9,
    ],
)
def test_an_endless_reply_ends_the_conversation(flood: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        ReplyReader().receive(flood)
    assert caught.value.reason == "too-long"


def test_a_reply_speaks_for_itself() -> None:
    reply = Reply(550, "5.1.1", ("no such", "", "user"))
    assert str(reply) == "550 5.1.1 no such user"
    assert reply.severity is Severity.PERMANENT
    assert str(Reply(221)) == "221"


def test_words_heard_before_end_a_reply_of_several_lines_all_the_same() -> None:
    reader = ReplyReader()
    assert reader.receive(b"250 ok\r\n250 ok\r\n") == [Reply(250, "", ("ok",))] * 2
    assert reader.receive(b"250-first\r\n250 ok\r\n") == [Reply(250, "", ("first", "ok"))]
    with pytest.raises(ProtocolError, match="two codes"):
        reader.receive(b"550-first\r\n250 ok\r\n")


def test_a_session_remembers_few_words() -> None:
    reader = ReplyReader()
    for number in range(2 * MAX_KNOWN):
        [reply] = reader.receive(b"250 queued as %d\r\n" % number)
        assert reply.text == f"queued as {number}"
    assert len(reader._known) == MAX_KNOWN


def test_a_secret_that_comes_back_late_is_not_quoted() -> None:
    def reader() -> ReplyReader:
        return ReplyReader(lambda line: line.replace("tanstaaf", "***"))

    assert reader().receive(b"550 you said tanstaaf\r\n")[0].text == "you said ***"
    for nonsense in (b"you said tansta", b"250-a\r\n550 tansta"):
        with pytest.raises(ProtocolError) as caught:
            reader().receive(nonsense + b"\r\n")
        assert "tansta" not in f"{caught.value} {caught.value.detail}"
