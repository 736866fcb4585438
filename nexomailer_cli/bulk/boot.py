"""Whether the machine was restarted since: what was not on disk then is gone."""

from __future__ import annotations

import os
from pathlib import Path


def boot_id() -> str:
    """Return what is another one after the machine was restarted, `""` where nobody says."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return _boot_time()


def _boot_time() -> str:
    import subprocess

    if os.uname().sysname != "Darwin":
        return ""
    command = ("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()
