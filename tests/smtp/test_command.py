import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.errors import AddressError, MessageError
from nexomailer_cli.smtp import command

INJECTIONS = [
    "a@b>\r\nRCPT TO:<x@y",
    "a@b\nDATA",
    "a@b\r",
    "a@b> SIZE=1",
    "<a@b",
    "a@b\x00",
    "a @b",
    "a\t@b",
    "@r1,@r2:a@b",
    '"a@evil.test x"@ok.test>',
    "user@good(x)evil",
    "user@good.test, evil@bad.test",
    "a@b@c",
    "",
    "a",
    "@b",
    "a@",
    "a@b\u2028c",
    "a@b\x85c",
    '"a"b@c',
    '"a\r\n"@b',
    '"a\\\r"@b',
    "a@[1.2.3.4]x",
    "a@[1.2.3.4\r\n]",
    "a@\ud800.test",
]


@pytest.mark.parametrize("address", INJECTIONS)
def test_an_address_that_is_more_than_one_mailbox_is_refused(address: str) -> None:
    with pytest.raises(AddressError):
        command.rcpt(address)


@pytest.mark.parametrize(
    "address",
    [
        "a@b.test",
        "o'brien+tag=x@sub.example",
        '"john smith"@b.test',
        '"a\\"b"@c.test',
        "jürgen@xn--bcher-kva.example",
        "a@[192.0.2.1]",
        "a@[IPv6:2001:db8::1]",
    ],
)
def test_a_mailbox_goes_out_as_it_is(address: str) -> None:
    assert command.rcpt(address) == f"RCPT TO:<{address}>\r\n".encode()


@given(st.text())
def test_a_command_is_refused_or_has_one_line_end(address: str) -> None:
    try:
        line = command.mail(address, ["SIZE=10"])
    except MessageError:
        return
    assert re.fullmatch(rb"MAIL FROM:<[^\r\n]*> SIZE=10\r\n", line)
    assert line.count(b" ") == 2 + address.count(" ")


def test_the_null_reverse_path_is_a_sender() -> None:
    assert command.mail("", ["SMTPUTF8"]) == b"MAIL FROM:<> SMTPUTF8\r\n"


@pytest.mark.parametrize("parameter", ["SIZE=1 AUTH=<>", "SIZE=1\r\nRSET", "", "=x", "ENVID=a=b"])
def test_a_parameter_that_is_more_than_one_is_refused(parameter: str) -> None:
    with pytest.raises(MessageError):
        command.mail("a@b.test", [parameter])


@pytest.mark.parametrize("name", ["a b", "a\r\nMAIL FROM:<x@y>", "", "ü.test", "[1.2.3.4] x"])
def test_an_ehlo_name_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(MessageError, match="EHLO name"):
        command.ehlo(name)


def test_an_ehlo_name_is_a_domain_or_a_literal() -> None:
    assert command.ehlo("my-app_1.test") == b"EHLO my-app_1.test\r\n"
    assert command.ehlo("[IPv6:::1]") == b"EHLO [IPv6:::1]\r\n"


def test_a_command_that_is_too_long_is_refused() -> None:
    with pytest.raises(MessageError, match="too long"):
        command.rcpt("a" * 3000 + "@b.test")


SMUGGLING = [
    b"\n.\n",
    b"\r.\r",
    b"\r.\n",
    b"\n.\r",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\r\n.\r\n",
]


def sent(content: bytes) -> bytes:
    return command.stuff(command.canonical(content)) + command.TERMINATOR


@pytest.mark.parametrize("end", SMUGGLING)
def test_no_false_end_leaves_in_content(end: bytes) -> None:
    wire = sent(b"Subject: x\r\n\r\nbody" + end + b"MAIL FROM:<evil@x>\r\n")
    assert wire.find(b"\r\n.\r\n") == len(wire) - 5
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", wire)


@given(st.binary().map(lambda raw: raw.replace(b"\0", b"")))
def test_content_ends_once_and_comes_back_whole(content: bytes) -> None:
    wire = sent(content)
    assert (b"\r\n" + wire).find(b"\r\n.\r\n") == len(wire) - 3
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", wire)
    received = re.sub(rb"(?m)^\.\.", b".", wire[:-3])
    assert received == command.canonical(content)


def test_a_dot_is_doubled_at_the_start_of_every_line_the_first_too() -> None:
    assert command.stuff(b".a\r\n.\r\nb.\r\n") == b"..a\r\n..\r\nb.\r\n"


def test_canonical_content_is_not_copied() -> None:
    content = b"Subject: x\r\n\r\nbody\r\n"
    assert command.canonical(content) is content


def test_a_nul_is_refused() -> None:
    with pytest.raises(MessageError, match="NUL"):
        command.canonical(b"a\0b")


def test_a_sign_in_is_one_line_whatever_it_is_made_of() -> None:
    assert command.auth("PLAIN", b"AGE=") == b"AUTH PLAIN AGE=\r\n"
    assert command.auth("LOGIN") == b"AUTH LOGIN\r\n"
    assert command.response(b"*") == b"*\r\n"
    with pytest.raises(MessageError, match="one line"):
        command.response(b"x\r\nMAIL FROM:<a@b.test>")
