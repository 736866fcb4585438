"""Conducts a handshake on the event loop.

aiosmtplib, which is known here and in `breakage` only, carries the bytes: TCP, TLS, STARTTLS
and one command at a time. It is lenient where a client must not be (it drops surplus
bytes, takes any three digits for a code, and tries every mechanism after a refused
password), so a witness reads every byte with our own reader and its word counts.
Afterwards the socket goes to a `Lane`, and the aiosmtplib client is not used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, cast

import aiosmtplib

from nexomailer_cli.errors import TransportError
from nexomailer_cli.pool.breakage import broken
from nexomailer_cli.pool.route import reach
from nexomailer_cli.pool.witness import Witness
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.answer import surplus
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Reply
from nexomailer_cli.transport.base import Observer, Said, unobserved
from nexomailer_cli.transport.breakage import misnamed, too_late
from nexomailer_cli.transport.handshake import READY, Ask, Exchange, Handshake
from nexomailer_cli.transport.limits import Limits
from nexomailer_cli.transport.own_name import own_literal
from nexomailer_cli.transport.terms import Session, Terms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable


class _Client(aiosmtplib.SMTP):
    """Hangs up where its parent parts politely.

    A polite end of TLS waits half a minute for a peer that is stuck; and an event loop that
    is closed meanwhile, as at the end of a run, fails.
    """

    def close(self) -> None:
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()
        super().close()


class Carrier:
    """One try to open a session. `tls_version` says how far it got."""

    def __init__(self, terms: Terms, limits: Limits, observer: Observer = unobserved) -> None:
        self.tls_version = ""
        self._phase = Phase.CONNECT  # until there is a handshake
        self._terms = terms
        self._limits = limits
        self._observer = observer
        self._handshake: Handshake | None = None
        self._opened: _Client | None = None
        self._witness: Witness | None = None

    @property
    def phase(self) -> Phase:
        """How far it got."""
        return self._handshake.phase if self._handshake else self._phase

    @property
    def wire(self) -> asyncio.Transport:
        """The connection."""
        return cast("asyncio.Transport", self._client.transport)

    @property
    def _client(self) -> _Client:
        assert self._opened is not None
        return self._opened

    @property
    def _reading(self) -> Witness:
        assert self._witness is not None
        return self._witness

    async def open(self) -> Session:
        """Return an open session; raise TransportError with the phase that failed.

        Any failure closes the connection, since a conversation that broke off is out of
        step; so does being cancelled.
        """
        try:
            self._terms.check_name()  # before there is anything to close
            await self._connect()
            session = await self._conduct()
            self._reading.answers.verify_silence(self.phase)
        except BaseException:
            if self._opened is not None:
                self._opened.close()
            raise
        return session

    async def _connect(self) -> None:
        terms = self._terms
        async with self._bounded(self._limits.connect):
            sock = await reach(terms)
            ehlo_name = terms.ehlo_name or own_literal(sock)
            self._phase = Phase.TLS if terms.implicit_tls else Phase.GREETING
            self._opened = _Client(
                hostname=terms.name_in_certificate,
                sock=sock,
                use_tls=terms.implicit_tls,
                start_tls=False,  # the default is opportunistic, and would leak the password
                tls_context=terms.tls,
                local_hostname=ehlo_name,
                timeout=None,
            )
            code, message = await self._client.connect()
        self._phase = Phase.GREETING
        peer = self.wire.get_extra_info("peername")
        handshake = Handshake(terms, self._observer, ehlo_name=ehlo_name, peer=peer)
        self._watch(handshake)
        self._handshake = handshake
        self._observer(Said("S", f"{code} {printable(message)}"))

    def _watch(self, handshake: Handshake) -> None:
        protocol = self._client.protocol
        assert protocol is not None
        # More than a greeting in one segment. The name is private to aiosmtplib; a test
        # fails if a release renames it.
        if protocol._buffer:
            raise surplus(self.phase)
        self._witness = Witness(protocol)
        self.wire.set_protocol(self._witness)
        secured = cast("ssl.SSLObject | None", self.wire.get_extra_info("ssl_object"))
        self.tls_version = handshake.tls_version = (secured.version() or "") if secured else ""

    async def _conduct(self) -> Session:
        assert self._handshake is not None
        steps = self._handshake.steps()
        try:
            exchange = next(steps)
            while True:
                try:
                    reply = await self._perform(exchange)
                except TransportError as error:
                    exchange = steps.throw(error)
                else:
                    exchange = steps.send(reply)
        except StopIteration as end:
            return cast("Session", end.value)

    async def _perform(self, exchange: Exchange) -> Reply:
        if isinstance(exchange, Ask):
            reply = await self._exchange(
                self._client.execute_command(exchange.line.removesuffix(b"\r\n"))
            )
            if self.phase is Phase.EHLO:
                # Otherwise aiosmtplib would say EHLO before it starts TLS.
                said = "\n".join(reply.lines)
                self._client.last_ehlo_response = aiosmtplib.SMTPResponse(reply.code, said)
            return reply
        reply = await self._exchange(
            self._client.starttls(
                server_hostname=self._terms.name_in_certificate, tls_context=self._terms.tls
            )
        )
        if reply.code == READY:
            assert self._handshake is not None
            self._watch(self._handshake)
        return reply

    async def _exchange(self, request: Awaitable[object]) -> Reply:
        """Send one command and return its reply, whatever it says."""
        try:
            async with self._bounded(self._limits.reply):
                # What aiosmtplib makes of the reply does not count; the witness has read it.
                with contextlib.suppress(aiosmtplib.SMTPResponseException):
                    await request
        except TransportError:
            self._reading.answers.verify_order(self.phase)  # the better explanation, if it is one
            raise
        return self._reading.answers.take(self.phase)

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
            name = printable(self._terms.name_in_certificate)
            raise misnamed(name, self.phase) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            if self._limits.is_over(now=asyncio.get_running_loop().time()):
                raise too_late(self.phase) from error
            raise self._terms.unanswered(broken(error, self.phase)) from error
