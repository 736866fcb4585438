"""A Postfix of our own: its configuration, queue, accounts and mailboxes in one folder.

It listens on high ports on loopback, delivers to its own mailboxes only, and never
looks at the system's configuration or mail.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.servers.sasl import MECHANISMS, write_accounts
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
    until,
)

PROGRAMS = ("postfix", "postconf", "saslpasswd2")

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}

myhostname = {hostname}
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
virtual_mailbox_limit = 0
smtpd_relay_restrictions = permit_sasl_authenticated, reject
# Else whoever makes mistakes is kept waiting, one second each.
smtpd_error_sleep_time = 0

smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = {key}, {certificate}
smtpd_sasl_auth_enable = yes
# Where Debian's Postfix looks anyhow, whatever stands here.
cyrus_sasl_config_path = {folder}/etc/sasl
"""

MASTER = """\
127.0.0.1:{starttls} inet n - n - - smtpd
127.0.0.1:{implicit} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
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


@dataclass(slots=True)
class Postfix(Server):
    """A running Postfix, which signs people in after STARTTLS only."""

    name = "Postfix"
    extensions = frozenset({"PIPELINING", "DSN", "SMTPUTF8", "CHUNKING", "8BITMIME"})
    mechanisms = MECHANISMS
    log_name = "mail.log"
    begin = re.compile(r"smtpd\[\d+\]: connect from ")
    end = re.compile(r"smtpd\[\d+\]: disconnect from ")

    @classmethod
    def programs(cls) -> tuple[str, ...]:
        """Return the names or paths of the programs that it takes."""
        return PROGRAMS

    @classmethod
    def version(cls) -> str:
        """Return the version of the program."""
        return subprocess.check_output(["postconf", "-d", "-h", "mail_version"], text=True).strip()

    def start(self) -> None:
        """Write the configuration and start. Raises CalledProcessError."""
        self._write_configuration()
        write_accounts(self, self.folder / "etc/sasl/smtpd.conf", owner="postfix")
        # Returns when the ports are open.
        self._control("start")

    def stop(self) -> None:
        """Stop, and wait for the end of every process."""
        self._control("stop")

    def is_idle(self) -> bool:
        """Whether nothing waits for its delivery, or lies in a mailbox."""
        return not self._is_on_its_way() and not self._delivered()

    def taken(self) -> list[Delivery]:
        """Wait until nothing is on its way, and take out what was delivered."""
        until(
            lambda: not self._is_on_its_way(),
            lambda: f"the queue is never empty:\n{self.log[-5000:]}",
            seconds=4 * SECONDS,
        )
        files = self._delivered()
        copies = [Delivery(f"{f.parts[-3]}@{DOMAIN}", f.read_bytes()) for f in files]
        for file in files:
            file.unlink()
        return copies

    def read(self, log: str) -> Told:
        """Return what a part of the log tells."""
        return Told(
            commands=_commands(log),
            refused=tuple(re.findall(r" reject: RCPT from [^<]*<([^>]*)>", log)),
            accepted=_accepted(log),
        )

    def _is_on_its_way(self) -> bool:
        queues = ("incoming", "active", "deferred", "maildrop", "corrupt", "hold")
        return any(
            files for queue in queues for *_, files in os.walk(self.folder / "queue" / queue)
        )

    def _delivered(self) -> list[Path]:
        return sorted((self.folder / "mail").glob("*/new/*"))

    def _write_configuration(self) -> None:
        folders = {
            name: self.folder / name for name in ("etc", "etc/sasl", "queue", "data", "mail")
        }
        for folder in folders.values():
            folder.mkdir()
        shutil.chown(folders["data"], "postfix")
        shutil.chown(folders["mail"], "nobody", "nogroup")
        mail = folders["mail"].stat()
        certificate, key = self.write_identity()
        main = MAIN.format(
            folder=self.folder,
            hostname=HOSTNAME,
            domain=DOMAIN,
            mailboxes=", ".join(f"{name}@{DOMAIN}={name}/" for name in (*MAILBOXES, UMLAUT)),
            uid=mail.st_uid,
            gid=mail.st_gid,
            size_limit=SIZE_LIMIT,
            certificate=certificate,
            key=key,
        )
        (folders["etc"] / "main.cf").write_text(main)
        (folders["etc"] / "master.cf").write_text(MASTER.format(**self.ports))

    def _control(self, command: str) -> None:
        done = subprocess.run(
            ["postfix", "-c", self.folder / "etc", command], capture_output=True, text=True
        )
        assert done.returncode == 0, f"postfix {command}: {done.stdout}{done.stderr}{self.log}"


def _commands(log: str) -> Counter[str]:
    given: Counter[str] = Counter()
    for line in re.findall(r": disconnect from \S+ (.*) commands=", log):
        for name, count in (each.split("=") for each in line.split()):
            # `auth=1`, or `auth=0/1` where not all of them succeeded.
            given[name.upper()] += int(count.rpartition("/")[2])
    return given


def _accepted(log: str) -> tuple[Accepted, ...]:
    # A line each, of three processes: who sent it, what it is called, for how many it is.
    mechanisms = dict(re.findall(r"smtpd\[\d+\]: (\w+): client=.* sasl_method=([\w-]+)", log))
    names = dict(re.findall(r"cleanup\[\d+\]: (\w+): message-id=(\S+)", log))
    envelopes = re.findall(r"qmgr\[\d+\]: (\w+): from=<([^>]*)>.* nrcpt=(\d+) ", log)
    return tuple(
        Accepted(queue_id, names[queue_id], sender, int(count), mechanisms.get(queue_id, ""))
        for queue_id, sender, count in envelopes
    )
