"""An Exim of our own: its configuration, account, queue and logs in one folder.

It listens on a high port on loopback, with TLS from the first byte, and keeps what it accepts
in its queue. The program lies in a folder too, beside the Postfix that is installed, whose
package it cannot share a machine with; `install.sh` puts it there.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from nexomailer_cli.sandbox.certificate import make_identity
from tests.servers.server import DOMAIN, MAILBOXES, SECONDS, SIZE_LIMIT, Server

PROGRAM = Path(__file__).parents[2] / ".venv/exim/usr/sbin/exim4"
USER = "Debian-exim"

CONFIGURATION = """\
exim_path = {program}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/exim.pid
keep_environment =

primary_hostname = mx.{domain}
qualify_domain = {domain}
local_interfaces = 127.0.0.1
disable_ipv6
daemon_smtp_ports = {port}
tls_on_connect_ports = {port}
tls_certificate = {folder}/server.pem
message_size_limit = {size_limit}
# No name server is asked, and nothing leaves the queue.
host_lookup =
queue_only
log_selector = +smtp_connection +smtp_protocol_error +smtp_syntax_error

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
"""


@dataclass(slots=True)
class Exim(Server):
    """A running Exim, which keeps what it accepts in its queue."""

    log_name = "log/mainlog"
    begin = re.compile(r"SMTP connection from \S+ \(TCP/IP connection count")
    end = re.compile(r"closed by QUIT|\] lost |\(gnutls_handshake\)")
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Write the configuration and start; return when the port is open."""
        for name in ("spool", "log"):
            (self.folder / name).mkdir()
            shutil.chown(self.folder / name, USER, USER)
        # Read anew for each connection, which is no longer root's.
        shutil.chown(self._write_identity(make_identity()), USER, USER)
        configuration = self._write_configuration()
        self._process = subprocess.Popen(
            [PROGRAM, "-C", configuration, "-bdf"], stdin=subprocess.DEVNULL
        )
        deadline = time.monotonic() + SECONDS
        while "listening" not in self.log:
            assert self._process.poll() is None, f"Exim ended: {self._process.returncode}"
            assert time.monotonic() < deadline, "Exim does not listen"
            time.sleep(0.01)  # a program of its own, which tells nobody when it is ready

    def stop(self) -> None:
        """Stop, and wait for the end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(SECONDS)

    def is_idle(self) -> bool:
        """Whether nothing was accepted."""
        return not self._queued()

    def empty_queue(self) -> None:
        """Forget what was accepted."""
        for file in self._queued():
            file.unlink()

    def taken(self) -> list[bytes]:
        """Take out what is in the queue: its headers, in Exim's way of keeping them."""
        contents = [file.read_bytes() for file in self._queued() if file.name.endswith("-H")]
        self.empty_queue()
        return contents

    def _queued(self) -> list[Path]:
        return [path for path in (self.folder / "spool/input").rglob("*") if path.is_file()]

    @staticmethod
    def commands(log: str) -> Counter[str]:
        """Return how often each command was given, successful or not."""
        lines = re.findall(r"commands: (\S+)", log)
        return Counter(command for line in lines for command in line.split(","))

    def _write_configuration(self) -> Path:
        text = CONFIGURATION.format(
            program=PROGRAM,
            folder=self.folder,
            domain=DOMAIN,
            port=self.port,
            size_limit=SIZE_LIMIT,
            mailboxes=" : ".join(MAILBOXES),
            user=self.username,
            password=self.password,
        )
        file = self.folder / "exim.conf"
        file.touch(0o600)
        file.write_text(text)
        return file
