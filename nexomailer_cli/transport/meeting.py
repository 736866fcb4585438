"""Conducts a handshake over a blocking socket, for one mail."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, cast

from nexomailer_cli.errors import TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp import command
from nexomailer_cli.smtp.answer import AnswerReader
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Reply
from nexomailer_cli.transport.base import Observer, said_reply, unobserved
from nexomailer_cli.transport.breakage import broken, closed, misnamed, too_late
from nexomailer_cli.transport.handshake import READY, Ask, Exchange, Handshake, unwelcome
from nexomailer_cli.transport.limits import Limits
from nexomailer_cli.transport.own_name import own_literal
from nexomailer_cli.transport.route import reach
from nexomailer_cli.transport.terms import Session, Terms
from nexomailer_cli.transport.wire import Wire

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator


class Meeting:
    """One try to open a session. `tls_version` says how far it got."""

    def __init__(
        self,
        terms: Terms,
        limits: Limits,
        observer: Observer = unobserved,
        blocking: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.tls_version = ""
        self._phase = Phase.CONNECT  # until there is a handshake
        self._terms = terms
        self._limits = limits
        self._observer = observer
        self._blocking = blocking
        self._handshake: Handshake | None = None
        self._answers = AnswerReader()

    @property
    def phase(self) -> Phase:
        """How far it got."""
        return self._handshake.phase if self._handshake else self._phase

    def open(self) -> tuple[Wire, Session]:
        """Return an open session; raise TransportError with the phase that failed.

        Any failure closes the connection, since a conversation that broke off is out of
        step; so does being interrupted.
        """
        self._terms.check_name()  # before there is anything to close
        until = self._until(self._limits.connect)
        sock = self._reach(until)
        ends = self._ends(sock)
        wire = Wire(sock, self._blocking)
        try:
            self._be_greeted(wire, until)
            session = self._conduct(self._begin(*ends), wire)
            self._verify_silence(wire)
        except BaseException:
            wire.close()
            raise
        return wire, session

    def _reach(self, until: float) -> socket.socket:
        reached: list[socket.socket] = []
        try:
            with self._explained(), self._blocking():
                reached.append(reach(self._terms, until))
        except BaseException:  # a signal may come when the wait is over already
            for sock in reached:
                sock.close()
            raise
        return reached.pop()

    def _be_greeted(self, wire: Wire, until: float) -> None:
        if self._terms.implicit_tls:
            self._phase = Phase.TLS
            self._secure(wire, until)
        self._phase = Phase.GREETING
        reply = self._reply(wire, until)
        if reply.code != READY:
            raise unwelcome(reply)
        for line in said_reply(reply):
            self._observer(line)

    def _ends(self, sock: socket.socket) -> tuple[str, object]:
        """Return what we call ourselves, and who the peer is, while the socket knows."""
        try:
            peer = sock.getpeername()
        except OSError:  # it has been reset
            peer = None
        return self._terms.ehlo_name or own_literal(sock), peer

    def _begin(self, ehlo_name: str, peer: object) -> Handshake:
        handshake = Handshake(self._terms, self._observer, ehlo_name=ehlo_name, peer=peer)
        handshake.tls_version = self.tls_version
        self._handshake = handshake
        return handshake

    def _conduct(self, handshake: Handshake, wire: Wire) -> Session:
        steps = handshake.steps()
        try:
            exchange = next(steps)
            while True:
                try:
                    reply = self._perform(exchange, wire)
                except TransportError as error:
                    exchange = steps.throw(error)
                else:
                    handshake.tls_version = self.tls_version
                    exchange = steps.send(reply)
        except StopIteration as end:
            return cast("Session", end.value)

    def _perform(self, exchange: Exchange, wire: Wire) -> Reply:
        if isinstance(exchange, Ask):
            return self._ask(exchange.line, wire)
        reply = self._ask(command.STARTTLS, wire)
        if reply.code == READY:
            self._verify_silence(wire)
            self._secure(wire, self._until(self._limits.reply))
        return reply

    def _ask(self, line: bytes, wire: Wire) -> Reply:
        self._verify_silence(wire)
        wire.write(line)
        return self._reply(wire, self._until(self._limits.reply))

    def _verify_silence(self, wire: Wire) -> None:
        """Raise ProtocolError if the server said anything without being asked."""
        with self._explained():
            self._answers.receive(wire.look() or b"")
        self._answers.verify_silence(self.phase)

    def _reply(self, wire: Wire, until: float) -> Reply:
        while not self._answers.has_answer:
            with self._explained():
                data = wire.wait(until)
            if data == b"":
                raise closed(self.phase)
            self._answers.receive(data or b"")
        return self._answers.take(self.phase)

    def _secure(self, wire: Wire, until: float) -> None:
        terms = self._terms
        assert terms.tls is not None
        with self._explained():
            wire.secure(terms.tls, terms.name_in_certificate, until)
        self.tls_version = wire.tls_version

    def _until(self, seconds: float) -> float:
        return self._limits.until(seconds, now=time.monotonic())

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what others raise into one TransportError."""
        try:
            yield
        except (TransportError, OSError) as error:
            if self._limits.is_over(now=time.monotonic()):
                raise too_late(self.phase) from error
            if isinstance(error, TransportError):
                raise
            raise self._terms.unanswered(broken(error, self.phase)) from error
        except ValueError as error:
            # The codec for internationalised names, which every TLS name passes through.
            name = printable(self._terms.name_in_certificate)
            raise misnamed(name, self.phase) from error
