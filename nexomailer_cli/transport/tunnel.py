"""Through a proxy: from a socket that is connected to it to one that leads to the server.

SOCKS5 is python-socks's business, which is known here only and imported when there is a proxy.
Of HTTP it reads what comes in one piece: half a header is left for the mail server's greeting,
and a greeting behind the header is lost. So CONNECT is spoken here, octet by octet.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import socket
from typing import TYPE_CHECKING, Any

from nexomailer_cli.errors import ProtocolError, TransportError
from nexomailer_cli.idn import to_ascii
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.outcome import Phase

if TYPE_CHECKING:
    from nexomailer_cli.config.proxy import Proxy

MAX_ANSWER = 16 * 1024  # octets of HTTP header
_END = b"\r\n\r\n"

# RFC 1928 section 6, and what a proxy says in HTTP of a server that it cannot get to: others
# may be up, and this one in a while.
_NOT_REACHED = frozenset({1, 3, 4, 5, 6, 500, 502, 503, 504})
_SIGN_IN = (401, 407)  # RFC 9110 section 15.5.8; tinyproxy says 401 to a wrong password
# SOCKS has no code for it, since nothing has been asked yet: the library's words.
_NO_SIGN_IN = ("Username and password", "No acceptable authentication")
_CLOSED = "Connection closed"
# RFC 1035 section 2.3.4, which is as much as SOCKS can say.
_MAX_NAME = 253
_MAX_LABEL = 63
_LONG = 86400.0


async def tunnel(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Let `proxy`, which `sock` leads to, connect to a server; raise TransportError if it does not.

    What the server says is left in the socket, which may be closed where there is none.
    """
    try:
        if proxy.scheme == "http":
            await _connect_by_http(sock, proxy, _named(host), port)
        else:
            await _connect_by_socks(sock, proxy, _named(host), port)
    except OSError as error:
        raise _lost(proxy, error) from error


def tunnel_blocking(
    sock: socket.socket, proxy: Proxy, host: str, port: int, seconds: float
) -> None:
    """Do the same with a blocking socket, within `seconds`."""

    async def within() -> None:
        async with asyncio.timeout(seconds):
            await tunnel(sock, proxy, host, port)

    sock.setblocking(False)
    try:
        asyncio.run(within())
    except TimeoutError as error:
        raise _silent(proxy) from error
    sock.setblocking(True)


def _named(host: str) -> str:
    """Return a host as DNS has it: what the proxy's own resolver is asked."""
    try:
        name = host if host.isascii() else to_ascii(host)
    except ValueError as error:
        raise _failed(f"{host} is not a host name", "bad-name") from error
    if len(name) > _MAX_NAME or max(map(len, name.split("."))) > _MAX_LABEL:
        raise _failed(f"{host} is not a host name", "bad-name")
    return name


async def _connect_by_socks(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    from python_socks import ProxyError, ProxyType
    from python_socks.async_.asyncio import Proxy as Socks

    way: Any = _Connected(sock)
    socks = Socks(
        ProxyType.SOCKS5,
        proxy.host,
        proxy.port,
        username=proxy.user or None,
        password=proxy.password or None,
        rdns=True,  # what is to be looked up here has been
        forward=way,
        loop=asyncio.get_running_loop(),
    )
    try:
        # Its own time-out would be a minute; ours goes around all of this.
        await socks.connect(host, port, timeout=_LONG)
    except ProxyError as error:
        raise _refused(proxy, host, error.error_code, str(error)) from error
    except ValueError as error:  # an answer that it could not take apart
        raise _no_proxy(proxy) from error


class _Connected:
    """What python-socks takes for a proxy before the proxy: the socket that is there already."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def connect(self, **_: object) -> socket.socket:
        return self._sock


async def _connect_by_http(sock: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Ask with CONNECT (RFC 9110 section 9.3.6), and read no octet behind the answer."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, _request(proxy, host, port))
    answer = bytearray()
    while not answer.endswith(_END):
        octet = await loop.sock_recv(sock, 1)
        if not octet:
            raise ConnectionResetError(errno.ECONNRESET, "closed")
        answer += octet
        if len(answer) > MAX_ANSWER or not b"HTTP/1.".startswith(answer[:7]):
            raise _no_proxy(proxy)
    status = bytes(answer).partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
    code = status[1] if len(status) > 1 else ""
    if not (code.isascii() and code.isdecimal()):
        raise _no_proxy(proxy)
    if not 200 <= int(code) <= 299:
        raise _refused(proxy, host, int(code), " ".join(status[1:]))


def _request(proxy: Proxy, host: str, port: int) -> bytes:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if proxy.user:
        account = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {account}")
    return "\r\n".join([*lines, "", ""]).encode()


def _refused(proxy: Proxy, host: str, code: int | None, said: str) -> TransportError:
    words = f"the proxy {proxy.place} does not connect to {host}: {said}"
    if code in _NOT_REACHED:
        return _failed(words, "proxy-no-way")
    if code in _SIGN_IN or said.startswith(_NO_SIGN_IN):
        return _failed(f"the proxy {proxy.place} refuses the sign-in: {said}", "proxy-sign-in")
    if code is not None:
        return _failed(words, "proxy-refused")
    if said.startswith(_CLOSED):
        return _failed(f"the proxy {proxy.place} closed the connection", "proxy-lost")
    return _no_proxy(proxy)


def _no_proxy(proxy: Proxy) -> TransportError:
    message = f"what answers at {proxy.place} is no {proxy.scheme} proxy"
    return ProtocolError(printable(message), phase=Phase.CONNECT, reason="proxy-not-one")


def _lost(proxy: Proxy, error: OSError) -> TransportError:
    name = errno.errorcode.get(error.errno or 0, "EIO")
    message = f"the proxy {proxy.place} closed the connection ({name})"
    return _failed(message, "proxy-lost")


def _silent(proxy: Proxy) -> TransportError:
    return _failed(f"no answer from the proxy {proxy.place} within the time-out", "timeout")


def _failed(message: str, reason: str) -> TransportError:
    return TransportError(printable(message), phase=Phase.CONNECT, reason=reason)
