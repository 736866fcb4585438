"""The wire of an examination, at peers on loopback that do one odd thing each."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from threading import Thread

import pytest

from nexomailer_cli.errors import ProtocolError, TransportError
from nexomailer_cli.probe.transcript import Transcript
from nexomailer_cli.probe.wire import Wire
from nexomailer_cli.smtp import auth
from nexomailer_cli.smtp.auth import Credentials
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Reply
from tests.support import certificates
from tests.support.certificates import Chain

PATIENCE = 8.0
SHORT = 0.1
CREDENTIALS = Credentials("tim@example.com", "tanstaaf-PaRtIcUlAr")
Peer = Callable[[socket.socket], None]


class Conversation:
    """A wire, the socket at its other end, and what was taken down."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.transcript = Transcript()
        self.wire = Wire(near, self.transcript)
        self.far = far

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(line.speaker, line.text) for line in self.transcript.lines]

    def asked(self, answer: bytes, phase: Phase = Phase.EHLO) -> Reply:
        """Ask something that is answered before it is asked."""
        self.far.sendall(answer)
        return self.wire.ask(b"EHLO x\r\n", phase, PATIENCE)

    def reset(self) -> None:
        """Cut the connection from the other side."""
        self.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.far.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    with near, far:
        far.settimeout(PATIENCE)
        yield near, far


@pytest.fixture
def talk(pair: tuple[socket.socket, socket.socket]) -> Iterator[Conversation]:
    conversation = Conversation(*pair)
    with contextlib.closing(conversation.wire):
        yield conversation


@contextlib.contextmanager
def played(peer: Peer, far: socket.socket) -> Iterator[None]:
    """Play the other side beside the test."""

    def play() -> None:
        with contextlib.suppress(OSError):
            peer(far)

    thread = Thread(target=play, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)
        assert not thread.is_alive()


def caught(call: Callable[[], object]) -> TransportError:
    with pytest.raises(TransportError) as error:
        call()
    return error.value


# --- replies ------------------------------------------------------------------------------


def test_a_reply_is_read_whole_and_told_when_it_is_noted(talk: Conversation) -> None:
    reply = talk.asked(b"250-one\r\n250 two\r\n")
    assert (reply.code, reply.lines, talk.wire.exchanges) == (250, ("one", "two"), 1)
    assert talk.told == [("C", "EHLO x")]
    talk.wire.note_reply(reply)
    assert [text for speaker, text in talk.told if speaker == "S"] == ["250-one", "250 two"]
    assert talk.far.recv(100) == b"EHLO x\r\n"


def test_what_stands_for_a_command_is_told_instead_of_it(talk: Conversation) -> None:
    talk.far.sendall(b"235 ok\r\n")
    talk.wire.ask(b"AUTH PLAIN c2VjcmV0\r\n", Phase.AUTH, PATIENCE, shown="AUTH PLAIN ***")
    assert talk.told == [("C", "AUTH PLAIN ***")]


@pytest.mark.parametrize("behind", [b"250 more\r\n", b"hello\r\n", b"2"])
def test_octets_behind_a_reply_are_counted_and_believed_by_nobody(
    talk: Conversation, behind: bytes
) -> None:
    assert talk.asked(b"220-go\r\n220 ahead\r\n" + behind).code == 220
    assert talk.wire.surplus == len(behind)
    error = caught(lambda: talk.wire.ask(b"NOOP\r\n", Phase.RSET, PATIENCE))
    assert (error.reason, error.phase) == ("surplus", Phase.RSET)
    assert error.detail == behind.decode().strip()


def test_tls_does_not_begin_behind_words_that_nobody_asked_for(
    talk: Conversation,
) -> None:
    talk.asked(b"220 go\r\n250 injected\r\n", Phase.STARTTLS)
    context = ssl.create_default_context()
    error = caught(lambda: talk.wire.start_tls(context, "localhost", Phase.STARTTLS, PATIENCE))
    assert (error.reason, talk.wire.tls) == ("surplus", None)


def test_a_surplus_that_never_ends_is_not_collected(talk: Conversation) -> None:
    def flood(far: socket.socket) -> None:
        while True:
            far.sendall(b"250 ok\r\n" * 10_000)

    with played(flood, talk.far):
        talk.wire.await_reply(Phase.GREETING, PATIENCE)
        assert talk.wire.surplus <= 64 * 1024
        error = caught(lambda: talk.wire.verify_silence(Phase.EHLO))
    assert (error.reason, error.detail) == ("surplus", "250 ok")


def test_words_that_are_no_smtp_are_taken_down_and_harmless(talk: Conversation) -> None:
    error = caught(lambda: talk.asked(b"* OK \x1b[31mIMAP\r\n"))
    assert (type(error), error.reason, error.phase) == (ProtocolError, "not-smtp", Phase.EHLO)
    (_, said) = talk.told[-1]
    assert said.startswith("* OK")
    assert "\x1b" not in said + error.detail + str(error)


def test_an_endless_reply_comes_to_an_end(talk: Conversation) -> None:
    def flood(far: socket.socket) -> None:
        while True:
            far.sendall(b"250-X\r\n" * 1000)

    with played(flood, talk.far):
        error = caught(lambda: talk.wire.ask(b"EHLO x\r\n", Phase.EHLO, PATIENCE))
    assert error.reason == "too-long"
    assert talk.told[-1][0] == "S"


# --- time, and the end --------------------------------------------------------------------


def test_silence_ends_with_the_time_out(talk: Conversation) -> None:
    error = caught(lambda: talk.wire.await_reply(Phase.GREETING, SHORT))
    assert (error.reason, error.phase) == ("timeout", Phase.GREETING)


def test_a_server_that_dribbles_gets_no_more_time_than_a_silent_one(talk: Conversation) -> None:
    def dribble(far: socket.socket) -> None:
        while True:
            far.sendall(b"2")
            time.sleep(SHORT / 10)

    start = time.monotonic()
    with played(dribble, talk.far):
        error = caught(lambda: talk.wire.await_reply(Phase.GREETING, 3 * SHORT))
        assert time.monotonic() - start < PATIENCE
    assert error.reason == "timeout"


def test_no_time_is_no_time(talk: Conversation) -> None:
    assert caught(lambda: talk.wire.await_reply(Phase.GREETING, 0)).reason == "timeout"


def test_a_server_that_reads_nothing_ends_with_the_time_out(talk: Conversation) -> None:
    error = caught(lambda: talk.wire.ask(b"x" * 10_000_000, Phase.EHLO, SHORT, shown="much"))
    assert (error.reason, error.phase) == ("timeout", Phase.EHLO)


def test_a_server_that_hangs_up_says_so(talk: Conversation) -> None:
    talk.far.close()
    assert caught(lambda: talk.wire.await_reply(Phase.GREETING, PATIENCE)).reason == "closed"


def test_the_last_words_of_a_server_that_is_gone_are_heard(talk: Conversation) -> None:
    talk.far.sendall(b"421 4.7.0 too many\r\n")
    talk.far.close()
    talk.wire.await_reply(Phase.GREETING, PATIENCE)
    # The first write comes back as a reset, the second is refused at once.
    reasons = [caught(lambda: talk.wire.ask(b"EHLO\r\n", Phase.EHLO, PATIENCE)) for _ in "12"]
    assert {error.reason for error in reasons} <= {"closed", "ECONNRESET", "EPIPE"}


def test_a_reset_is_named(talk: Conversation) -> None:
    talk.reset()
    error = caught(lambda: talk.wire.await_reply(Phase.GREETING, PATIENCE))
    assert error.reason == "ECONNRESET"


def test_a_socket_that_was_reset_still_knows_where_it_led(talk: Conversation) -> None:
    talk.reset()
    caught(lambda: talk.wire.await_reply(Phase.GREETING, PATIENCE))
    assert talk.wire.is_loopback
    assert talk.wire.own_literal == "[127.0.0.1]"


def test_a_socket_that_was_reset_before_anybody_looked_leads_nowhere(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = pair
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()
    with pytest.raises(ConnectionResetError):
        near.recv(1)
    wire = Wire(near, Transcript())
    assert not wire.is_loopback
    assert caught(lambda: wire.await_reply(Phase.GREETING, PATIENCE)).reason == "closed"


def test_after_closing_there_is_an_error_and_no_crash(talk: Conversation) -> None:
    talk.wire.close()
    assert caught(lambda: talk.wire.await_reply(Phase.RSET, PATIENCE)).reason == "EBADF"
    assert caught(lambda: talk.wire.ask(b"QUIT\r\n", Phase.RSET, PATIENCE)).reason == "EBADF"


def test_our_address_as_a_name_has_the_form_of_its_family() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        near = socket.create_connection(listener.getsockname()[:2])
        with contextlib.closing(Wire(near, Transcript())) as wire:
            assert (wire.own_literal, wire.is_loopback) == ("[IPv6:::1]", True)


# --- the secret ---------------------------------------------------------------------------

PLAIN = auth.encode(b"\0tim@example.com\0tanstaaf-PaRtIcUlAr")


@pytest.fixture
def secretive(talk: Conversation) -> Conversation:
    talk.wire.keep_secret(partial(auth.unspoken, credentials=CREDENTIALS))
    return talk


def check_silent(talk: Conversation, *texts: str) -> None:
    told = " ".join((*texts, *(text for _, text in talk.told)))
    assert CREDENTIALS.password not in told
    assert PLAIN.decode()[:20] not in told


def test_a_password_that_is_echoed_is_told_to_nobody(secretive: Conversation) -> None:
    reply = secretive.asked(b"535 no: " + PLAIN + b"\r\n", Phase.AUTH)
    secretive.wire.note_reply(reply)
    assert reply.lines == ("no: ***",)
    check_silent(secretive)


def test_nor_is_one_that_comes_back_later(secretive: Conversation) -> None:
    secretive.asked(b"235 ok\r\n", Phase.AUTH)
    reply = secretive.asked(b"221 bye, tanstaaf-PaRtIcUlAr\r\n", Phase.RSET)
    assert reply.lines == ("bye, ***",)


def test_an_echo_that_is_no_smtp_is_told_to_nobody_even_where_it_is_cut_off(
    secretive: Conversation,
) -> None:
    error = caught(lambda: secretive.asked(b"AUTH PLAIN " + PLAIN * 9 + b"\r\n", Phase.AUTH))
    assert (error.reason, error.phase, error.detail) == ("not-smtp", Phase.AUTH, "")
    assert error.__suppress_context__
    check_silent(secretive, str(error))


def test_an_echo_behind_a_reply_is_told_to_nobody(secretive: Conversation) -> None:
    secretive.asked(b"235 ok\r\n250 " + PLAIN + b"\r\n", Phase.AUTH)
    error = caught(lambda: secretive.wire.verify_silence(Phase.MAIL))
    assert (error.reason, error.detail) == ("surplus", "")
    check_silent(secretive, str(error))


# --- TLS ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return certificates.healthy(tmp_path_factory.mktemp("wire"), "127.0.0.1")


def serving_tls(chain: Chain, then: Peer = lambda _: None) -> Peer:
    context = chain.server_context()

    def serve(far: socket.socket) -> None:
        with context.wrap_socket(far.dup(), server_side=True) as secured:
            then(secured)

    return serve


def shaken(talk: Conversation, context: ssl.SSLContext, name: str = "127.0.0.1") -> Wire:
    talk.wire.start_tls(context, name, Phase.TLS, PATIENCE)
    return talk.wire


def test_within_tls_everything_is_as_without(talk: Conversation, chain: Chain) -> None:
    def then(secured: socket.socket) -> None:
        secured.sendall(b"220 hi\r\n")
        secured.recv(100)
        secured.sendall(b"250-a\r\n250 b\r\n")
        secured.recv(100)

    with played(serving_tls(chain, then), talk.far):
        assert not talk.wire.is_encrypted
        wire = shaken(talk, chain.client_context())
        assert wire.is_encrypted
        assert wire.await_reply(Phase.GREETING, PATIENCE).code == 220
        assert wire.ask(b"EHLO x\r\n", Phase.EHLO, PATIENCE).lines == ("a", "b")
    assert [line.encrypted for line in talk.transcript.lines] == [True]


def test_the_end_of_tls_is_an_end(talk: Conversation, chain: Chain) -> None:
    with played(serving_tls(chain, lambda far: far.unwrap()), talk.far):  # type: ignore[attr-defined]
        wire = shaken(talk, chain.client_context())
        assert caught(lambda: wire.await_reply(Phase.GREETING, SHORT * 10)).reason == "closed"


def test_a_hang_up_within_tls_is_one_without_a_word(talk: Conversation, chain: Chain) -> None:
    with played(serving_tls(chain), talk.far):
        wire = shaken(talk, chain.client_context())
        talk.far.shutdown(socket.SHUT_RDWR)
        assert caught(lambda: wire.await_reply(Phase.GREETING, PATIENCE)).reason == "closed"


def test_silence_within_tls_ends_with_the_time_out(talk: Conversation, chain: Chain) -> None:
    with played(serving_tls(chain, lambda far: void(far.recv(1))), talk.far):
        wire = shaken(talk, chain.client_context())
        assert caught(lambda: wire.await_reply(Phase.GREETING, SHORT)).reason == "timeout"


def void(_: object) -> None:
    return None


def test_garbage_within_tls_is_no_answer(talk: Conversation, chain: Chain) -> None:
    def spoil(far: socket.socket) -> None:
        with chain.server_context().wrap_socket(far.dup(), server_side=True) as secured:
            secured.sendall(b"220 hi\r\n")
            secured.recv(100)
            far.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
            far.recv(100)

    with played(spoil, talk.far):
        wire = shaken(talk, chain.client_context())
        wire.await_reply(Phase.GREETING, PATIENCE)
        error = caught(lambda: wire.ask(b"EHLO x\r\n", Phase.EHLO, PATIENCE))
    assert error.reason in ("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "SSLV3_ALERT_BAD_RECORD_MAC")


def test_a_handshake_that_dribbles_ends_with_the_time_out(talk: Conversation, chain: Chain) -> None:
    def dribble(far: socket.socket) -> None:
        far.sendall(b"\x16\x03\x03\x3f\xff")
        while True:
            far.sendall(b"\x02")
            time.sleep(SHORT / 10)

    with played(dribble, talk.far):
        context = chain.client_context()
        error = caught(lambda: talk.wire.start_tls(context, "127.0.0.1", Phase.TLS, 3 * SHORT))
    assert error.reason == "timeout"
    assert not talk.wire.is_encrypted


def test_a_certificate_that_is_refused_is_named_and_its_chain_kept(
    talk: Conversation, chain: Chain
) -> None:
    with played(serving_tls(chain), talk.far):
        error = caught(lambda: shaken(talk, chain.client_context(), "192.0.2.1"))
    assert error.reason == "X509_64"
    assert talk.wire.tls is not None
    assert isinstance(talk.wire.tls.error, ssl.SSLCertVerificationError)
    assert not talk.wire.is_encrypted


@pytest.mark.parametrize("name", [".example.com", "a" * 300, "x..example"])
def test_a_name_that_is_none_does_not_reach_the_wire(
    talk: Conversation, chain: Chain, name: str
) -> None:
    error = caught(lambda: shaken(talk, chain.client_context(), name))
    assert error.reason == "bad-name"


@pytest.mark.parametrize(
    ("phase", "reason"), [(Phase.TLS, "not-tls"), (Phase.STARTTLS, "WRONG_VERSION_NUMBER")]
)
def test_words_in_clear_instead_of_tls_are_taken_down(
    talk: Conversation, chain: Chain, phase: Phase, reason: str
) -> None:
    talk.far.sendall(b"220 mail.example.com ESMTP\r\n")
    context = chain.client_context()
    error = caught(lambda: talk.wire.start_tls(context, "127.0.0.1", phase, PATIENCE))
    assert (error.reason, error.detail) == (reason, "220 mail.example.com ESMTP")
    assert talk.told == [("S", "220 mail.example.com ESMTP")]


def test_an_alert_is_known_by_its_number(talk: Conversation, chain: Chain) -> None:
    talk.far.sendall(bytes([21, 3, 3, 0, 2, 2, 40]))
    assert caught(lambda: shaken(talk, chain.client_context())).reason == "ALERT_40"


def test_a_hang_up_during_the_handshake_is_one(talk: Conversation, chain: Chain) -> None:
    talk.far.shutdown(socket.SHUT_WR)
    assert caught(lambda: shaken(talk, chain.client_context())).reason == "closed"


def test_a_reset_during_the_handshake_is_one(talk: Conversation, chain: Chain) -> None:
    talk.reset()
    assert caught(lambda: shaken(talk, chain.client_context())).reason == "ECONNRESET"


def test_what_is_wrong_is_known_even_if_our_alert_reaches_nobody(
    talk: Conversation, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []

    def send(data: bytes) -> None:
        if sent:
            raise ConnectionResetError
        sent.append(data)
        talk.far.sendall(bytes([22, 3, 3, 0, 4, 2, 0, 0, 0]))

    monkeypatch.setattr(talk.wire._wire, "_put", send)
    error = caught(lambda: shaken(talk, chain.client_context()))
    assert error.reason not in ("ECONNRESET", "EIO")
    assert talk.wire.tls is not None
    assert talk.wire.tls.error is not None
