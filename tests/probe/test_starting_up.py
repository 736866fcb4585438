"""What an examination loads: it is to take no longer than twice the time of swaks."""

import subprocess
import sys

import pytest

from tests.support.certificates import Chain
from tests.support.lab.place import serving
from tests.support.lab.smtp import starttls

# Each takes longer than all that is said to the server.
HEAVY = ("asyncio", "aiosmtplib", "cryptography", "dns", "email", "rich", "tomllib", "typer")
# For names that have to be asked for, neighbouring ports, and secrets that a command tells.
RARE = ("queue", "subprocess", "threading")
REPORT = (
    "import sys\n"
    "from nexomailer_cli.cli.run import run\n"
    "status = run(sys.argv[1:])\n"
    f"print(status, *[each for each in {HEAVY + RARE!r} if each in sys.modules])"
)


def test_a_healthy_server_is_examined_with_little_loaded(
    healthy: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_PASSWORD", "tanstaaf")
    with serving(starttls(healthy.server_context(), "AUTH PLAIN")) as place:
        done = subprocess.run(
            [
                *(sys.executable, "-c", REPORT, "test-connection", f"127.0.0.1:{place.port}"),
                *("--security", "starttls", "--user", "tim", "--password-env", "LAB_PASSWORD"),
                *("--ca-file", str(healthy.authority)),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    assert "READY TO SEND" in done.stdout
    assert done.stdout.splitlines()[-1] == "0"
