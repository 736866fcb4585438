"""No row of the table is forgotten: a server of the lab shows it, or it is said why none can.

What `TABLE_ONLY` names is tested with the real words in `test_diagnosis.py`, as values.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from nexomailer_cli.probe import diagnosis
from tests.probe.test_fault_sign_in import refusals

ROWS = tomllib.loads(Path(diagnosis.__file__).with_name("findings.toml").read_text("utf-8"))
IDS = {row["id"] for row in ROWS["finding"]}

NO_CONTENT = "an examination sends no content, so nothing is said about one"
NO_MESSAGE = "an examination has no message whose characters could need it"
TABLE_ONLY = {
    **dict.fromkeys(
        (
            *("conn.lost_after_content", "data.no_recipients", "message.virus", "message.spam"),
            *("message.malformed", "message.policy", "message.deferred", "message.refused"),
        ),
        NO_CONTENT,
    ),
    "message.needs_8bitmime": NO_MESSAGE,
    "deadline.passed": "--deadline is of send and bulk",
    "auth.unverified_refused": "the configuration is refused before, with the line it is in",
    "target.scheme_in_host": "what is typed is refused before, with the place marked",
    "target.trailing_dot": "the dot is taken off for TLS, so no certificate complains of it",
    "ehlo.slow_name": "no name is looked up: without one the address is given",
    "cert.revoked": "no list of revoked certificates is fetched",
    "cert.untrusted": "catches the complaints of OpenSSL that nothing else is for",
    "reply.temporary": "catches refusals of a command that no other row is about",
    "reply.refused": "catches refusals of a command that no other row is about",
    "unknown": "catches everything",
}


def test_every_finding_is_shown_by_the_lab_or_cannot_be() -> None:
    here = Path(__file__)
    tests = [path.read_text("utf-8") for path in here.parent.glob("test_fault_*.py")]
    sources = "\n".join(text for text in tests if text != here.read_text("utf-8"))
    shown = {id_ for id_ in IDS if f'"{id_}"' in sources}
    for phase in ("auth", "mail", "rcpt"):
        shown |= {parameter.values[0].finding for parameter in refusals(phase)}
    assert shown - IDS == set()
    assert sorted(IDS - shown) == sorted(TABLE_ONLY)
