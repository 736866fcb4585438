"""What we demand of a session and bring to it, and what we get. Values: nothing here waits."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.errors import MessageError, TransportError
from nexomailer_cli.smtp import command
from nexomailer_cli.smtp.auth import Credentials
from nexomailer_cli.smtp.extensions import Extensions
from nexomailer_cli.smtp.outcome import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.config.proxy import Proxy


class Terms(Struct, frozen=True, kw_only=True):
    """What we demand of a session, and what we bring to it.

    `tls` is the context, `None` only where TLS is ruled out (`starttls = "never"`).
    `ehlo_name` may be empty: then the socket's own address is used as a literal.
    `ip_version` is 4, 6 or `None` for either; `source_address` is where we connect from: to the
    proxy, if there is one. `socket_path` is that of a Unix socket, which is used instead of all of
    these. With `is_lmtp` the server is greeted, and answers, as RFC 2033 has it.
    """

    host: str
    port: int
    ip_version: int | None = None
    source_address: str | None = None
    proxy: Proxy | None = None
    socket_path: str = ""
    is_lmtp: bool = False
    implicit_tls: bool = False
    requires_tls: bool = True
    tls: ssl.SSLContext | None = None
    servername: str = ""
    ehlo_name: str = ""
    credentials: Credentials | None = None
    allow_plaintext_auth: bool = False

    @property
    def family(self) -> socket.AddressFamily:
        """The only address family that may be used, AF_UNSPEC if any may."""
        if self.ip_version is None and self.source_address is None:
            return socket.AF_UNSPEC
        is_six = self.ip_version == 6 or ":" in (self.source_address or "")
        return socket.AF_INET6 if is_six else socket.AF_INET

    @property
    def is_verified(self) -> bool:
        """Whether TLS proves who the server is."""
        return self.tls is not None and self.tls.verify_mode is ssl.CERT_REQUIRED

    @property
    def is_direct(self) -> bool:
        """Whether we connect to the host ourselves, over a network."""
        return self.proxy is None and not self.socket_path

    def is_loopback(self, peer: object) -> bool:
        """Whether nothing leaves this machine on the way to `peer`, a socket's other end."""
        from ipaddress import ip_address

        if self.socket_path:
            return True
        if self.proxy is not None:
            return False  # a proxy on this machine leads away from it
        return isinstance(peer, tuple) and ip_address(peer[0].partition("%")[0]).is_loopback

    @property
    def name_in_certificate(self) -> str:
        """The name that is sent (SNI) and verified."""
        # A trailing dot is good DNS and breaks both.
        return (self.servername or self.host).rstrip(".")

    def has_another_token(self, rejected: str) -> bool:
        """Whether we would sign in with another token than one that was refused."""
        return self.credentials is not None and self.credentials.token != rejected

    def unanswered(self, error: TransportError) -> TransportError:
        """Return `error`, or what it means where there is a proxy on the way."""
        if self.proxy is None or (error.phase, error.reason) != (Phase.CONNECT, "timeout"):
            return error
        from nexomailer_cli.transport.tunnel import silent

        return silent(self.proxy)

    def check_name(self) -> None:
        """Raise TransportError for an EHLO name that must not reach the wire."""
        try:
            command.ehlo(self.ehlo_name or "[127.0.0.1]")
        except MessageError as error:
            raise TransportError(str(error), phase=Phase.CONNECT, reason="configuration") from error

    def is_private(self, tls_version: str) -> bool:
        """Whether nobody can listen on the way to another machine.

        Raises TransportError where that means that no password may be sent at all.
        """
        if tls_version and self.is_verified:
            return True
        if self.allow_plaintext_auth:
            return bool(tls_version)
        if tls_version:
            message, reason = "the server's certificate is not verified", "unverified-password"
        else:
            message, reason = "the connection is not encrypted", "plaintext-password"
        raise TransportError(f"no password is sent: {message}", phase=Phase.AUTH, reason=reason)


class Session(Struct, frozen=True):
    """What a session that may send is like.

    `unspoken` takes the secret of the sign-in out of what the server says.
    """

    extensions: Extensions
    tls_version: str
    is_lmtp: bool = False
    unspoken: Callable[[str], str] | None = None
