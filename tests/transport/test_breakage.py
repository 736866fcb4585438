"""One fault has many shapes; each becomes one TransportError with the evidence."""

import ssl

import aiosmtplib
import pytest

from nexomailer_cli.errors import ProtocolError
from nexomailer_cli.pool.breakage import broken
from nexomailer_cli.smtp.outcome import Phase


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def tls(reason: str | None, text: str = "boom") -> ssl.SSLError:
    error = ssl.SSLError(1, text)
    error.reason = reason  # type: ignore[assignment]
    return error


def unverified(code: int, words: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    error.verify_message = words
    return error


LOST = aiosmtplib.SMTPServerDisconnected("Connection lost")


@pytest.mark.parametrize(
    ("error", "phase", "seen"),
    [
        (TimeoutError(), Phase.EHLO, (Phase.EHLO, "timeout")),
        (TimeoutError(), Phase.CONNECT, (Phase.CONNECT, "timeout")),
        (
            caused(aiosmtplib.SMTPConnectTimeoutError("x"), TimeoutError()),
            Phase.GREETING,
            (Phase.GREETING, "timeout"),
        ),
        (LOST, Phase.AUTH, (Phase.AUTH, "closed")),
        (LOST, Phase.TLS, (Phase.GREETING, "closed")),
        (
            caused(aiosmtplib.SMTPServerDisconnected("x"), ConnectionResetError()),
            Phase.STARTTLS,
            (Phase.STARTTLS, "ECONNRESET"),
        ),
        (ConnectionResetError(), Phase.TLS, (Phase.TLS, "ECONNRESET")),
        (
            caused(ConnectionResetError(), ssl.SSLWantReadError()),
            Phase.STARTTLS,
            (Phase.STARTTLS, "ECONNRESET"),
        ),
        (OSError("other"), Phase.GREETING, (Phase.GREETING, "closed")),
        (tls("WRONG_VERSION_NUMBER"), Phase.TLS, (Phase.TLS, "WRONG_VERSION_NUMBER")),
        (tls("WRONG_VERSION_NUMBER"), Phase.STARTTLS, (Phase.STARTTLS, "WRONG_VERSION_NUMBER")),
        (tls("UNSUPPORTED_PROTOCOL"), Phase.STARTTLS, (Phase.TLS, "UNSUPPORTED_PROTOCOL")),
        (tls(None), Phase.TLS, (Phase.TLS, "SSL")),
        (unverified(10, "certificate has expired"), Phase.STARTTLS, (Phase.TLS, "X509_10")),
        (
            caused(aiosmtplib.SMTPConnectError("x"), unverified(62, "Hostname mismatch")),
            Phase.TLS,
            (Phase.TLS, "X509_62"),
        ),
    ],
)
def test_a_fault_has_a_phase_and_a_reason(
    error: BaseException, phase: Phase, seen: tuple[Phase, str]
) -> None:
    made = broken(error, phase)
    assert (made.phase, made.reason) == seen
    assert made.reply is None
    assert str(made)


@pytest.mark.parametrize(
    "phase",
    [Phase.CONNECT, Phase.TLS, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.AUTH],
)
def test_every_phase_of_a_handshake_has_words(phase: Phase) -> None:
    assert "(" in str(broken(TimeoutError(), phase))
    assert "(" in str(broken(OSError(), phase))


def test_a_context_counts_where_there_is_no_cause() -> None:
    error = OSError("second")
    error.__context__ = ConnectionResetError("first")
    assert broken(error, Phase.EHLO).reason == "ECONNRESET"


def test_a_refused_greeting_keeps_its_reply() -> None:
    error = aiosmtplib.SMTPConnectResponseError(554, "5.7.1 go\nhome\x1b")
    made = broken(error, Phase.GREETING)
    assert made.reply is not None
    assert (made.reply.code, made.reply.enhanced) == (554, "5.7.1")
    assert made.reply.lines == ("go", "home\\x1b")
    assert made.reason == ""


@pytest.mark.parametrize("code", [-1, 0, 199, 600])
def test_a_greeting_that_is_none_is_no_smtp(code: int) -> None:
    made = broken(aiosmtplib.SMTPConnectResponseError(code, "<html>\x1b"), Phase.GREETING)
    assert isinstance(made, ProtocolError)
    assert (made.reason, made.detail) == ("not-smtp", "<html>\\x1b")


def test_the_words_about_a_certificate_are_harmless_to_show() -> None:
    made = broken(unverified(18, "self-signed\x1b[2J"), Phase.TLS)
    assert made.detail == "self-signed\\x1b[2J"
    assert "\x1b" not in str(made)
