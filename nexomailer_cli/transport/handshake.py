"""From nothing to a session that may send: connect, greeting, TLS, EHLO, sign-in.

aiosmtplib, which is known here and in `breakage` only, carries the bytes: TCP, TLS, STARTTLS
and one command at a time. It is lenient where a client must not be (it drops surplus
bytes, takes any three digits for a code, and tries every mechanism after a refused
password), so a witness reads every byte with our own reader and its word counts.
Afterwards the socket goes to `connection`, and the aiosmtplib client is not used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from functools import partial
from typing import TYPE_CHECKING, cast

import aiosmtplib
from msgspec import structs

from nexomailer_cli.errors import ProtocolError, TransportError, refused
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp import auth, command, scram
from nexomailer_cli.smtp.extensions import Extensions, parse_extensions
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Reply, Severity
from nexomailer_cli.transport.base import Observer, Said, said_reply, unobserved
from nexomailer_cli.transport.breakage import broken
from nexomailer_cli.transport.limits import Limits
from nexomailer_cli.transport.own_name import own_literal
from nexomailer_cli.transport.route import reach
from nexomailer_cli.transport.terms import Session, Terms
from nexomailer_cli.transport.witness import Witness, surplus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from nexomailer_cli.smtp.auth import Conversation, Credentials


class _Client(aiosmtplib.SMTP):
    """Hangs up where its parent parts politely.

    A polite end of TLS waits half a minute for a peer that is stuck; and an event loop that
    is closed meanwhile, as at the end of a run, fails.
    """

    def close(self) -> None:
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()
        super().close()


class Handshake:
    """One try to open a session. `phase` and `tls_version` say how far it got."""

    def __init__(self, terms: Terms, limits: Limits, observer: Observer = unobserved) -> None:
        self.phase = Phase.CONNECT
        self.tls_version = ""
        self._terms = terms
        self._limits = limits
        self._observer = observer
        self._ehlo_name = terms.ehlo_name
        self._opened: _Client | None = None
        self._witness: Witness | None = None

    async def open(self) -> Session:
        """Return an open session; raise TransportError with the phase that failed.

        Any failure closes the connection, since a conversation that broke off is out of
        step; so does being cancelled.
        """
        try:
            return await self._open()
        except BaseException:
            self._abort()
            raise

    def _abort(self) -> None:
        if self._opened is not None:
            self._opened.close()

    async def _open(self) -> Session:
        terms = self._terms
        terms.check_name()  # before there is anything to close
        await self._connect()
        extensions = await self._ehlo()
        if not terms.implicit_tls and self._wants_starttls(extensions):
            await self._starttls()
            extensions = await self._ehlo()
        if terms.credentials is not None:
            await self._sign_in(extensions, terms.credentials)
        self._reading.verify_silence(self.phase)
        credentials = terms.credentials
        unspoken = partial(auth.unspoken, credentials=credentials) if credentials else None
        return Session(self._wire, extensions, self.tls_version, terms.is_lmtp, unspoken)

    async def _connect(self) -> None:
        terms = self._terms
        async with self._bounded(self._limits.connect):
            sock = await reach(terms)
            self._ehlo_name = self._ehlo_name or own_literal(sock)
            self.phase = Phase.TLS if terms.implicit_tls else Phase.GREETING
            self._opened = _Client(
                hostname=terms.name_in_certificate,
                sock=sock,
                use_tls=terms.implicit_tls,
                start_tls=False,  # the default is opportunistic, and would leak the password
                tls_context=terms.tls,
                local_hostname=self._ehlo_name,
                timeout=None,
            )
            code, message = await self._client.connect()
        self.phase = Phase.GREETING
        self._watch()
        self._said("S", f"{code} {printable(message)}")

    @property
    def _client(self) -> _Client:
        assert self._opened is not None
        return self._opened

    @property
    def _wire(self) -> asyncio.Transport:
        return cast("asyncio.Transport", self._client.transport)

    @property
    def _reading(self) -> Witness:
        assert self._witness is not None
        return self._witness

    def _watch(self) -> None:
        protocol = self._client.protocol
        assert protocol is not None
        # More than a greeting in one segment. The name is private to aiosmtplib; a test
        # fails if a release renames it.
        if protocol._buffer:
            raise surplus(self.phase)
        self._witness = Witness(protocol)
        self._wire.set_protocol(self._witness)
        secured = cast("ssl.SSLObject | None", self._wire.get_extra_info("ssl_object"))
        self.tls_version = (secured.version() or "") if secured else ""

    async def _ehlo(self) -> Extensions:
        self.phase = Phase.EHLO
        if self._terms.is_lmtp:
            return await self._lhlo()
        name = command.ehlo(self._ehlo_name).decode().strip()
        reply = await self._exchange(self._client.ehlo(), name)
        if reply.severity is Severity.POSITIVE:
            return parse_extensions(reply)
        # RFC 5321 section 3.2: a server that does not know EHLO is greeted with HELO, and
        # offers nothing then.
        if reply.code in (500, 502) and self._terms.credentials is None:
            reply = await self._exchange(self._client.helo(), f"HELO {self._ehlo_name}")
            if reply.severity is Severity.POSITIVE:
                return Extensions()
        raise refused(self.phase, reply)

    async def _lhlo(self) -> Extensions:
        """Introduce ourselves as RFC 2033 section 4.1 has it, where HELO is not known."""
        line = command.lhlo(self._ehlo_name)
        request = self._client.execute_command(*line.split())
        reply = await self._exchange(request, line.decode().strip())
        if reply.severity is not Severity.POSITIVE:
            raise refused(self.phase, reply)
        # Otherwise aiosmtplib would say EHLO before it starts TLS.
        said = "\n".join(reply.lines)
        self._client.last_ehlo_response = aiosmtplib.SMTPResponse(reply.code, said)
        return parse_extensions(reply)

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

    async def _starttls(self) -> None:
        self.phase = Phase.STARTTLS
        upgrade = self._client.starttls(
            server_hostname=self._terms.name_in_certificate, tls_context=self._terms.tls
        )
        # What stands behind the 220 in the same segment was put there before TLS by somebody
        # who wants it read as part of the encrypted session (CVE-2011-0411): `_exchange`
        # finds it, and nothing more is said.
        reply = await self._exchange(upgrade, "STARTTLS")
        if reply.severity is not Severity.POSITIVE:
            raise refused(self.phase, reply)
        self._watch()

    async def _sign_in(self, extensions: Extensions, credentials: Credentials) -> None:
        self.phase = Phase.AUTH
        is_private = self._is_loopback() or self._terms.is_private(self.tls_version)
        mechanism = auth.choose(extensions.auth, credentials, is_private=is_private)
        conversation = auth.converse(mechanism, credentials)
        initial = next(conversation)
        words = [b"AUTH", mechanism.encode()]
        if initial is not None:
            words.append(auth.encode_initial(initial))
        shown = f"AUTH {mechanism}" + (" ***" if initial is not None else "")
        try:
            reply = await self._exchange(self._client.execute_command(*words), shown)
            reply, challenge = await self._answer_challenges(conversation, reply)
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
        if reply.severity is not Severity.POSITIVE:
            raise auth.refusal(reply, challenge, credentials)
        auth.conclude(mechanism, conversation)

    async def _answer_challenges(
        self, conversation: Conversation, reply: Reply
    ) -> tuple[Reply, str]:
        """Go on until the server has decided; return that, and the last challenge."""
        challenge = b""
        for _ in range(auth.MAX_CHALLENGES):
            if reply.code != 334:
                return reply, challenge.decode("utf-8", "backslashreplace")
            challenge = auth.decode("".join(reply.lines))
            try:
                response = auth.encode(conversation.send(challenge) or b"")
            except StopIteration:
                response = b"*"  # RFC 4954 section 4: the client has nothing more to say
            reply = await self._exchange(self._client.execute_command(response), "***")
        raise ProtocolError(
            "the server asks for more and more to sign in", phase=Phase.AUTH, reason="not-smtp"
        )

    def _is_loopback(self) -> bool:
        return self._terms.is_loopback(self._wire.get_extra_info("peername"))

    async def _exchange(self, request: Awaitable[object], shown: str) -> Reply:
        """Send one command and return its reply, whatever it says."""
        self._said("C", shown)
        try:
            async with self._bounded(self._limits.reply):
                # What aiosmtplib makes of the reply does not count; the witness has read it.
                with contextlib.suppress(aiosmtplib.SMTPResponseException):
                    await request
        except TransportError:
            self._reading.verify_order(self.phase)  # the better explanation, if it is one
            raise
        reply = self._without_secrets(self._reading.take(self.phase))
        # A challenge may hold what the answer is made of.
        for line in [Said("S", "334 ***")] if reply.code == 334 else said_reply(reply):
            self._observer(line)
        return reply

    def _without_secrets(self, reply: Reply) -> Reply:
        credentials = self._terms.credentials
        if self.phase is not Phase.AUTH or credentials is None or reply.code == 334:
            return reply
        lines = tuple(auth.unspoken(line, credentials) for line in reply.lines)
        return structs.replace(reply, lines=lines)

    @contextlib.asynccontextmanager
    async def _bounded(self, seconds: float) -> AsyncIterator[None]:
        """Limit the time, and turn what others raise into one TransportError."""
        try:
            until = self._limits.until(seconds, now=asyncio.get_running_loop().time())
            async with asyncio.timeout_at(until):
                yield
        except TransportError:
            raise
        except UnicodeError as error:
            # The codec for internationalised names, which every TLS name passes through.
            message = f"{printable(self._terms.name_in_certificate)} is not a host name"
            raise TransportError(message, phase=self.phase, reason="bad-name") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            if self._limits.is_over(now=asyncio.get_running_loop().time()):
                raise TransportError(
                    "the deadline has passed", phase=self.phase, reason="deadline"
                ) from error
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> TransportError:
        caught = broken(error, self.phase)
        proxy = self._terms.proxy
        if proxy is None or (self.phase, caught.reason) != (Phase.CONNECT, "timeout"):
            return caught
        from nexomailer_cli.transport.tunnel import silent

        return silent(proxy)

    def _said(self, speaker: str, text: str) -> None:
        self._observer(Said(speaker, text))
