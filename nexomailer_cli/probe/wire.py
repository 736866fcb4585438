"""One instrumented session: what the server said, when, and what TLS made of it.

It goes over the same wire as mail, and replies are read as strictly. Knows no order of commands.
"""

from __future__ import annotations

import errno
import socket
import ssl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import structs

from nexomailer_cli.errors import ProtocolError, TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Reply, ReplyReader
from nexomailer_cli.transport import wire
from nexomailer_cli.transport.own_name import own_literal
from nexomailer_cli.transport.tls import tls_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nexomailer_cli.probe.hello import Hello
    from nexomailer_cli.probe.transcript import Transcript
    from nexomailer_cli.transport.tls_session import TlsSession

MAX_SHOWN = 200  # octets of what was not asked for


class Wire:
    """A connected socket on which replies are waited for one by one. Closes with `close`.

    With `leads_on` its other end is a proxy and not the server.
    """

    def __init__(
        self, sock: socket.socket, transcript: Transcript, *, leads_on: bool = False
    ) -> None:
        self.exchanges = 0  # how often the server was asked something
        # Asked now: a socket that was reset has no ends any more.
        self._is_loopback = not leads_on and _is_loopback(sock)
        self._sock = sock
        self._wire = wire.Wire(sock)
        self._transcript = transcript
        self._reader = ReplyReader()
        self._replies: list[Reply] = []
        self._behind = b""  # the last reply
        self._unspoken: Callable[[str], str] | None = None
        self._phase = Phase.GREETING
        self._until = 0.0

    @property
    def tls(self) -> TlsSession | None:
        """TLS, with the evidence of how it came about or did not."""
        return self._wire.tls

    def hello(self) -> Hello | None:
        """Return what the server's bytes say of TLS to whoever listens on the way."""
        from nexomailer_cli.probe.hello import read_hello

        return read_hello(self.tls.seen) if self.tls else None

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is in force."""
        return self.tls is not None and self.tls.error is None and bool(self.tls.object.version())

    @property
    def is_loopback(self) -> bool:
        """Whether nothing leaves this machine on the way to the server."""
        return self._is_loopback

    @property
    def surplus(self) -> int:
        """How many octets came right behind the last reply, which nobody asked for."""
        return len(self._behind)

    @property
    def own_literal(self) -> str:
        """The address literal of RFC 5321 section 4.1.3 for our end."""
        return own_literal(self._sock)

    def ask(self, line: bytes, phase: Phase, seconds: float, *, shown: str = "") -> Reply:
        """Send a command and return its reply; `shown` stands in the transcript for it."""
        self.verify_silence(phase)
        self._begin(phase, seconds)
        text = shown or line.decode("utf-8", "replace").rstrip()
        self._transcript.said("C", text, encrypted=self.is_encrypted)
        with self._explained():
            self._wire.write(line)
        self.exchanges += 1
        return self.await_reply(phase, seconds)

    def await_reply(self, phase: Phase, seconds: float) -> Reply:
        """Return the next reply, whole.

        Raises TransportError with what went wrong: `timeout`, `closed`, an errno's name,
        OpenSSL's reason, or that it is no SMTP.
        """
        self._begin(phase, seconds)
        while not self._replies:
            with self._explained():
                data = self._wire.wait(self._until)
            if data == b"":
                raise self._broken("closed", "the server closed the connection")
            self._understand(data or b"")
        return self._replies.pop(0)

    def note_reply(self, reply: Reply) -> None:
        """Take a reply down, once it holds no secret."""
        self._transcript.answered(reply, encrypted=self.is_encrypted)

    def note(self, text: str) -> None:
        """Take down what the server said where the words themselves must not be."""
        self._transcript.said("S", text, encrypted=self.is_encrypted)

    def keep_secret(self, unspoken: Callable[[str], str]) -> None:
        """Let nothing that the server says from now on be told as it is: it may be the secret.

        Servers have echoed passwords. `unspoken` takes the secret out of a line.
        """
        earlier = self._unspoken
        self._unspoken = (lambda text: unspoken(earlier(text))) if earlier else unspoken

    def _understand(self, data: bytes) -> None:
        """Read to the end of one reply; what stands behind it was not asked for."""
        while data and not self._replies:
            end = data.find(b"\n") + 1 or len(data)
            self._replies += map(self._harmless, self._received(data[:end]))
            data = data[end:]
        self._behind += data

    def _received(self, data: bytes) -> list[Reply]:
        try:
            return self._reader.receive(data)
        except ProtocolError as error:
            if self._unspoken is not None:
                # What it said is cut off somewhere, and half a token is still one to hide.
                raise self._out_of_step(
                    "the other side does not speak SMTP", error.reason
                ) from None
            error.phase = self._phase
            self.note(error.detail or str(error))
            raise

    def _harmless(self, reply: Reply) -> Reply:
        if self._unspoken is None:
            return reply
        return structs.replace(reply, lines=tuple(map(self._unspoken, reply.lines)))

    def _out_of_step(self, message: str, reason: str, detail: str = "") -> ProtocolError:
        return ProtocolError(message, phase=self._phase, reason=reason, detail=detail)

    def verify_silence(self, phase: Phase) -> None:
        """Raise ProtocolError if the server said anything without being asked."""
        if not self._behind:
            return
        self._phase = phase
        said = b"" if self._unspoken else self._behind[:MAX_SHOWN].partition(b"\n")[0]
        raise self._out_of_step(
            "the server said more than it was asked, so its answers cannot be believed",
            "surplus",
            printable(said.strip().decode("utf-8", "backslashreplace")),
        )

    def start_tls(self, context: ssl.SSLContext, name: str, phase: Phase, seconds: float) -> None:
        """Change to TLS; raise TransportError if that fails. `self.tls` holds the evidence."""
        self.verify_silence(phase)
        self._begin(phase, seconds)
        try:
            # The codec for internationalised names, which every TLS name passes through.
            self._wire.secure(context, name, self._until)
        except ssl.SSLError as error:  # one of a certificate is a ValueError as well
            raise self._not_encrypted(error, phase) from error
        except ValueError as error:  # UnicodeError is one
            raise self._broken("bad-name", f"{name} is not a host name") from error
        except OSError as error:
            raise self._failed(error) from error

    def _not_encrypted(self, error: ssl.SSLError, phase: Phase) -> TransportError:
        hello = self.hello()
        assert hello is not None
        if isinstance(error, ssl.SSLEOFError) and hello.text is None:
            return self._broken("closed", "the server closed the connection during the handshake")
        if isinstance(error, ssl.SSLCertVerificationError):
            return tls_failure(error, phase)
        if hello.text is not None:
            said = TransportError(
                "the server answered in clear instead of TLS",
                phase=phase,
                reason="not-tls" if phase is Phase.TLS else "WRONG_VERSION_NUMBER",
                detail=hello.text,
            )
            self._transcript.said("S", hello.text, encrypted=False)
            return said
        failure = tls_failure(error, phase)
        if hello.alert is not None and "ALERT" in failure.reason:
            # The number outlives OpenSSL's changes of wording.
            failure.reason = f"ALERT_{hello.alert}"
        return failure

    def _begin(self, phase: Phase, seconds: float) -> None:
        self._phase = phase
        self._until = time.monotonic() + seconds

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # ssl.SSLError is one
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> TransportError:
        if isinstance(error, ssl.SSLError):
            return tls_failure(error, self._phase)
        if isinstance(error, TimeoutError):
            return self._broken("timeout", "no answer within the time-out")
        reason = errno.errorcode.get(error.errno or 0, "EIO")
        return self._broken(reason, f"the connection broke: {error.strerror or reason}")

    def _broken(self, reason: str, message: str) -> TransportError:
        return TransportError(
            f"{message} (after {self._phase.name})", phase=self._phase, reason=reason
        )

    def close(self) -> None:
        """Hang up."""
        self._wire.close()


def _is_loopback(sock: socket.socket) -> bool:
    from ipaddress import ip_address

    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return True  # a Unix socket
    try:
        address = sock.getpeername()[0]
    except OSError:
        return False
    return ip_address(address.partition("%")[0]).is_loopback
