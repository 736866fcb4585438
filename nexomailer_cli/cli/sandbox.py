"""`nexomailer sandbox`: a mail server that delivers nothing and keeps everything."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from nexomailer_cli.cli.everywhere import Globals
from nexomailer_cli.cli.options import ConfigPath, Debug, NoColor, Quiet, Verbose, Version, settle

if TYPE_CHECKING:
    from queue import SimpleQueue

    from nexomailer_cli.cli.output import Output
    from nexomailer_cli.sandbox.reception import Captured
    from nexomailer_cli.sandbox.server import Sandbox

SCHEMA = "nexomailer.sandbox/1"
LOOK_SECONDS = 1.0
DEFAULT_PORT = 2525  # the customary stand-in for 25 and 587, and no privilege needed


def sandbox(
    context: typer.Context,
    port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, metavar="N", help="Port on 127.0.0.1; 0 takes any free one."
        ),
    ] = DEFAULT_PORT,
    maildir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep the messages in this Maildir; else they are deleted at the end.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per line: first `ready`, then messages.")
    ] = False,
    config: ConfigPath = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    debug: Debug = False,
    version: Version = False,
) -> None:
    """Run a mail server on this machine that catches whatever is sent to it.

    It speaks STARTTLS with a certificate made on the spot, takes a user name and a
    password, stores what arrives as a Maildir and prints one line per message.
    Nothing leaves the machine. Ctrl-C ends it.

    Some addresses make it misbehave:

    \b
    forbidden@sandbox.test   as the sender: refused         550 5.7.60
    reject@sandbox.test      the recipient, for good        550 5.1.1
    defer@sandbox.test       the recipient, for now         450 4.2.0
    hangup@sandbox.test      the session is ended           421 4.3.2
    spam@sandbox.test        the message, for good          554 5.7.1
    busy@sandbox.test        the message, for now           451 4.3.0
    drop@sandbox.test        stored, then the line is dead  no reply
    """
    output = settle(context, Globals(config, verbose, quiet, no_color, debug)).output
    _run(output, port=port, maildir=maildir, as_json=as_json)


def _run(output: "Output", *, port: int, maildir: Path | None, as_json: bool) -> None:
    import queue

    from nexomailer_cli.sandbox.server import Sandbox

    arrivals: SimpleQueue[Captured | None] = queue.SimpleQueue()
    with (
        _told_to_end(lambda: arrivals.put(None)),
        Sandbox(port=port, maildir=maildir, on_message=arrivals.put) as server,
        _while_somebody_reads(),
    ):
        output.note(_introduction(server, kept=maildir is not None))
        if as_json:
            _write_json(_ready(server))
        for captured in iter(lambda: _next(arrivals), None):
            _show(captured, as_json=as_json)


def _next(arrivals: "SimpleQueue[Captured | None]") -> "Captured | None":
    """Wait for what comes next.

    A signal that falls between the interpreter's last look and the wait does not end the wait, so
    there are looks in between.
    """
    from queue import Empty

    while True:
        try:
            return arrivals.get(timeout=LOOK_SECONDS)
        except Empty:
            continue


@contextmanager
def _told_to_end(end: Callable[[], None]) -> Iterator[None]:
    """Call `end` on the first Ctrl-C or SIGTERM; a second one has its usual effect.

    An exception instead would now and then lose a message between queue and screen.
    """

    def told(number: int, _: FrameType | None) -> None:
        signal.signal(number, usual[signal.Signals(number)])
        end()

    usual = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)


@contextmanager
def _while_somebody_reads() -> Iterator[None]:
    # `Output` goes on without its reader; a server that nobody watches should not.
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _introduction(server: "Sandbox", *, kept: bool) -> str:
    from shlex import quote

    lines = (
        f"The sandbox listens on {server.host}:{server.port}. Ctrl-C ends it.",
        f"Messages: {server.maildir}" + ("" if kept else " (deleted at the end; see --maildir)"),
        "",
        "# For nexomailer.toml:",
        _provider_block(server),
        "# Or, for one shell:",
        f"export NEXOMAILER_URL={quote(_url(server))}",
        "",
    )
    return "\n".join(lines)


def _ready(server: "Sandbox") -> dict[str, str | int]:
    return {
        "event": "ready",
        "host": server.host,
        "port": server.port,
        "username": server.username,
        "password": server.password,
        "ca_file": str(server.ca_file),
        "maildir": str(server.maildir),
        "url": _url(server),
    }


def _url(server: "Sandbox") -> str:
    from urllib.parse import quote

    user = f"{server.username}:{server.password}"
    place = f"{server.host}:{server.port}"
    return f"smtp+starttls://{user}@{place}?ca_file={quote(str(server.ca_file))}"


def _provider_block(server: "Sandbox") -> str:
    import tomli_w

    config = {
        "host": server.host,
        "port": server.port,
        "starttls": "required",
        "auth": {"user": server.username, "pass": server.password},
        "tls": {"ca_file": str(server.ca_file)},
    }
    return tomli_w.dumps({"providers": [{"name": "sandbox", "type": "smtp", "config": config}]})


def _show(captured: "Captured", *, as_json: bool) -> None:
    if as_json:
        _write_json(_record(captured))
    else:
        _write_line(_line(captured))


def _record(captured: "Captured") -> dict[str, object]:
    return {
        "event": "message",
        "id": captured.id,
        "received": captured.received.isoformat(timespec="milliseconds"),
        "sender": captured.sender,
        "recipients": captured.recipients,
        "subject": captured.subject,
        "size": captured.size,
        "tls": captured.tls,
        "user": captured.user,
        "file": str(captured.path),
    }


def _line(captured: "Captured") -> str:
    from nexomailer_cli.printable import printable

    time = captured.received.astimezone().strftime("%H:%M:%S")
    return printable(
        f"{time}  <{captured.sender}> -> {_few(captured.recipients)}  “{_short(captured.subject)}”"
        f"  {captured.size} bytes  {captured.path}"
    )


def _few(recipients: tuple[str, ...]) -> str:
    more = len(recipients) - 3
    return ", ".join(recipients[:3]) + (f" and {more} more" if more > 0 else "")


def _short(subject: str) -> str:
    return subject if len(subject) <= 80 else subject[:79] + "…"


def _write_json(record: Mapping[str, object]) -> None:
    import json

    _write_line(json.dumps({"schema": SCHEMA, **record}))


def _write_line(line: str) -> None:
    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.flush()
