"""A Sendmail of our own: its configuration, account, queue and transcript in one folder.

It listens on high ports on loopback and keeps what it accepts in its queue. The program and
the macros that its configuration is made of lie in a folder too, since its package cannot
share a machine with Postfix's; `install.sh` puts them there.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.sasl import MECHANISMS, write_accounts
from tests.servers.server import (
    DOMAIN,
    HOSTNAME,
    MAILBOXES,
    SECONDS,
    SIZE_LIMIT,
    VERBS,
    Accepted,
    Delivery,
    Server,
    Told,
    has_children,
    until,
)

ROOT = Path(__file__).parents[2] / ".venv/sendmail"
PROGRAM = ROOT / "usr/libexec/sendmail/sendmail"
MACROS = ROOT / "usr/share/sendmail/cf"
# A machine whose name has no dot keeps Sendmail waiting for a minute. So it is given another
# name, for this process alone.
NAMED = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', HOSTNAME)

CONFIGURATION = """\
divert(0)dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `{hostname}')dnl
define(`QUEUE_DIR', `{folder}/queue')dnl
define(`confPID_FILE', `{folder}/sendmail.pid')dnl
define(`confCR_FILE', `-o {folder}/relays')dnl
undefine(`HELP_FILE')dnl
undefine(`STATUS_FILE')dnl
define(`ALIAS_FILE', `')dnl
define(`confSERVICE_SWITCH_FILE', `{folder}/switch')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confTO_IDENT', `0')dnl
define(`confMAX_MESSAGE_SIZE', `{size_limit}')dnl
dnl Its folder is below one that everybody may write to, as all temporary ones are.
define(`confDONT_BLAME_SENDMAIL', `TrustStickyBit')dnl
dnl A busy machine is no reason to refuse.
define(`confREFUSE_LA', `1000')dnl
define(`confQUEUE_LA', `1000')dnl
dnl Nothing leaves the queue, and no name server is asked.
define(`confDELIVERY_MODE', `q')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`nouucp', `reject')dnl
FEATURE(`no_default_msa')dnl
define(`confCACERT', `{folder}/ca.pem')dnl
define(`confCACERT_PATH', `{folder}')dnl
define(`confSERVER_CERT', `{certificate}')dnl
define(`confSERVER_KEY', `{key}')dnl
dnl p: what shows the password is only offered once nobody can listen.
define(`confAUTH_OPTIONS', `A p y')dnl
define(`confAUTH_MECHANISMS', `{mechanisms}')dnl
TRUST_AUTH_MECH(`{mechanisms}')dnl
DAEMON_OPTIONS(`Name=MTA, Addr=127.0.0.1, Port={starttls}')dnl
DAEMON_OPTIONS(`Name=TLS, Addr=127.0.0.1, Port={implicit}, M=s')dnl
MAILER(`smtp')dnl
LOCAL_CONFIG
C{{Mailbox}}{mailboxes}
ESASL_CONF_PATH={folder}/sasl
LOCAL_RULESETS
SLocal_check_rcpt
R$*\t$: $>canonify $1
R$={{Mailbox}} <@ {domain} $* >\t$@ ok
R$*\t$#error $@ 5.1.1 $: "550 5.1.1 User unknown"
"""


@dataclass(slots=True)
class Sendmail(Server):
    """A running Sendmail, which keeps what it accepts in its queue."""

    name = "Sendmail"
    extensions = frozenset({"PIPELINING", "DSN", "8BITMIME"})
    lacks = frozenset({"CHUNKING", "SMTPUTF8"})
    mechanisms = MECHANISMS
    mechanisms_in_clear = ("CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256")
    log_name = "transcript"
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @classmethod
    def programs(cls) -> tuple[str, ...]:
        """Return the names or paths of the programs that it takes."""
        return (str(PROGRAM), "m4", "unshare", "saslpasswd2")

    @classmethod
    def version(cls) -> str:
        """Return the version of the program."""
        told = subprocess.run(
            [*NAMED, PROGRAM, "-C", "/dev/null", "-d0.1", "-bt"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        return told.stdout.split()[1]

    def start(self) -> None:
        """Write the configuration and start; return when the ports are open."""
        (self.folder / "queue").mkdir(0o700)
        (self.folder / "sasl").mkdir()
        (self.folder / "switch").write_text("hosts files\n")
        write_accounts(self, self.folder / "sasl/Sendmail.conf", owner="root")
        configuration = self._write_configuration()
        self._process = process = subprocess.Popen(
            [*NAMED, PROGRAM, "-C", configuration, "-bD", "-X", self.folder / self.log_name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # It writes this file when it listens.
        until(
            lambda: process.poll() is not None or (self.folder / "sendmail.pid").exists(),
            lambda: "Sendmail does not listen",
        )
        assert process.poll() is None, f"Sendmail ended: {process.returncode}"

    def stop(self) -> None:
        """Stop, and wait for the end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(SECONDS)

    def is_idle(self) -> bool:
        """Whether nothing was accepted."""
        return not list((self.folder / "queue").glob("qf*"))

    def is_settled(self) -> bool:
        """Whether nobody is connected any more: each session is a process."""
        assert self._process is not None
        return not has_children(self._process)

    def taken(self) -> list[Delivery]:
        """Take out what is in the queue."""
        copies = []
        for file in sorted((self.folder / "queue").glob("qf*")):
            text_file = file.with_name("df" + file.name[2:])
            copies += _copies(file.read_bytes(), text_file.read_bytes())
            file.unlink()
            text_file.unlink()
        return copies

    def read(self, log: str) -> Told:
        """Return what a part of the transcript tells."""
        sessions: dict[str, _Session] = {}
        for line in log.splitlines():
            pid, direction, text = line[:5], line[6:9], line[10:]
            sessions.setdefault(pid, _Session()).hear(direction, text)
        return Told(
            commands=sum((each.commands for each in sessions.values()), Counter()),
            refused=tuple(name for each in sessions.values() for name in each.refused),
            accepted=tuple(one for each in sessions.values() for one in each.accepted),
        )

    def _write_configuration(self) -> Path:
        certificate, key = self.write_identity()
        text = CONFIGURATION.format(
            hostname=HOSTNAME,
            folder=self.folder,
            size_limit=SIZE_LIMIT,
            certificate=certificate,
            key=key,
            mechanisms=" ".join(MECHANISMS),
            mailboxes=" ".join(MAILBOXES),
            domain=DOMAIN,
            **self.ports,
        )
        made = subprocess.run(
            ["m4", f"-D_CF_DIR_={MACROS}/", MACROS / "m4/cf.m4", "-"],
            input=text.encode(),
            stdout=subprocess.PIPE,
            check=True,
        )
        file = self.folder / "sendmail.cf"
        file.write_bytes(made.stdout)
        return file


@dataclass(slots=True)
class _Session:
    """One session, line by line; what comes between 354 and the dot is no command."""

    commands: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    _command: str = ""
    _mechanism: str = ""
    _message_id: str = ""
    _sender: str = ""
    _recipients: int = 0
    _is_content: bool = False

    def hear(self, direction: str, text: str) -> None:
        if direction == ">>>":
            self._answer(text)
        elif self._is_content:
            self._content(text)
        else:
            self._ask(text)

    def _ask(self, text: str) -> None:
        verb = text.split(" ")[0].upper()
        # What answers a challenge has no name, nor has the end of the connection.
        if verb in VERBS:
            self._command = text
            self.commands[verb] += 1
        if verb == "MAIL":
            self._sender = text.partition("<")[2].partition(">")[0]
            self._recipients = 0

    def _content(self, text: str) -> None:
        if text == ".":
            self._is_content = False
        elif text.lower().startswith("message-id: "):
            self._message_id = text.split(" ")[1]

    def _answer(self, text: str) -> None:
        if text.startswith("354"):
            self._is_content = True
        elif text.startswith("235"):
            self._mechanism = self._command.split(" ")[1]
        elif found := re.match(r"250 2\.0\.0 (\w+) Message accepted", text):
            accepted = Accepted(
                found[1], self._message_id, self._sender, self._recipients, self._mechanism
            )
            self.accepted.append(accepted)
        elif text.startswith("250 2.1.5"):
            self._recipients += 1
        elif found := re.match(r"550 5\.1\.1 <([^>]*)>", text):
            self.refused.append(found[1])


def _copies(told: bytes, text: bytes) -> list[Delivery]:
    """Read a message of the queue: who gets it and its headers, and its text from its side."""
    recipients = re.findall(rb"(?m)^R[A-Z]*:<(.+)>$", told)
    # `H??From: …`, and its continuation; what Sendmail adds itself has a condition between.
    headers = re.findall(rb"(?m)^H\?\?(.*\n(?:[ \t].*\n)*)", told)
    content = b"".join(headers) + b"\n" + text
    return [Delivery(each.decode(), content) for each in recipients]
