"""A Postfix of our own: its configuration, queue, accounts and mailboxes in one folder.

It listens on a high port on loopback, delivers to its own mailboxes only, and never
looks at the system's configuration or mail.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from nexomailer_cli.sandbox.certificate import make_identity
from tests.servers.server import DOMAIN, MAILBOXES, SECONDS, SIZE_LIMIT, Server

PROGRAMS = ("postfix", "saslpasswd2")

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}

myhostname = mail.{domain}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
# No name server is asked, and nothing leaves the machine.
smtpd_peername_lookup = no
default_transport = error:5.7.1 this server delivers to its own mailboxes only
alias_maps =
notify_classes =

virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {mailboxes} }}
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}

message_size_limit = {size_limit}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
# Else whoever makes mistakes is kept waiting, one second each.
smtpd_error_sleep_time = 0

smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = {folder}/server.pem
smtpd_sasl_auth_enable = yes
# Where Debian's Postfix looks anyhow, whatever stands here.
cyrus_sasl_config_path = {folder}/etc/sasl
"""

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
"""

SASL = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {folder}/sasldb2
mech_list: PLAIN LOGIN
"""


@dataclass(slots=True)
class Postfix(Server):
    """A running Postfix, which signs people in after STARTTLS only."""

    log_name = "mail.log"
    begin = re.compile(r"smtpd\[\d+\]: connect from ")
    end = re.compile(r"smtpd\[\d+\]: disconnect from ")

    def start(self) -> None:
        """Write the configuration and start. Raises CalledProcessError."""
        self._write_configuration()
        self._write_identity(make_identity())
        self._write_account()
        # Returns when the port is open.
        self._control("start")

    def stop(self) -> None:
        """Stop, and wait for the end of every process."""
        self._control("stop")

    def delivered(self, mailbox: str, *, seconds: float = SECONDS) -> bytes:
        """Wait for the one message of a mailbox, take it out and return it."""
        deadline = time.monotonic() + seconds
        while not (messages := self.messages(mailbox)):
            assert time.monotonic() < deadline, f"no message for {mailbox}:\n{self.log}"
            time.sleep(0.01)  # a program of its own, which tells nobody when it is done
        (message,) = messages
        content = message.read_bytes()
        message.unlink()
        return content

    def messages(self, mailbox: str) -> list[Path]:
        """Return what has arrived in a mailbox so far."""
        assert mailbox in MAILBOXES
        return sorted((self.folder / "mail" / mailbox / "new").glob("*"))

    def is_idle(self) -> bool:
        """Whether nothing waits for its delivery, or is on its way."""
        queues = ("incoming", "active", "deferred", "maildrop", "corrupt", "hold")
        return not any(
            files for queue in queues for *_, files in os.walk(self.folder / "queue" / queue)
        )

    def taken(self) -> list[bytes]:
        """Wait until nothing is on its way, and take out what was delivered."""
        deadline = time.monotonic() + 4 * SECONDS
        while not self.is_idle():
            assert time.monotonic() < deadline, f"the queue is never empty:\n{self.log}"
            time.sleep(0.05)  # a program of its own, which tells nobody when it is done
        files = [file for mailbox in MAILBOXES for file in self.messages(mailbox)]
        contents = [file.read_bytes() for file in files]
        for file in files:
            file.unlink()
        return contents

    @staticmethod
    def commands(log: str) -> Counter[str]:
        """Return how often each command was given, successful or not."""
        given: Counter[str] = Counter()
        for line in re.findall(r": disconnect from \S+ (.*) commands=", log):
            for name, count in (each.split("=") for each in line.split()):
                # `auth=1`, or `auth=0/1` where not all of them succeeded.
                given[name.upper()] += int(count.rpartition("/")[2])
        return given

    def _write_configuration(self) -> None:
        folders = {
            name: self.folder / name for name in ("etc", "etc/sasl", "queue", "data", "mail")
        }
        for folder in folders.values():
            folder.mkdir()
        shutil.chown(folders["data"], "postfix")
        shutil.chown(folders["mail"], "nobody", "nogroup")
        mail = folders["mail"].stat()
        mailboxes = ", ".join(f"{name}@{DOMAIN}={name}/" for name in MAILBOXES)
        main = MAIN.format(
            folder=self.folder,
            domain=DOMAIN,
            mailboxes=mailboxes,
            uid=mail.st_uid,
            gid=mail.st_gid,
            size_limit=SIZE_LIMIT,
        )
        (folders["etc"] / "main.cf").write_text(main)
        (folders["etc"] / "master.cf").write_text(MASTER.format(port=self.port))
        (folders["etc/sasl"] / "smtpd.conf").write_text(SASL.format(folder=self.folder))

    def _write_account(self) -> None:
        user, _, realm = self.username.partition("@")
        accounts = self.folder / "sasldb2"
        subprocess.run(
            ["saslpasswd2", "-c", "-p", "-f", accounts, "-u", realm, user],
            input=self.password.encode(),
            check=True,
        )
        shutil.chown(accounts, "postfix")

    def _control(self, command: str) -> None:
        done = subprocess.run(
            ["postfix", "-c", self.folder / "etc", command], capture_output=True, text=True
        )
        assert done.returncode == 0, f"postfix {command}: {done.stdout}{done.stderr}{self.log}"
