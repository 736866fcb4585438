"""A real SMTP server that looks closely at how somebody signs in."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Container, Iterator
from dataclasses import dataclass, field
from typing import Any

import scramp
from aiosmtpd.smtp import SMTP, AuthResult, auth_mechanism

from tests.support.beside import beside

REFUSAL = '{"status":"400","schemes":"Bearer","scope":"https://mail.example.com/"}'
MECHANISMS = ("XOAUTH2", "OAUTHBEARER", "SCRAM-SHA-256", "EXTERNAL", "PLAIN", "LOGIN")


@dataclass
class Post:
    """Who may sign in, and what came.

    `tokens` are access tokens that are good, `password` is everybody's. `proves` says that
    the server ends SCRAM with its proof. `answers` are what refused clients said to the
    explanation, `sign_ins` what was tried, with the user.
    """

    tokens: Container[str] = ()
    password: str = ""
    offers: tuple[str, ...] = ("XOAUTH2", "PLAIN")
    proves: bool = True
    refusal: str = "535 5.7.8 Username and Password not accepted"
    port: int = 0
    sign_ins: list[tuple[str, str]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)  # tokens that were presented
    answers: list[bytes] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.contents.append(envelope.content)
        return "250 2.0.0 Ok: queued as 4F2A"

    async def _bearer(self, server: SMTP, mechanism: str, user: str, token: str) -> AuthResult:
        self.sign_ins.append((mechanism, user))
        self.shown.append(token)
        if token in self.tokens:
            return AuthResult(success=True)
        answer = await server.challenge_auth(REFUSAL)
        self.answers.append(answer if isinstance(answer, bytes) else b"*")
        return AuthResult(success=False, handled=False, message=self.refusal)

    @auth_mechanism("XOAUTH2")
    async def auth_xoauth2(self, server: SMTP, args: list[str]) -> AuthResult:
        user, bearer, *rest = base64.b64decode(args[1], validate=True).decode().split("\1")
        assert (user[:5], bearer[:12], rest) == ("user=", "auth=Bearer ", ["", ""])
        return await self._bearer(server, "XOAUTH2", user[5:], bearer[12:])

    @auth_mechanism("OAUTHBEARER")
    async def auth_oauthbearer(self, server: SMTP, args: list[str]) -> AuthResult:
        header, bearer, *rest = base64.b64decode(args[1], validate=True).decode().split("\1")
        assert header.startswith("n,a=")
        assert header.endswith(",")
        assert (bearer[:12], rest) == ("auth=Bearer ", ["", ""])
        return await self._bearer(server, "OAUTHBEARER", header[4:-1], bearer[12:])

    @auth_mechanism("SCRAM-SHA-256")
    async def auth_scram(self, server: SMTP, args: list[str]) -> AuthResult:
        users: list[str] = []
        scram = scramp.ScramMechanism("SCRAM-SHA-256")
        known = scram.make_auth_info(self.password)

        def look_up(user: str) -> Any:
            users.append(user)
            return known

        exchange = scram.make_server(look_up)
        exchange.set_client_first(base64.b64decode(args[1], validate=True).decode())
        self.sign_ins.append(("SCRAM-SHA-256", users[0]))
        final = await server.challenge_auth(exchange.get_server_first())
        assert isinstance(final, bytes)
        try:
            exchange.set_client_final(final.decode())
        except scramp.ScramException:
            self.answers.append(await self._last(server, "e=invalid-proof"))
            return AuthResult(success=False, handled=False)
        if self.proves:
            self.answers.append(await self._last(server, exchange.get_server_final()))
        return AuthResult(success=True)

    async def _last(self, server: SMTP, challenge: str) -> bytes:
        answer = await server.challenge_auth(challenge)
        return answer if isinstance(answer, bytes) else b"*"

    @auth_mechanism("EXTERNAL")
    async def auth_external(self, server: SMTP, args: list[str]) -> AuthResult:
        assert server.transport is not None
        certificate = server.transport.get_extra_info("peercert")
        user = "" if args[1] == "=" else base64.b64decode(args[1], validate=True).decode()
        self.sign_ins.append(("EXTERNAL", user))
        return AuthResult(success=bool(certificate), handled=False)


@contextlib.asynccontextmanager
async def _serving(post: Post, tls: ssl.SSLContext | None) -> AsyncIterator[Post]:
    factory: Callable[[], SMTP] = lambda: SMTP(  # noqa: E731
        post,
        hostname="post.test",
        auth_require_tls=False,
        auth_exclude_mechanism=set(MECHANISMS) - set(post.offers),
        auth_callback=lambda _mechanism, _login, password: password == post.password.encode(),
    )
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0, ssl=tls)
    post.port = server.sockets[0].getsockname()[1]
    try:
        yield post
    finally:
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)


@contextlib.contextmanager
def post_office(tls: ssl.SSLContext | None = None, **settings: Any) -> Iterator[Post]:
    """Serve on loopback beside the test; TLS from the first byte with `tls`."""
    with beside(_serving(Post(**settings), tls)) as post:
        yield post
