"""A server that gives access tokens, as RFC 6749 and its kin have it, and can fail in every way.

Its secrets have characters that look another way in base64 and in a URL, so that a search
for all three forms means something. Everything that it gave or was told is on record.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

CLIENT_ID = "the-client"
CLIENT_SECRET = "s3cret~of/the+client=="
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
NONSENSE = {
    "html": b"<html><p>Sign in to the Wi-Fi, refresh_token",
    "list": b"[1, 2]",
    "deep": b"[" * 100_000,
    "no token": b'{"expires_in": 3600}',
    "not a text": b'{"access_token": {"a": 1}}',
    "another type": b'{"access_token": "x", "token_type": "mac"}',
    "a line end": b'{"access_token": "x\\r\\nRSET"}',
    "huge": b'{"access_token": "' + b"x" * 300_000 + b'"}',
    "a strange time": b'{"access_token": "x", "expires_in": "soon"}',
}


@dataclass
class TokenServer:
    """What the server knows, and how it behaves.

    `fault` is what goes wrong with every request; `pending` how often a device is told to
    wait. `authorizes` is what the authorization page does with a browser.
    """

    port: int = 0
    scheme: str = "http"
    rotates: bool = False
    lifetime: float | None = 3600.0
    fault: str = ""
    pending: list[str] = field(default_factory=list)
    authorizes: str = "code"
    interval: float = 0.1
    valid: set[str] = field(default_factory=set)  # access tokens
    refreshable: set[str] = field(default_factory=set)
    secrets: list[str] = field(default_factory=lambda: [CLIENT_SECRET])
    requests: list[dict[str, str]] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)  # what a redirect has led to
    lock: Lock = field(default_factory=Lock)
    hurry: Event = field(default_factory=Event)  # ends what hangs
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self.scheme}://localhost:{self.port}"

    @property
    def grants(self) -> list[str]:
        """The grants that tokens were asked for with."""
        return [each["grant_type"] for each in self.requests if "grant_type" in each]

    def auth(self, **more: Any) -> dict[str, Any]:
        """Return the `auth` of a provider that gets its tokens here."""
        return {
            "type": "oauth2",
            "user": "tim@a.test",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scope": "mail send",
            **{f"{each}_url": f"{self.url}/{each}" for each in ENDPOINTS},
            **more,
        }

    def new(self, kind: str) -> str:
        """Return a secret nobody has had before."""
        secret = f"{kind}.{next(self._numbers)}~/+Zm9v{hashlib.md5(kind.encode()).hexdigest()}=="
        self.secrets.append(secret)
        return secret

    def new_refresh_token(self) -> str:
        """Return a refresh token that is good."""
        token = self.new("refresh")
        self.refreshable.add(token)
        return token

    def revoke_all(self) -> None:
        """Forget every token that was given."""
        self.valid.clear()
        self.refreshable.clear()

    # --- what is answered ----------------------------------------------------------------

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Answer a request for a token."""
        grant = form.get("grant_type")
        is_known = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if not is_known and grant != BEARER:
            return 401, {"error": "invalid_client", "error_description": 'no "such" client'}
        ways: dict[str | None, Callable[[dict[str, str]], tuple[int, dict[str, Any]]]] = {
            "refresh_token": self._refreshed,
            "client_credentials": lambda _: (200, self._given()),
            "authorization_code": self._redeemed,
            DEVICE: self._device,
            BEARER: self._asserted,
        }
        return ways[grant](form)

    def _asserted(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.secrets.append(form["assertion"])
        return 200, self._given()

    def _given(self, refresh_token: str = "") -> dict[str, Any]:
        token = self.new("access")
        self.valid.add(token)
        given: dict[str, Any] = {"access_token": token, "token_type": "Bearer"}
        if self.lifetime is not None:
            given["expires_in"] = self.lifetime
        return given | ({"refresh_token": refresh_token} if refresh_token else {})

    def _refreshed(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        refresh_token = form["refresh_token"]
        if refresh_token not in self.refreshable:
            # Servers have quoted what they were sent.
            said = f"Token {refresh_token} ({quote(refresh_token)}) has been revoked."
            return 400, {"error": "invalid_grant", "error_description": said}
        if not self.rotates:
            return 200, self._given()
        self.refreshable.remove(refresh_token)
        return 200, self._given(self.new_refresh_token())

    def authorize(self, query: dict[str, str]) -> str:
        """Return where the browser is sent back to."""
        code = self.new("code")
        self._codes[code] = query
        answers = {
            "code": {"code": code, "state": query["state"]},
            "refuses": {
                "error": "access_denied",
                "error_description": "The user said no.",
                "state": query["state"],
            },
            "another state": {"code": code, "state": "forged"},
        }
        return f"{query['redirect_uri']}?{urlencode(answers[self.authorizes])}"

    def _redeemed(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        query = self._codes.pop(form["code"], {})
        self.secrets.append(form["code_verifier"])
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        is_right = (
            query.get("code_challenge") == challenge
            and query.get("code_challenge_method") == "S256"
            and query.get("redirect_uri") == form["redirect_uri"]
        )
        if not is_right:
            return 400, {"error": "invalid_grant"}
        return 200, self._given(self.new_refresh_token())

    def device(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Answer a device that wants a code."""
        if form.get("client_id") != CLIENT_ID:
            return 401, {"error": "invalid_client"}
        code = self.new("device")
        self._codes[code] = form
        return 200, {
            "device_code": code,
            "user_code": "WDJB-MJHT",
            "verification_uri": f"{self.url}/activate",
            "expires_in": 600,
            "interval": self.interval,
        }

    def _device(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if self.pending:
            return 400, {"error": self.pending.pop(0)}
        if form["device_code"] not in self._codes:
            return 400, {"error": "expired_token"}
        return 200, self._given(self.new_refresh_token())

    def revoke(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Answer somebody who gives a token back."""
        self.revoked.append(form["token"])
        self.valid.clear()
        self.refreshable.discard(form["token"])
        return 200, {}


ENDPOINTS = ("token", "device", "revocation", "authorization")


def _handler(server: TokenServer) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - a table of faults
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            form = dict(parse_qsl(self.rfile.read(length).decode()))
            server.requests.append(form)
            if self.path.startswith("/elsewhere"):
                server.elsewhere.append(repr(form))
            if server.fault:
                self._fail(server.fault)
                return
            answers = {"/token": server.token, "/device": server.device}
            with server.lock:
                self._answer(*answers.get(self.path, server.revoke)(form))

        def do_GET(self) -> None:
            query = dict(parse_qsl(urlsplit(self.path).query))
            self.send_response(302)
            self.send_header("Location", server.authorize(query))
            self.end_headers()

        def _answer(self, status: int, said: object, **headers: str) -> None:
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _fail(self, fault: str) -> None:
            match fault:
                case "hang":
                    server.hurry.wait(20)
                case "drip":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                    while not server.hurry.wait(0.02):
                        self.wfile.write(b"X-Drip: x\r\n")
                case "close":
                    self.close_connection = True
                case "no HTTP":
                    self.wfile.write(b"220 mail.test ESMTP\r\n")
                case "redirect":
                    self._answer(307, {}, Location=f"{server.url}/elsewhere")
                case "unavailable" | "limited":
                    self._answer(503 if fault == "unavailable" else 429, b"<html>busy")
                case _:
                    self._answer(200, NONSENSE[fault])

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that have gone."""


@contextlib.contextmanager
def token_server(tls: ssl.SSLContext | None = None, **behaviour: Any) -> Iterator[TokenServer]:
    """Serve on loopback, over HTTPS with `tls`."""
    server = TokenServer(**behaviour)
    web = _Quiet(("127.0.0.1", 0), _handler(server))
    if tls is not None:
        server.scheme = "https"
        web.socket = tls.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
    server.port = web.server_port
    thread = Thread(target=web.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.hurry.set()
        web.shutdown()
        thread.join()
        web.server_close()
