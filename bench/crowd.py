"""Many people: the table, the letter, and who sends it, one command line each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from contenders import EHLO_NAME, SENDER
from servers import HOST, program

HERE = Path(__file__).resolve().parent
WORK = HERE / ".work"
PYTHON = WORK / "venv/bin/python"
PEERS = WORK / "peers/bin"

_PARAGRAPH = (
    "We are glad to have you with us, and this paragraph is as long as such paragraphs are,"
    " which is not very long but longer than it would have to be. "
)
_TEXT = (
    "Hello {{ name }},\n\nyour order {{ order }} is on its way to {{ city }}.\n\n"
    + (_PARAGRAPH.strip() + "\n") * 4
)
_HTML = (
    "<html><body><h1>Hello {{ name }}</h1><p>Your order <b>{{ order }}</b> is on its way to"
    " {{ city }}.</p>\n" + f"<p>{_PARAGRAPH}</p>\n" * 5 + "</body></html>\n"
)
OCTETS = 2600  # of a message that is made of these
_MERGED = f"FROM: {SENDER}\nTO: {{{{ email }}}}\nSUBJECT: Your order {{{{ order }}}}\n\n{_TEXT}"

_PROVIDER = """\
[[providers]]
name = "sink"
[providers.config]
host = "{host}"
port = {port}
name = "{name}"
secure = {secure}
starttls = "never"
tls = {{ ca_file = "{ca}" }}
"""


@dataclass(frozen=True)
class Once:
    """One process: seconds on the clock and of the CPU, and the most memory in MiB."""

    wall: float
    cpu: float
    memory: float


@dataclass(frozen=True)
class Run:
    """What is to be sent, and where: `rows` over `connections`, to `port`, in TLS or not."""

    rows: int
    connections: int
    port: int
    security: str = "plain"

    @property
    def ca(self) -> tuple[str, ...]:
        """The authority to trust, as a last argument, where there is TLS."""
        return (str(WORK / "ca.pem"),) if self.security == "tls" else ()


Command: TypeAlias = Callable[[Run], tuple[str, ...]]


def write_input(count: int) -> None:
    """Write rows and templates."""
    with (WORK / "people.csv").open("w") as file:
        file.write("email,name,order,city\n")
        for n in range(count):
            file.write(f"recipient{n}@example.org,Name Surname {n},A-{n:07},City {n % 500}\n")
    (WORK / "text.txt").write_text(_TEXT)
    (WORK / "body.html").write_text(_HTML)
    (WORK / "merged.txt").write_text(_MERGED)


def nexomailer(run: Run) -> tuple[str, ...]:
    """The whole of `bulk`: examination, journal, report, List-Unsubscribe."""
    file = WORK / f"crowd-{run.port}.toml"
    text = _PROVIDER.format(
        host=HOST,
        port=run.port,
        name=EHLO_NAME,
        secure="true" if run.security == "tls" else "false",
        ca=WORK / "ca.pem",
    )
    file.write_text(text)
    file.chmod(0o600)
    return (
        *(str(PYTHON.with_name("nexomailer")), "--config", str(file)),
        *("bulk", "people.csv", "--yes", "--quiet", "--from", SENDER),
        *("--subject", "Your order {{ order }}, {{ name }}"),
        *("--text", "@text.txt", "--html", "@body.html", "--report", "report.csv"),
        *("--connections", str(run.connections)),
        *("--list-unsubscribe", "https://example.org/u/{{ order }}"),
    )


def engine(run: Run) -> tuple[str, ...]:
    """The pool of `bulk` with ready-made messages: no table, no templates, no journal."""
    where = ("--to", str(run.port), *(("--ca", *run.ca) if run.ca else ()))
    how_many = ("--messages", str(run.rows), "--connections", str(run.connections))
    return (str(PYTHON), str(HERE / "engine.py"), *where, *how_many, "--octets", str(OCTETS))


def nodemailer(run: Run) -> tuple[str, ...]:
    """nodemailer's pool, with handlebars."""
    return (program("node"), "node/crowd.mjs", *_script_arguments(run))


def aiosmtplib(run: Run) -> tuple[str, ...]:
    """aiosmtplib with uvloop, jinja2 and the standard library's EmailMessage."""
    return (str(PEERS / "python"), str(HERE / "crowd_aiosmtplib.py"), *_script_arguments(run))


def smtp_source(run: Run) -> tuple[str, ...]:
    """Postfix's load generator, in C: the same content again and again."""
    people = ("-f", SENDER, "-t", "recipient@example.org", "-M", EHLO_NAME)
    load = ("-s", str(run.connections), "-m", str(run.rows), "-l", str(OCTETS))
    return (program("smtp-source"), *people, *load, f"{HOST}:{run.port}")


def mailmerge(run: Run) -> tuple[str, ...]:
    """mailmerge: a connection per message, text only."""
    server = WORK / "mailmerge.conf"
    server.write_text(f"[smtp_server]\nhost = {HOST}\nport = {run.port}\nusername = none\n")
    files = ("--template", "merged.txt", "--database", "people.csv", "--config", str(server))
    return (str(PEERS / "mailmerge"), *files, "--no-dry-run", "--limit", str(run.rows))


def _script_arguments(run: Run) -> tuple[str, ...]:
    arguments = ("people.csv", "text.txt", "body.html", *run.ca)
    return (str(run.port), str(run.connections), *arguments)


def environment() -> dict[str, str]:
    """Return all that a process gets."""
    return {
        "PATH": f"{PYTHON.parent}:{os.environ['PATH']}",
        "HOME": str(WORK / "home"),
        "LANG": "C.UTF-8",
    }


def forget_journal() -> None:
    """Remove what would make the next run a continuation."""
    for suffix in ("", "-wal", "-shm"):
        (WORK / f"people.csv.journal{suffix}").unlink(missing_ok=True)


def once(command: tuple[str, ...]) -> Once:
    """Run a process to its end; end the bench if it fails, for a failure is quick."""
    forget_journal()
    complaints = WORK / "complaints.txt"
    write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    started = time.perf_counter()
    process = os.posix_spawn(
        "/usr/bin/env",
        ("env", "-C", str(WORK), *command),
        environment(),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, str(complaints), write, 0o600),
        ],
    )
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{complaints.read_text()}")
    return Once(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def rounds(runs: Mapping[str, tuple[Command, Run]], count: int) -> dict[str, list[Once]]:
    """Run all of them, in turn; the first round warms the caches and is forgotten.

    Every other round goes backwards: nobody always runs behind the same neighbour.
    """
    done: dict[str, list[Once]] = {name: [] for name in runs}
    for number in range(count + 1):
        for name in runs if number % 2 else reversed(list(runs)):
            command, run = runs[name]
            result = once(command(run))
            if number:
                done[name].append(result)
    return done
