"""One POST to a token server: encrypted, bounded in size and time, and redirected nowhere.

A redirect would take the secrets along to wherever it leads, so it is an answer like any
other here, and no OAuth one. A proxy is used where the environment names one
(`https_proxy`); it sees no secret, since TLS goes through it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from nexomailer_cli.config.loopback import is_loopback
from nexomailer_cli.config.web_address import complaint_about

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from urllib.request import OpenerDirector

# Tokens with many claims have some kilobytes; error pages of gateways are longer.
MAX_BYTES = 256 * 1024
SECONDS = 20.0


class WebError(Exception):
    """The server cannot be reached, or not be understood; `reason` is one of `errors.TokenError`.

    Holds nothing of what was sent, nor of what came back.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Answer(Struct, frozen=True):
    """What a server said, in the shape that authlib reads."""

    status_code: int
    body: bytes

    def json(self) -> dict[str, str | int | float]:
        """Return the values of the object in it that can be any of OAuth's."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise WebError("oauth-nonsense", f"its answer is no JSON (HTTP {self.status_code})")
        return {name: _clean(name, value) for name, value in found.items() if _is_plain(value)}

    def raise_for_status(self) -> None:
        """Raise WebError where the server, or a gateway, is not well."""
        if self.status_code >= 500 or self.status_code == 429:
            raise WebError("oauth-unavailable", f"it answers HTTP {self.status_code}")


# RFC 6749 section 5.2. Microsoft's explanations have line ends and quotation marks, of which
# authlib makes an error of its own.
_NO_DESCRIPTION = re.compile(r"[^ -!#-\[\]-~]+")


def _clean(name: str, value: Any) -> Any:
    is_description = name == "error_description" and isinstance(value, str)
    return _NO_DESCRIPTION.sub(" ", value) if is_description else value


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


class Session(Struct, frozen=True):
    """Posts for authlib. `seconds` are for each request, `agent` says who asks."""

    seconds: float
    agent: str

    def post(self, url: str, *, data: Mapping[str, str], headers: Any, auth: Any) -> Answer:
        """Post a form, with the client's credentials as `auth` writes them."""
        url, headers, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        answer = post(url, body, {**headers, "User-Agent": self.agent}, seconds=self.seconds)
        if answer.status_code == 429 or 300 <= answer.status_code < 400:
            answer.raise_for_status()
            raise WebError("oauth-nonsense", f"it redirects (HTTP {answer.status_code})")
        return answer


def post(url: str, body: str, headers: Mapping[str, str], *, seconds: float) -> Answer:
    """Return the server's answer, whatever its status; raise WebError where there is none."""
    complaint = complaint_about(url)
    if complaint:
        raise WebError("configuration", f"its URL {complaint}")
    return _within(seconds, lambda: _post(url, body.encode("ascii"), headers, seconds))


def _within(seconds: float, work: Callable[[], Answer]) -> Answer:
    """Return what `work` returns, if it does so in time.

    A socket's time-out is for each read, a resolver's is out of reach: only a thread that is
    left alone in the end bounds all of it, and lets Ctrl-C through.
    """
    from threading import Thread

    ended: list[Answer | WebError] = []

    def run() -> None:
        try:
            ended.append(work())
        except WebError as error:
            ended.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(max(0.0, seconds))
    if not ended:
        raise WebError("oauth-unavailable", "no answer within the time-out")
    if isinstance(ended[0], WebError):
        raise ended[0]
    return ended[0]


def _post(url: str, body: bytes, headers: Mapping[str, str], seconds: float) -> Answer:
    from http.client import HTTPException
    from urllib.error import URLError
    from urllib.request import Request

    request = Request(url, data=body, headers=dict(headers), method="POST")  # noqa: S310 - judged
    try:
        with _opener(url).open(request, timeout=max(seconds, 0.001)) as response:
            content = response.read(MAX_BYTES + 1)
            status = response.status
    except URLError as error:
        raise _unreached(error.reason) from None
    except OSError as error:
        raise _unreached(error) from None
    except (HTTPException, ValueError):
        raise WebError("oauth-nonsense", "its answer is no HTTP") from None
    if len(content) > MAX_BYTES:
        raise WebError("oauth-nonsense", "its answer is too long")
    return Answer(status, content)


def _opener(url: str) -> OpenerDirector:
    """Return what does HTTP and nothing more: no redirects, no files, no other schemes."""
    import ssl
    from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler

    opener = OpenerDirector()
    is_near = is_loopback(urlsplit(url).hostname or "")
    for handler in (
        ProxyHandler({} if is_near else None),
        HTTPHandler(),
        HTTPSHandler(context=ssl.create_default_context()),
    ):
        opener.add_handler(handler)
    return opener


def _unreached(error: object) -> WebError:
    import socket
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        said = error.verify_message
        return WebError("oauth-certificate", f"its certificate is not to be trusted: {said}")
    if isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN:
        return WebError("oauth-host", "its name is not found")
    if isinstance(error, TimeoutError):
        return WebError("oauth-unavailable", "no answer within the time-out")
    said = getattr(error, "strerror", None) or type(error).__name__
    return WebError("oauth-unavailable", f"it cannot be reached: {said}")
