"""An Exim of our own: its configuration, account, queue and logs in one folder.

It listens on high ports on loopback and keeps what it accepts in its queue. The program lies
in a folder too, beside the Postfix that is installed, whose package it cannot share a machine
with; `install.sh` puts it there.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.server import (
    DOMAIN,
    HOSTNAME,
    MAILBOXES,
    SECONDS,
    SIZE_LIMIT,
    UMLAUT,
    Accepted,
    Delivery,
    Server,
    Told,
    has_children,
    until,
)

PROGRAM = Path(__file__).parents[2] / ".venv/exim/usr/sbin/exim4"
USER = "Debian-exim"

CONFIGURATION = """\
exim_path = {program}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/exim.pid
keep_environment =

primary_hostname = {hostname}
qualify_domain = {domain}
local_interfaces = 127.0.0.1
disable_ipv6
daemon_smtp_ports = {starttls} : {implicit}
tls_on_connect_ports = {implicit}
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
message_size_limit = {size_limit}
# No name server is asked, and nothing leaves the queue.
host_lookup =
queue_only
log_selector = +smtp_connection +smtp_protocol_error +smtp_syntax_error +received_recipients

acl_smtp_rcpt = recipient
acl_smtp_quit = goodbye
acl_smtp_notquit = goodbye

begin acl

recipient:
  deny    !authenticated = *
          message = relay not permitted
  require verify = recipient
  accept

goodbye:
  accept  logwrite = commands: $smtp_command_history

begin routers

mailboxes:
  driver = accept
  domains = {domain}
  local_parts = {mailboxes}
  verify_only

begin authenticators

plain:
  driver = plaintext
  public_name = PLAIN
  server_advertise_condition = ${{if def:tls_in_cipher}}
  server_prompts = :
  server_condition = ${{if and {{{{eq {{$auth2}}{{{user}}}}}{{eq {{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2

login:
  driver = plaintext
  public_name = LOGIN
  server_advertise_condition = ${{if def:tls_in_cipher}}
  server_prompts = Username:: : Password::
  server_condition = ${{if and {{{{eq {{$auth1}}{{{user}}}}}{{eq {{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1

cram_md5:
  driver = cram_md5
  public_name = CRAM-MD5
  server_advertise_condition = ${{if def:tls_in_cipher}}
  server_secret = ${{if eq {{$auth1}}{{{user}}}{{{password}}}fail}}
  server_set_id = $auth1

xoauth2:
  driver = plaintext
  public_name = XOAUTH2
  server_advertise_condition = ${{if def:tls_in_cipher}}
  server_prompts = :
  server_condition = ${{if eq {{$auth1}}{{user={user}\\x01auth=Bearer {token}\\x01\\x01}}}}
  server_set_id = {user}

oauthbearer:
  driver = plaintext
  public_name = OAUTHBEARER
  server_advertise_condition = ${{if def:tls_in_cipher}}
  server_prompts = :
  server_condition = ${{if eq {{$auth1}}{{n,a={user},\\x01auth=Bearer {token}\\x01\\x01}}}}
  server_set_id = {user}
"""


@dataclass(slots=True)
class Exim(Server):
    """A running Exim, which keeps what it accepts in its queue."""

    name = "Exim"
    extensions = frozenset({"PIPELINING", "SMTPUTF8", "CHUNKING", "8BITMIME"})
    lacks = frozenset({"DSN"})
    mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER")
    unknown_user = (550, "")
    log_name = "log/mainlog"
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @classmethod
    def programs(cls) -> tuple[str, ...]:
        """Return the names or paths of the programs that it takes."""
        return (str(PROGRAM),)

    @classmethod
    def version(cls) -> str:
        """Return the version of the program."""
        told = subprocess.run(
            [PROGRAM, "-C", "/dev/null", "-bV"], capture_output=True, text=True, check=True
        )
        return told.stdout.split()[2]

    def start(self) -> None:
        """Write the configuration and start; return when the ports are open."""
        for name in ("spool", "log"):
            (self.folder / name).mkdir()
            shutil.chown(self.folder / name, USER, USER)
        configuration = self._write_configuration()
        self._process = process = subprocess.Popen(
            [PROGRAM, "-C", configuration, "-bdf"], stdin=subprocess.DEVNULL
        )
        until(
            lambda: process.poll() is not None or "listening" in self.log,
            lambda: "Exim does not listen",
        )
        assert process.poll() is None, f"Exim ended: {process.returncode}"

    def stop(self) -> None:
        """Stop, and wait for the end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(SECONDS)

    def is_idle(self) -> bool:
        """Whether nothing was accepted."""
        return not self._queued()

    def is_settled(self) -> bool:
        """Whether nobody is connected any more: each session is a process."""
        assert self._process is not None
        return not has_children(self._process)

    def taken(self) -> list[Delivery]:
        """Take out what is in the queue."""
        copies = []
        for file in self._queued():
            if file.name.endswith("-H"):
                copies += _copies(file)
            file.unlink(missing_ok=True)
        return copies

    def read(self, log: str) -> Told:
        """Return what a part of the log tells."""
        histories = re.findall(r"commands: (\S+)", log)
        return Told(
            commands=Counter(command for line in histories for command in line.split(",")),
            refused=tuple(re.findall(r"rejected RCPT <([^>]*)>", log)),
            accepted=tuple(_accepted(line) for line in log.splitlines() if " <= " in line),
        )

    def _queued(self) -> list[Path]:
        files = [path for path in (self.folder / "spool/input").rglob("*") if path.is_file()]
        return sorted(files, reverse=True)  # ...-H before its ...-D

    def _write_configuration(self) -> Path:
        # The key is read anew for each connection, which is no longer root's.
        certificate, key = self.write_identity(owner=USER)
        text = CONFIGURATION.format(
            program=PROGRAM,
            folder=self.folder,
            hostname=HOSTNAME,
            domain=DOMAIN,
            certificate=certificate,
            key=key,
            size_limit=SIZE_LIMIT,
            mailboxes=" : ".join((*MAILBOXES, UMLAUT)),
            user=self.username,
            password=self.password,
            token=self.token,
            **self.ports,
        )
        file = self.folder / "exim.conf"
        file.touch(0o600)
        file.write_text(text)
        return file


def _accepted(line: str) -> Accepted:
    """Read `… ID <= sender H=… A=plain:who S=123 id=… for anna@… bert@…`."""
    queue_id = line.split(" <= ")[0].split()[-1]
    found = re.search(r" <= (\S+) .* A=([\w-]+):.* id=(\S+) for (.*)", line)
    assert found, line
    sender, driver, message_id, recipients = found.groups()
    mechanism = driver.upper().replace("_", "-")
    return Accepted(queue_id, f"<{message_id}>", sender, len(recipients.split()), mechanism)


def _copies(header_file: Path) -> list[Delivery]:
    """Read a message of the queue: who gets it and its headers, and its text from its side."""
    told = header_file.read_bytes()
    found = re.search(rb"\n(\d+)\n((?:[^\n]+\n)+)\n", told)
    assert found, told
    recipients = found[2].decode().splitlines()
    assert len(recipients) == int(found[1])
    headers, rest = b"", told[found.end() :]
    while rest:
        # `123F From: …`: the length, what kind it is (`*` for one that is no more), the header.
        mark = re.match(rb"(\d{3,})(.) ?", rest)
        assert mark, rest
        start, end = mark.end(), mark.end() + int(mark[1])
        headers += b"" if mark[2] == b"*" else rest[start:end]
        rest = rest[end:]
    text_file = header_file.with_name(header_file.name.removesuffix("-H") + "-D")
    text = text_file.read_bytes().partition(b"\n")[2]
    return [Delivery(each, headers + b"\n" + text) for each in recipients]
