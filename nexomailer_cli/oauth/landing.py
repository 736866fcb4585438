"""Where the browser comes back to: a page on this machine, for one sign-in (RFC 8252, 7.3).

Takes the answer that carries the right `state`, once; whoever else knocks learns nothing.
"""

from __future__ import annotations

import hmac
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

# A browser opens connections that it may need, and says nothing on them.
SILENCE_SECONDS = 10.0
POLL_SECONDS = 0.05
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the code is in this page's address
    "Content-Security-Policy": "default-src 'none'",
}


class Landing:
    """A web server on loopback while a person signs in elsewhere."""

    def __init__(self, host: str, state: str) -> None:
        self._answers: Queue[dict[str, str]] = Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _page_for(state, self._answers))
        self._server.daemon_threads = True
        self.redirect_uri = f"http://{host}:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), daemon=True)

    def __enter__(self) -> Landing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait(self, seconds: float) -> dict[str, str]:
        """Return the parameters that the browser came back with; raise TimeoutError."""
        try:
            return self._answers.get(timeout=seconds)
        except Empty:
            raise TimeoutError from None


def _page_for(state: str, answers: Queue[dict[str, str]]) -> type[BaseHTTPRequestHandler]:
    class Page(BaseHTTPRequestHandler):
        timeout = SILENCE_SECONDS

        def do_GET(self) -> None:
            answer = _parameters(self.path)
            is_ours = hmac.compare_digest(answer.get("state", "").encode(), state.encode())
            # RFC 6749 section 10.12: another's answer would sign us in as somebody else.
            if not is_ours or not answer.keys() & {"code", "error"}:
                self._show(400, "This is not the answer that nexomailer waits for.")
                return
            words = "signed in" if "code" in answer else "not signed in"
            self._show(200, f"nexomailer: {words}. You may close this window.")
            answers.put(answer)

        def _show(self, status: int, words: str) -> None:
            body = f"<!doctype html><title>nexomailer</title><p>{words}</p>".encode()
            self.send_response_only(status)
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the code stands in what would be logged."""

    return Page


def _parameters(path: str) -> dict[str, str]:
    try:
        parts = urlsplit(path)
        found = parse_qs(parts.query, max_num_fields=20)
    except ValueError:
        return {}
    # RFC 6749 section 3.1: a parameter that comes twice makes the whole invalid.
    is_right = parts.path in ("", "/") and all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()} if is_right else {}
