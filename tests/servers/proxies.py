"""Real proxies on loopback, each with one account: tinyproxy (HTTP) and microsocks (SOCKS5)."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.servers.server import SECONDS, free_port

PROGRAMS = ("tinyproxy", "microsocks")
USER, PASSWORD = "tim", "Tanstaaf"

TINYPROXY = """\
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
BasicAuth {user} {password}
LogFile "{folder}/tinyproxy.log"
LogLevel Connect
"""


@contextlib.contextmanager
def running(scheme: str, folder: Path) -> Iterator[str]:
    """Run a proxy; yield where it is, `host:port`."""
    port = free_port()
    if scheme == "http":
        file = folder / "tinyproxy.conf"
        words = {"port": port, "user": USER, "password": PASSWORD, "folder": folder}
        file.write_text(TINYPROXY.format(**words))
        command = ["tinyproxy", "-d", "-c", str(file)]
    else:
        command = ["microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", USER, "-P", PASSWORD]
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait(port, process)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(SECONDS)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)  # a program of its own, which tells nobody when it is done
