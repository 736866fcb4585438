"""The second process: it writes what the first one would have written, octet for octet."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexomailer_cli.bulk.composer import LENGTH, MAX_OCTETS, Made, Order, Setup, framed, serve
from nexomailer_cli.bulk.recipients import Row
from nexomailer_cli.errors import MessageError
from nexomailer_cli.message.wording import Wording

BEGAN = 1_800_000_000
COLUMNS = ("email", "name", "n")
PLAIN = Wording(sender="a@a.test", subject="Hi {{ name }}", text="Hello {{ name }}, {{ n }}\n")
WORDINGS = {
    "text": PLAIN,
    "html": Wording(sender="A <a@a.test>", html="<p>{{ name }}</p>", subject="{{ n }}"),
    "markdown": Wording(
        sender="a@a.test",
        subject="{{ name|upper }}",
        markdown="# {{ name }}\n\n{% if n %}{{ n }}{% endif %}",
        list_unsubscribe=("https://a.test/{{ n }}",),
        headers=(("X-N", "{{ n }}"),),
        standing=(("X-Standing", "yes"),),
        envelope_from="bounces@a.test",
    ),
    "file": Wording(template=("From: a@a.test\nTo: {{ email }}\n\nHello {{ name }}", "x.md")),
}


def setup(wording: Wording = PLAIN) -> Setup:
    return Setup(wording, "people.csv", COLUMNS, "secret", "a.test")


def order(number: int, **values: Any) -> Order:
    usual = {"email": f"r{number}@b.test", "name": "Ann", "n": str(number)}
    return Order(number, number + 1, usual | values, f"r{number}@b.test", BEGAN)


class Served:
    """The other end of a composer's socket."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self._answers = channel.makefile("rb")

    def answer(self) -> list[Made] | None:
        """Return the next answer, None at the end."""
        length = self._answers.read(LENGTH)
        if not length:
            return None
        return msgspec.msgpack.decode(
            self._answers.read(int.from_bytes(length)), type=list[Made], strict=True
        )

    def made(self, *orders: Order) -> list[Made] | None:
        self.channel.sendall(framed(orders))
        return self.answer()

    def close(self) -> None:
        self._answers.close()
        self.channel.close()


@contextmanager
def served(wording: Wording = PLAIN) -> Iterator[Served]:
    """Serve in a thread that has begun; it has ended afterwards."""
    with started(setup(wording)) as other:
        assert other.answer() == []
        yield other


@contextmanager
def started(first: Setup) -> Iterator[Served]:
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=_serve, args=(theirs,))
    thread.start()
    other = Served(ours)
    try:
        ours.sendall(framed(first))
        yield other
    finally:
        other.close()
        thread.join(10)
        assert not thread.is_alive()


def _serve(channel: socket.socket) -> None:
    with channel:
        serve(channel)


@pytest.mark.parametrize("wording", WORDINGS.values(), ids=WORDINGS)
def test_the_mail_of_a_row_is_that_of_the_first_process(wording: Wording) -> None:
    writer = setup(wording).writer()
    orders = [order(1), order(2, name="Zoë ✓"), order(3, n=""), order(4, name="<b>&amp;*_")]
    with served(wording) as composer:
        made = composer.made(*orders)
    assert made == [
        Made(each.number, BEGAN, writer.mail(Row(each.number, 0, each.values), each.key, BEGAN))
        for each in orders
    ]


VALUES = st.text() | st.integers(-(2**63), 2**63) | st.booleans() | st.lists(st.text(max_size=3))


@given(rows=st.lists(st.dictionaries(st.sampled_from(COLUMNS), VALUES), min_size=1, max_size=5))
def test_whatever_a_row_holds_both_come_to_the_same(rows: list[dict[str, Any]]) -> None:
    writer = setup().writer()
    orders = [order(number, **values) for number, values in enumerate(rows, 1)]
    with served() as composer:
        made = composer.made(*orders)
    assert made is not None
    for each, asked in zip(made, orders, strict=True):
        row = Row(asked.number, asked.line, asked.values)
        if each.mail is None:
            with pytest.raises(MessageError):
                writer.mail(row, asked.key, asked.began)
        else:
            assert each.mail == writer.mail(row, asked.key, asked.began)


def test_a_row_that_cannot_be_written_does_not_keep_others_from_it() -> None:
    with served() as composer:
        made = composer.made(order(1), order(2, email="nobody"), order(3))
    assert made is not None
    assert [each.mail is None for each in made] == [False, True, False]


def test_it_ends_where_messages_are_large() -> None:
    with served() as composer:
        assert composer.made(order(1, name="x")) is not None
        assert composer.made(order(2, n="x" * MAX_OCTETS)) is None


def test_it_does_not_work_for_another_program_than_itself() -> None:
    """One that an update has taken the place of, or that lies elsewhere, may write other mails."""
    with started(msgspec.structs.replace(setup(), edition="0.0.1 /elsewhere")) as composer:
        assert composer.answer() is None


@pytest.mark.parametrize("rest", [b"", b"\0", b"\0\0\1\0", b"\0\0\1\0half of it"])
def test_it_ends_with_the_socket(rest: bytes) -> None:
    with served() as composer:
        composer.channel.sendall(rest)
        composer.channel.shutdown(socket.SHUT_WR)
        assert composer.answer() is None


def test_files_are_out_of_its_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "body.txt").write_text("what lies in the folder")
    monkeypatch.chdir(tmp_path)
    with served(Wording(sender="a@a.test", text="{% include 'body.txt' %}")) as composer:
        made = composer.made(order(1))
    assert made is not None
    assert made[0].mail is None
