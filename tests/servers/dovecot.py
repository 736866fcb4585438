"""A Dovecot of our own that takes mail by LMTP: on a port and at a Unix socket.

One of its mailboxes has no room left, which it finds out after the content and says for that
recipient alone.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from nexomailer_cli.sandbox.certificate import make_identity
from tests.servers.server import DOMAIN, MAILBOXES, SECONDS

PROGRAMS = ("dovecot",)
FULL = MAILBOXES[-1]

CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = lmtp
mail_location = maildir:{folder}/mail/%n
mail_plugins = quota
first_valid_uid = 1
ssl = yes
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.pem
postmaster_address = postmaster@{domain}
hostname = box.{domain}
auth_username_format = %Ln
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
  unix_listener {socket} {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
plugin {{
  quota = maildir:User quota
}}
protocol lmtp {{
  mail_plugins = quota
}}
"""


@dataclass(slots=True)
class Dovecot:
    """A running Dovecot; `folder` holds all of it but the program."""

    folder: Path
    port: int

    @property
    def socket(self) -> Path:
        """Where it listens too."""
        return self.folder / "lmtp"

    @property
    def ca_file(self) -> Path:
        """The authority to trust."""
        return self.folder / "ca.pem"

    @property
    def log(self) -> str:
        """What it has to say, for whoever wonders why a test failed."""
        file = self.folder / "dovecot.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Write the configuration and start; return when both doors are open."""
        self._write()
        self._run("dovecot", "-c", self._file)
        deadline = time.monotonic() + SECONDS
        while not self.socket.exists():
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)  # a program of its own, which tells nobody when it is done

    def stop(self) -> None:
        """Stop, and wait for the end."""
        self._run("doveadm", "-c", self._file, "stop")
        deadline = time.monotonic() + SECONDS
        while (self.folder / "run" / "master.pid").exists():
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)

    def taken(self) -> dict[str, list[bytes]]:
        """Take out what has been delivered, by mailbox."""
        found: dict[str, list[bytes]] = {}
        for mailbox in MAILBOXES:
            for file in (self.folder / "mail" / mailbox / "new").glob("*"):
                found.setdefault(mailbox, []).append(file.read_bytes())
                file.unlink()
        return found

    def _run(self, *command: str) -> None:
        # Into a file, since what stays behind would keep a pipe open.
        with (self.folder / "control.log").open("ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, timeout=SECONDS)

    @property
    def _file(self) -> str:
        return str(self.folder / "dovecot.conf")

    def _write(self) -> None:
        identity = make_identity()
        self.ca_file.write_bytes(identity.authority)
        (self.folder / "server.pem").write_bytes(identity.key + identity.certificate)
        mail = self.folder / "mail"
        mail.mkdir()
        owner = mail.stat()
        uid, gid = (65534, 65534) if owner.st_uid == 0 else (owner.st_uid, owner.st_gid)
        os.chown(mail, uid, gid)
        users = []
        for mailbox in MAILBOXES:
            room = "1B" if mailbox == FULL else "100M"
            home = f"{mail}/{mailbox}"
            users.append(f"{mailbox}::{uid}:{gid}::{home}::userdb_quota_rule=*:storage={room}")
        (self.folder / "users").write_text("\n".join([*users, ""]))
        Path(self._file).write_text(
            CONFIGURATION.format(
                folder=self.folder, domain=DOMAIN, port=self.port, socket=self.socket
            )
        )
