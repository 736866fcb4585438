"""Who runs against whom: one command line per program and task, and its environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers import HOST, program

if TYPE_CHECKING:
    from pathlib import Path

SENDER = "sender@example.org"
RECIPIENT = "recipient@example.org"
USER = "sender"
PASSWORD = "open sesame"
EHLO_NAME = "bench.example.org"
BODY = "".join(
    f"Line {number:02} of a short report, as a job writes it.\r\n" for number in range(20)
)
MESSAGE = f"From: {SENDER}\r\nTo: {RECIPIENT}\r\nSubject: Bench\r\n\r\n{BODY}"

_NEXOMAILER = """\
[[providers]]
name = "sink"
[providers.config]
host = "{host}"
port = {port}
name = "{name}"
secure = {secure}
starttls = "{starttls}"
tls = {{ ca_file = "{ca}" }}
"""
_MSMTP = """\
account default
host {host}
port {port}
domain {name}
from {sender}
tls {tls}
tls_starttls {starttls}
tls_trust_file {ca}
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """A command to time. Its standard input comes from a file, its output goes nowhere."""

    name: str
    command: tuple[str, ...]
    stdin: Path | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything of the bench lies, as absolute paths."""

    work: Path

    @property
    def python(self) -> Path:
        """The interpreter of the clean venv."""
        return self.work / "venv/bin/python"

    @property
    def environment(self) -> dict[str, str]:
        """All that contenders see: no PYTHON…, no SSL_CERT_…, no NODE_…, no proxy."""
        return {
            "PATH": f"{self.work}/venv/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin",
            "HOME": f"{self.work}/home",
            "LANG": "C.UTF-8",
            "PASSWORD": PASSWORD,
        }

    def prepare(self) -> None:
        """Write the texts that are sent."""
        (self.work / "body.txt").write_text(BODY, newline="")
        (self.work / "message.eml").write_text(MESSAGE, newline="")


def bare(place: Place) -> Contender:
    """Return the interpreter that does nothing: what everything is compared with."""
    return Contender("python -c pass", (str(place.python), "-c", "pass"))


def starts(place: Place) -> tuple[Contender, ...]:
    """Return what shows how long it takes until a program is there at all."""
    nexomailer = f"{place.work}/venv/bin/nexomailer"
    return (
        bare(place),
        Contender("node -e 0", (program("node"), "-e", "0")),
        Contender("nexomailer --version", (nexomailer, "--version")),
        Contender("nexomailer --help", (nexomailer, "--help")),
        Contender("nexomailer send --help", (nexomailer, "send", "--help")),
        Contender("msmtp --version", (program("msmtp"), "--version")),
        Contender("msmtp --help", (program("msmtp"), "--help")),
        Contender("swaks --version", (program("swaks"), "--version")),
        Contender("curl --version", (program("curl"), "--version")),
        Contender("curl --help", (program("curl"), "--help")),
    )


def senders(place: Place, security: str, port: int) -> tuple[Contender, ...]:
    """Return what sends one message of about 1 kB to `port`, each in its usual way."""
    return (
        _nexomailer(place, security, port),
        _nodemailer(place, security, port),
        _msmtp(place, security, port),
        _swaks(place, security, port),
        _curl(place, security, port),
    )


def probes(place: Place, security: str, port: int) -> tuple[Contender, ...]:
    """Return what signs in at `port` and leaves, sending nothing; a password is in `PASSWORD`."""
    return (_examination(place, security, port), _swaks_sign_in(place, security, port))


def _examination(place: Place, security: str, port: int) -> Contender:
    mode = {"starttls": "starttls", "tls": "implicit"}[security]
    command = (f"{place.work}/venv/bin/nexomailer", "test-connection", f"{HOST}:{port}")
    account = ("--security", mode, "--user", USER, "--password-env", "PASSWORD")
    trust = ("--ca-file", str(place.work / "ca.pem"), "--helo-name", EHLO_NAME)
    return Contender("nexomailer", (*command, *account, *trust))


def configuration(place: Place, security: str, port: int) -> Path:
    """Write nexomailer's configuration for the sink at `port`; return where it is."""
    file = place.work / f"nexomailer-{security}-{port}.toml"
    file.write_text(
        _NEXOMAILER.format(
            host=HOST,
            port=port,
            name=EHLO_NAME,
            secure="true" if security == "tls" else "false",
            starttls="required" if security == "starttls" else "never",
            ca=place.work / "ca.pem",
        )
    )
    file.chmod(0o600)
    return file


def _nexomailer(place: Place, security: str, port: int) -> Contender:
    file = configuration(place, security, port)
    people = ("--from", SENDER, "--to", RECIPIENT)
    what = ("--subject", "Bench", "--text", f"@{place.work}/body.txt")
    command = (f"{place.work}/venv/bin/nexomailer", "--config", str(file), "send", *people, *what)
    return Contender("nexomailer", command)


def _nodemailer(place: Place, security: str, port: int) -> Contender:
    script = str(place.work / "node/send.mjs")
    files = (str(place.work / "ca.pem"), str(place.work / "body.txt"))
    return Contender("nodemailer", (program("node"), script, security, str(port), *files))


def _msmtp(place: Place, security: str, port: int) -> Contender:
    file = place.work / f"msmtp-{security}-{port}.conf"
    file.write_text(
        _MSMTP.format(
            host=HOST,
            port=port,
            name=EHLO_NAME,
            sender=SENDER,
            tls="off" if security == "plain" else "on",
            starttls="on" if security == "starttls" else "off",
            ca=place.work / "ca.pem",
        )
    )
    file.chmod(0o600)
    command = (program("msmtp"), f"--file={file}", RECIPIENT)
    return Contender("msmtp", command, place.work / "message.eml")


def _swaks(place: Place, security: str, port: int) -> Contender:
    people = ("--from", SENDER, "--to", RECIPIENT)
    what = ("--h-Subject", "Bench", "--body", f"@{place.work}/body.txt", "--silent", "2")
    return Contender("swaks", (*_swaks_session(place, security, port), *people, *what))


def _swaks_sign_in(place: Place, security: str, port: int) -> Contender:
    account = ("--auth", "PLAIN", "--auth-user", USER, "--auth-password", PASSWORD)
    session = _swaks_session(place, security, port)
    return Contender("swaks", (*session, *account, "--quit-after", "AUTH"))


def _swaks_session(place: Place, security: str, port: int) -> tuple[str, ...]:
    verified = ("--tls-verify", "--tls-ca-path", str(place.work / "ca.pem"))
    tls = {"plain": (), "starttls": ("--tls", *verified), "tls": ("--tls-on-connect", *verified)}
    where = ("--server", HOST, "--port", str(port), "--helo", EHLO_NAME)
    return (program("swaks"), *where, *tls[security])


def _curl(place: Place, security: str, port: int) -> Contender:
    scheme = "smtps" if security == "tls" else "smtp"
    url = f"{scheme}://{HOST}:{port}/{EHLO_NAME}"
    tls = {"plain": (), "starttls": ("--ssl-reqd",), "tls": ()}[security]
    trust = () if security == "plain" else ("--cacert", str(place.work / "ca.pem"))
    people = ("--mail-from", SENDER, "--mail-rcpt", RECIPIENT)
    what = ("--upload-file", str(place.work / "message.eml"), "--silent", "--show-error")
    return Contender("curl", (program("curl"), url, *people, *what, *tls, *trust))
