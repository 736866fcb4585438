"""What is said before mail: EHLO, STARTTLS, sign-in. Moves no bytes and watches no clock.

`Handshake.steps` yields what is to be done next and is sent the reply. Whoever conducts it
(`meeting` for one mail, `pool.carrier` on the event loop) throws into it what goes wrong.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from msgspec import Struct, structs

from nexomailer_cli.errors import ProtocolError, TransportError, refused
from nexomailer_cli.smtp import auth, command, scram
from nexomailer_cli.smtp.extensions import Extensions, parse_extensions
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Reply, Severity
from nexomailer_cli.smtp.sign_in import sign_in_lines
from nexomailer_cli.transport.base import Observer, Said, said_reply
from nexomailer_cli.transport.terms import Session, Terms

if TYPE_CHECKING:
    from collections.abc import Generator

    from nexomailer_cli.smtp.auth import Credentials
    from nexomailer_cli.smtp.sign_in import Answer, Line


# "Service ready": a greeting (RFC 5321 section 4.2.2), the yes to STARTTLS (RFC 3207 section 4).
READY = 220


class Ask(Struct, frozen=True):
    """Send `line`, and return the one reply to it."""

    line: bytes


class StartTls(Struct, frozen=True):
    """Ask for TLS, change to it if the server says yes, and return what it said.

    What stands behind its yes in the same segment was put there before TLS by somebody who
    wants it read as part of the encrypted session (CVE-2011-0411): a surplus, and an error.
    """


Exchange = Ask | StartTls


class Handshake:
    """One handshake. `phase` says how far it got.

    Whoever conducts it sets `tls_version` when TLS is in force, and `peer`, the other end of
    the socket.
    """

    def __init__(self, terms: Terms, observer: Observer, *, ehlo_name: str, peer: object) -> None:
        self.phase = Phase.EHLO
        self.tls_version = ""
        self._terms = terms
        self._observer = observer
        self._ehlo_name = ehlo_name
        self._peer = peer

    def steps(self) -> Generator[Exchange, Reply, Session]:
        """Go from the greeting to a session; raise TransportError with the phase that failed."""
        terms = self._terms
        extensions = yield from self._ehlo()
        if not terms.implicit_tls and self._wants_starttls(extensions):
            yield from self._starttls()
            extensions = yield from self._ehlo()
        if terms.credentials is not None:
            yield from self._sign_in(extensions, terms.credentials)
        credentials = terms.credentials
        unspoken = partial(auth.unspoken, credentials=credentials) if credentials else None
        return Session(extensions, self.tls_version, terms.is_lmtp, unspoken)

    def _ehlo(self) -> Generator[Exchange, Reply, Extensions]:
        self.phase = Phase.EHLO
        terms = self._terms
        # RFC 2033 section 4.1: LMTP says LHLO, and knows no HELO.
        hello = command.lhlo if terms.is_lmtp else command.ehlo
        reply = yield from self._exchange(Ask(hello(self._ehlo_name)))
        if reply.severity is Severity.POSITIVE:
            return parse_extensions(reply)
        # RFC 5321 section 3.2: a server that does not know EHLO is greeted with HELO, and
        # offers nothing then.
        if reply.code in (500, 502) and terms.credentials is None and not terms.is_lmtp:
            reply = yield from self._exchange(Ask(command.helo(self._ehlo_name)))
            if reply.severity is Severity.POSITIVE:
                return Extensions()
        raise refused(self.phase, reply)

    def _wants_starttls(self, extensions: Extensions) -> bool:
        if self._terms.tls is None:
            return False
        if extensions.starttls or not self._terms.requires_tls:
            return extensions.starttls
        # Going on in clear is what somebody who strips the keyword is waiting for.
        raise TransportError(
            "the server does not offer STARTTLS, and TLS is required",
            phase=Phase.STARTTLS,
            reason="starttls-not-offered",
        )

    def _starttls(self) -> Generator[Exchange, Reply, None]:
        self.phase = Phase.STARTTLS
        reply = yield from self._exchange(StartTls(), "STARTTLS")
        if reply.severity is not Severity.POSITIVE:
            raise refused(self.phase, reply)
        if reply.code != READY:
            raise ProtocolError(
                f"the server answers STARTTLS with “{reply}”: neither yes nor no",
                phase=self.phase,
                reason="not-smtp",
                detail=str(reply),
            )

    def _sign_in(
        self, extensions: Extensions, credentials: Credentials
    ) -> Generator[Exchange, Reply, None]:
        self.phase = Phase.AUTH
        terms = self._terms
        is_private = terms.is_loopback(self._peer) or terms.is_private(self.tls_version)
        mechanism = auth.choose(extensions.auth, credentials, is_private=is_private)
        try:
            answer = yield from self._converse(sign_in_lines(mechanism, credentials))
        except ProtocolError as error:
            if error.reason == scram.UNPROVEN:
                raise
            # It quotes what the server said, which may be what we said: servers have echoed
            # passwords. The quotation is cut off, and half a token is still one to hide.
            raise ProtocolError(
                "what the server said to the sign-in is not SMTP",
                phase=Phase.AUTH,
                reason=error.reason,
            ) from None
        if answer.reply.severity is not Severity.POSITIVE:
            raise auth.refusal(answer.reply, answer.challenge, credentials)

    def _converse(
        self, lines: Generator[Line, Reply, Answer]
    ) -> Generator[Exchange, Reply, Answer]:
        try:
            line = next(lines)
            while True:
                reply = yield from self._exchange(Ask(line.data), line.shown)
                line = lines.send(reply)
        except StopIteration as end:
            return cast("Answer", end.value)

    def _exchange(self, exchange: Exchange, shown: str = "") -> Generator[Exchange, Reply, Reply]:
        """Have something said and return the reply, whatever it says; tell of both.

        `shown` is told instead of a line that holds a secret.
        """
        line = exchange.line.decode().rstrip() if isinstance(exchange, Ask) else ""
        self._observer(Said("C", shown or line))
        reply = self._without_secrets((yield exchange))
        # A challenge may hold what the answer is made of.
        for said in [Said("S", "334 ***")] if reply.code == 334 else said_reply(reply):
            self._observer(said)
        return reply

    def _without_secrets(self, reply: Reply) -> Reply:
        credentials = self._terms.credentials
        if self.phase is not Phase.AUTH or credentials is None or reply.code == 334:
            return reply
        lines = tuple(auth.unspoken(line, credentials) for line in reply.lines)
        return structs.replace(reply, lines=lines)


def unwelcome(reply: Reply) -> TransportError:
    """Return the error for a greeting other than 220 (RFC 5321 section 3.1)."""
    return TransportError(f"the server refuses to talk: {reply}", phase=Phase.GREETING, reply=reply)
