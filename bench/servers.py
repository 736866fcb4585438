"""The servers that every contender sends to: Postfix's smtp-sink, with TLS before it or without.

aiosmtpd would be the bottleneck, and would need more time than some of the clients.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starttls import starttls_front

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent
HOST = "127.0.0.1"
START_SECONDS = 10.0
CERTIFICATE = "server.pem"

# A fresh authority and a certificate for loopback, from the code that the sandbox uses.
_MAKE_CERTIFICATE = """
import pathlib, sys
from nexomailer_cli.sandbox.certificate import make_identity
identity, folder = make_identity(), pathlib.Path(sys.argv[1])
folder.joinpath("ca.pem").write_bytes(identity.authority)
folder.joinpath("server.pem").write_bytes(identity.certificate + identity.key)
"""

_STUNNEL = """\
foreground = yes
pid =
syslog = no
debug = crit
cert = {certificate}
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
TIMEOUTclose = 0
[tls]
accept = {host}:{tls}
connect = {host}:{plain}
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the same sink can be reached: in clear, with STARTTLS, with TLS at once."""

    plain: int
    starttls: int
    tls: int

    @property
    def names(self) -> tuple[str, ...]:
        """The ways to reach it."""
        return ("plain", "starttls", "tls")

    def of(self, security: str) -> int:
        """Return the port for one of `names`."""
        return {"plain": self.plain, "starttls": self.starttls, "tls": self.tls}[security]


@contextlib.contextmanager
def running(folder: Path, python: Path) -> Iterator[Ports]:
    """Run the servers; `folder` gets `ca.pem`, the authority to trust."""
    make_certificate(folder, python)
    plain, tls = _free_ports(2)
    config = folder / "stunnel.conf"
    certificate = folder / CERTIFICATE
    config.write_text(_STUNNEL.format(certificate=certificate, host=HOST, plain=plain, tls=tls))
    with (
        _process(_sink(plain), plain),
        _process((program("stunnel4"), str(config)), tls),
        starttls_front(certificate, host=HOST, target=plain) as starttls,
    ):
        yield Ports(plain, starttls, tls)


def make_certificate(folder: Path, python: Path) -> None:
    """Make what the servers show, and `ca.pem`, in `folder`."""
    subprocess.run([python, "-c", _MAKE_CERTIFICATE, folder], check=True)


@contextlib.contextmanager
def sink_alone() -> Iterator[int]:
    """Run smtp-sink in clear; yield its port."""
    (port,) = _free_ports(1)
    with _process(_sink(port), port):
        yield port


@contextlib.contextmanager
def own_sink(python: Path, *arguments: str) -> Iterator[int]:
    """Run the sink of our own; yield its port."""
    (port,) = _free_ports(1)
    with _process((str(python), str(HERE / "sink.py"), str(port), *arguments), port):
        yield port


def _sink(port: int) -> tuple[str, ...]:
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    return (program("smtp-sink"), *user, f"{HOST}:{port}", "100")


def program(name: str) -> str:
    """Return the path of a program, which may lie where only root looks."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise SystemExit(f"{name} is not installed; run bench/setup.sh")
    return found


@contextlib.contextmanager
def _process(command: Sequence[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        _wait_for(process, port)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port)):
            return
        time.sleep(0.02)
    raise SystemExit(f"{process.args!r} does not listen on port {port}")


def _free_ports(count: int) -> tuple[int, ...]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return tuple(each.getsockname()[1] for each in sockets)
