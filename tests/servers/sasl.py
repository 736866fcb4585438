"""Accounts of Cyrus SASL, which Postfix and Sendmail ask who may sign in."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.servers.server import Server

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256")

CONFIGURATION = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {accounts}
mech_list: {mechanisms}
"""


def write_accounts(server: Server, configuration: Path, *, owner: str) -> None:
    """Write the account of `server`, and the file that tells its program where that is."""
    accounts = server.folder / "sasldb2"
    user, _, realm = server.username.partition("@")
    subprocess.run(
        ["saslpasswd2", "-c", "-p", "-f", accounts, "-u", realm, user],
        input=server.password.encode(),
        check=True,
    )
    shutil.chown(accounts, owner)
    text = CONFIGURATION.format(accounts=accounts, mechanisms=" ".join(MECHANISMS))
    configuration.write_text(text)
