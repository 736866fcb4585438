"""The engine alone: how many ready-made messages a pool hands over in a second.

    .venv/bin/python bench/engine.py [--messages N] [--connections N] [--rounds N] [--chunking]
    .venv/bin/python bench/engine.py --to PORT [--ca FILE] [--messages N] [--connections N]

Into a trivial sink in a process of its own, and into Postfix's smtp-sink where that is
installed; with uvloop, where that is, and without; joined and not. The desk says "go" at
once, so neither templates nor a journal take part. One line for each, medians of the rounds.
With `--to` everything goes to one port, once: that is how `bulk.py` times it as a process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from nexomailer_cli.pool.desk import PoolLimits
from nexomailer_cli.pool.pool import Pool
from nexomailer_cli.smtp.envelope import Envelope, Mail
from nexomailer_cli.transport.account import Account
from nexomailer_cli.transport.limits import Limits
from nexomailer_cli.transport.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nexomailer_cli.smtp.failure import Failure
    from nexomailer_cli.smtp.outcome import Attempt, Outcome

HOST = "127.0.0.1"
HERE = Path(__file__).resolve().parent
OCTETS = 2600
UVLOOP = importlib.util.find_spec("uvloop") is not None
START_SECONDS = 10.0
_JOINED: tuple[Literal["auto", "never"], ...] = ("auto", "never")


class ReadyDesk:
    """Has a number of mails, wants them sent, and counts."""

    def __init__(self, count: int, octets: int) -> None:
        head = b"Subject: x\r\n\r\n"
        self._content = head + (b"x" * 70 + b"\r\n") * ((octets - len(head)) // 72)
        self.left = count
        self.settled = 0
        self._count = count
        self.done = asyncio.Event()

    def take(self, provider: str) -> Mail | None:
        if self.left == 0:
            return None
        self.left -= 1
        return Mail(Envelope("sender@a.test", (f"r{self.left}@b.test",)), self._content)

    def intend(self, mail: Mail, go: Callable[[], None]) -> None:
        go()

    def settle(self, mail: Mail, outcome: Outcome) -> None:
        self.settled += 1
        if self.settled == self._count:
            self.done.set()

    def put_back(self, mail: Mail, attempt: Attempt, failure: Failure) -> None:
        raise SystemExit(f"the sink does not take mail: {attempt.text}")


def _run(main: Callable[[], Any], *, with_uvloop: bool) -> Any:
    if with_uvloop:
        import uvloop

        return uvloop.run(main())
    return asyncio.run(main())


@contextlib.contextmanager
def _own_sink(*, is_chunking: bool) -> Iterator[int]:
    port = _free_port()
    options = ("--chunking",) if is_chunking else ()
    with _process((sys.executable, str(HERE / "sink.py"), str(port), *options), port):
        yield port


@contextlib.contextmanager
def _postfix_sink(program: str) -> Iterator[int]:
    port = _free_port()
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    with _process((program, *user, f"{HOST}:{port}", "100"), port):
        yield port


@contextlib.contextmanager
def _process(command: Sequence[str], port: int) -> Iterator[None]:
    with subprocess.Popen(command) as process:
        try:
            _wait_for(port)
            yield
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port)):
            return
        if time.monotonic() > until:
            raise SystemExit("the sink does not start")
        time.sleep(0.05)


async def _send(port: int, wanted: argparse.Namespace, limits: PoolLimits) -> tuple[float, float]:
    """Return the seconds that the messages took, on the clock and of the CPU."""
    desk = ReadyDesk(wanted.messages, wanted.octets)
    terms = Terms(
        host=HOST,
        port=port,
        implicit_tls=wanted.ca is not None,
        requires_tls=wanted.ca is not None,
        tls=ssl.create_default_context(cafile=wanted.ca) if wanted.ca else None,
        ehlo_name="bench.test",
    )
    account = Account(name="sink", host=HOST, port=port, terms=lambda: terms, limits=Limits())
    pool = Pool(account, desk, limits)
    wall, cpu = time.perf_counter(), time.process_time()
    await pool.start()
    await desk.done.wait()
    spent = time.perf_counter() - wall, time.process_time() - cpu
    await pool.aclose(drain=True)
    return spent


def _measure(name: str, port: int, wanted: argparse.Namespace) -> None:
    for with_uvloop in (True, False) if UVLOOP else (False,):
        for joined in _JOINED[: 1 if wanted.chunking else 2]:
            limits = PoolLimits(
                connections=wanted.connections, messages=wanted.max_messages, joined=joined
            )
            runs = [
                _run(lambda: _send(port, wanted, limits), with_uvloop=with_uvloop)  # noqa: B023
                for _ in range(wanted.rounds)
            ]
            rate = median(wanted.messages / wall for wall, _ in runs)
            cpu = median(1e6 * cpu / wanted.messages for _, cpu in runs)
            loop = "uvloop" if with_uvloop else "asyncio"
            print(f"{name:10} {loop:8} joined={joined:6} {rate:8.0f}/s {cpu:6.1f} us of CPU each")


def _measure_source(program: str, port: int, wanted: argparse.Namespace) -> None:
    """Print what Postfix's load generator makes of the same sink."""
    command = (program, "-s", str(wanted.connections), "-m", str(wanted.messages))
    rates = []
    for _ in range(wanted.rounds):
        began = time.perf_counter()
        subprocess.run([*command, "-l", str(wanted.octets), f"{HOST}:{port}"], check=True)
        rates.append(wanted.messages / (time.perf_counter() - began))
    print(f"{'smtp-sink':10} {'smtp-source':22} {median(rates):8.0f}/s")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--max-messages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chunking", action="store_true", help="let our own sink take BDAT")
    parser.add_argument("--octets", type=int, default=OCTETS, help="of one message")
    parser.add_argument("--to", type=int, help="send to this port, once, and print nothing")
    parser.add_argument("--ca", help="the authority to trust; `--to` is a port of TLS then")
    wanted = parser.parse_args()
    if wanted.to:
        limits = PoolLimits(connections=wanted.connections, messages=100, joined="auto")
        _run(lambda: _send(wanted.to, wanted, limits), with_uvloop=UVLOOP)
        return
    with _own_sink(is_chunking=wanted.chunking) as port:
        _measure("own sink", port, wanted)
    program = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program and not wanted.chunking:
        with _postfix_sink(program) as port:
            _measure("smtp-sink", port, wanted)
            _measure_source(f"{program[: -len('sink')]}source", port, wanted)


if __name__ == "__main__":
    main()
