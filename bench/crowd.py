"""Many people: the table, the letter, and who sends it, one command line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from contenders import EHLO_NAME, SENDER, Contender, Place, configuration
from servers import HOST, program
from stopwatch import Run, Stopwatch

HERE = Path(__file__).resolve().parent
WORK = HERE / ".work"
PLACE = Place(WORK)
PYTHON = PLACE.python
TABLE, TEXT, HTML = (str(WORK / name) for name in ("people.csv", "text.txt", "body.html"))
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


@dataclass(frozen=True)
class Mailing:
    """What is to be sent, and where: `rows` over `connections`, to `port`, in TLS or not."""

    rows: int
    connections: int
    port: int
    security: str = "plain"

    @property
    def ca(self) -> tuple[str, ...]:
        """The authority to trust, as a last argument, where there is TLS."""
        return (str(WORK / "ca.pem"),) if self.security == "tls" else ()


Command: TypeAlias = Callable[[Mailing], tuple[str, ...]]
Mailings: TypeAlias = dict[str, tuple[Command, Mailing]]


def write_input(count: int) -> None:
    """Write rows and templates."""
    with Path(TABLE).open("w") as file:
        file.write("email,name,order,city\n")
        for n in range(count):
            file.write(f"recipient{n}@example.org,Name Surname {n},A-{n:07},City {n % 500}\n")
    Path(TEXT).write_text(_TEXT)
    Path(HTML).write_text(_HTML)
    (WORK / "merged.txt").write_text(_MERGED)


def nexomailer(mailing: Mailing) -> tuple[str, ...]:
    """The whole of `bulk`: examination, journal, report, List-Unsubscribe."""
    file = configuration(PLACE, mailing.security, mailing.port)
    return (
        *(str(PYTHON.with_name("nexomailer")), "--config", str(file)),
        *("bulk", TABLE, "--yes", "--quiet", "--from", SENDER),
        *("--subject", "Your order {{ order }}, {{ name }}"),
        *("--text", f"@{TEXT}", "--html", f"@{HTML}", "--report", str(WORK / "report.csv")),
        *("--connections", str(mailing.connections)),
        *("--list-unsubscribe", "https://example.org/u/{{ order }}"),
    )


def engine(mailing: Mailing) -> tuple[str, ...]:
    """The pool of `bulk` with ready-made messages: no table, no templates, no journal."""
    where = ("--to", str(mailing.port), *(("--ca", *mailing.ca) if mailing.ca else ()))
    how_many = ("--messages", str(mailing.rows), "--connections", str(mailing.connections))
    return (str(PYTHON), str(HERE / "engine.py"), *where, *how_many, "--octets", str(OCTETS))


def nodemailer(mailing: Mailing) -> tuple[str, ...]:
    """nodemailer's pool, with handlebars."""
    return (program("node"), str(WORK / "node/crowd.mjs"), *_script_arguments(mailing))


def aiosmtplib(mailing: Mailing) -> tuple[str, ...]:
    """aiosmtplib with uvloop, jinja2 and the standard library's EmailMessage."""
    return (str(PEERS / "python"), str(HERE / "crowd_aiosmtplib.py"), *_script_arguments(mailing))


def smtp_source(mailing: Mailing) -> tuple[str, ...]:
    """Postfix's load generator, in C: the same content again and again."""
    people = ("-f", SENDER, "-t", "recipient@example.org", "-M", EHLO_NAME)
    load = ("-s", str(mailing.connections), "-m", str(mailing.rows), "-l", str(OCTETS))
    return (program("smtp-source"), *people, *load, f"{HOST}:{mailing.port}")


def mailmerge(mailing: Mailing) -> tuple[str, ...]:
    """mailmerge: a connection per message, text only."""
    server = WORK / "mailmerge.conf"
    server.write_text(f"[smtp_server]\nhost = {HOST}\nport = {mailing.port}\nusername = none\n")
    files = ("--template", str(WORK / "merged.txt"), "--database", TABLE, "--config", str(server))
    return (str(PEERS / "mailmerge"), *files, "--no-dry-run", "--limit", str(mailing.rows))


def _script_arguments(mailing: Mailing) -> tuple[str, ...]:
    arguments = (TABLE, TEXT, HTML, *mailing.ca)
    return (str(mailing.port), str(mailing.connections), *arguments)


def forget_journal() -> None:
    """Remove what would make the next run a continuation."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{TABLE}.journal{suffix}").unlink(missing_ok=True)


def stopwatch() -> Stopwatch:
    """Return what times mailings, each as if it were the first."""
    return Stopwatch(PLACE.environment, WORK / "complaints.txt", forget_journal)


def rounds(mailings: Mailings, count: int) -> dict[str, list[Run]]:
    """Time all of them, in turn."""
    contenders = [Contender(name, command(each)) for name, (command, each) in mailings.items()]
    return stopwatch().rounds(contenders, count)
