"""Servers that each do one wrong thing: what `send` and `bulk` say of them is true, and harmless.

Whatever the server does: it ends soon and in bounded memory, no password leaves but inside
verified TLS, nothing is called accepted that was not, nothing certainly not sent that may have
been delivered, and neither a terminal nor JSON gets a control character.
"""

from __future__ import annotations

import csv
import json
import resource
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.liar import Answer, Liar, Truth
from tests.support import certificates, secrecy
from tests.support.certificates import Chain
from tests.support.lab.place import Wire, serving
from tests.support.lab.smtp import announced, endless, hang
from tests.support.providers import configure, provider
from tests.support.run import Result, run

PASSWORD = "N3ver-In-Clear"
SECONDS = 10.0  # far more than any of them takes, and far less than a hang
OCTETS = 64 * 2**20
HASTY = {"connection_timeout": "120ms", "socket_timeout": "120ms"}
PATIENT = {"connection_timeout": "1s", "socket_timeout": "1s"}
LETTER = ("--from", "a@a.test", "--subject", "Hi", "--text", "@body")
PAINT = "\x1b[2J\x1b]0;owned\x07[bold red]PAID[/foo] [link=http://x]\u202e\u2066\x9b31m\x85\u2028"


@dataclass(frozen=True)
class Fault:
    """What is wrong with a server. With `signs_in`, TLS is required and a password configured."""

    answers: dict[str, Answer] = field(default_factory=dict)
    offer: Sequence[str] = ("PIPELINING",)
    signs_in: bool = False
    has_tls: bool = True
    inside: dict[str, Answer] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    may_pass: bool = False  # it is odd, and no reason to send nothing
    accepts: bool = False  # content, in other words than usual
    body: str = "x"


def drip(wire: Wire) -> None:
    """Send one octet after the other."""
    while True:
        wire.send(b"2")
        time.sleep(0.05)


def deaf(wire: Wire) -> None:
    """Ask for the content and read none of it."""
    wire.say("354 go on")
    time.sleep(1.0)


def echo(code: str) -> Answer:
    """Answer with all that was said."""

    def answer(wire: Wire) -> None:
        heard = "\n".join(f"{code}-{line}" for line in wire.place.heard)
        wire.say(f"{heard}\n{code} {PASSWORD}")
        wire.hang()

    return answer


def instead(text: str) -> Answer:
    """Say something after the ClientHello, in clear."""

    def answer(wire: Wire) -> None:
        wire.say("220 go")
        wire.more()
        wire.say(text)
        wire.hang()

    return answer


STRIPPED: dict[str, Fault] = {
    "not offered": Fault(has_tls=False, offer=("AUTH PLAIN",), signs_in=True),
    "misspelt": Fault(has_tls=False, offer=("XSTARTTLS", "AUTH PLAIN"), signs_in=True),
    "no ehlo": Fault({"EHLO": "502 no", "HELO": "250 hi"}, signs_in=True),
    "greeted as a friend": Fault({"": "235 2.7.0 you are signed in"}, signs_in=True),
    "silence": Fault({"STARTTLS": hang}, signs_in=True, config=HASTY),
    **{
        f"answered {code}": Fault({"STARTTLS": f"{code} 5.7.0 no"}, signs_in=True)
        for code in (250, 334, 354, 421, 454, 500, 502, 503, 554)
    },
    **{
        f"injected {number}": Fault({"STARTTLS": b"220 go\r\n" + behind}, signs_in=True)
        for number, behind in enumerate(
            (b"250-evil.test\r\n250 AUTH LOGIN\r\n", b"x", b"250 ok\r\n", b"535 no\r\n", b"\r\n")
        )
    },
    **{
        f"then {words[:6]}": Fault({"STARTTLS": instead(words)}, signs_in=True)
        for words in ("250 ok", "421 no", "\x15\x03\x03\x00\x02\x02\x28", "\0" * 9)
    },
    "half a reply": Fault({"STARTTLS": b"220-go\r\n"}, signs_in=True, config=HASTY),
    "two codes": Fault({"STARTTLS": "220-go\n454 no"}, signs_in=True),
    "nonsense": Fault({"STARTTLS": "hello"}, signs_in=True),
}

SIGN_INS: dict[str, tuple[str, Answer]] = {
    "only before TLS": ("EHLO", "250 hi"),
    "62 mechanisms": ("EHLO", announced("AUTH " + " ".join(f"X{n}" for n in range(62)))),
    "asked without end": ("AUTH", "334 VXNlcm5hbWU6"),
    "challenge of nonsense": ("AUTH", "334 ***"),
    "250": ("AUTH", "250 ok"),
    "354": ("AUTH", "354 go on"),
    "two codes": ("AUTH", "235-ok\n535 no"),
    "more than asked": ("AUTH", "235 ok\n250 ok"),
    "echoed in 535": ("AUTH", echo("535")),
    "echoed in 235": ("AUTH", echo("235")),
    "echoed as nonsense": ("AUTH", echo("935")),
    "echoed to MAIL": ("MAIL", echo("550")),
    "echoed to RCPT": ("RCPT", echo("450")),
    "echoed in the end": (".", echo("250")),
    "echoed late as nonsense": ("MAIL", echo("935")),
}
SIGN_IN: dict[str, Fault] = {
    name: Fault(
        offer=("AUTH PLAIN LOGIN CRAM-MD5",),
        signs_in=True,
        inside=dict([inside]),
        config=PATIENT if inside[0] == "." else HASTY,
        accepts=inside[0] == ".",
    )
    for name, inside in SIGN_INS.items()
}

ODD = {
    "099": "099 x",
    "199": "199 x",
    "600": "600 x",
    "letters": "abc x",
    "two digits": "25 ok",
    "four digits": "2500 ok",
    "no blank": "250ok",
    "a blank before": " 250 ok",
    "nothing": "",
    "nul": "\x00",
    "two codes": "250-a\n550 b",
    "a blank line within": "250-a\n\n250 b",
    "octets": "\xff\xfe\x80",
    "http": "HTTP/1.1 400 Bad Request",
}
VERBS = ("", "EHLO", "MAIL", "RCPT", "DATA", ".")
FLOODS: dict[str, Answer] = {
    "endless line": endless(b"2" * 1000),
    "endless continuation": endless(b"250-x\r\n"),
    "drip": drip,
    "silence": hang,
    "half a line": b"250 o",
    "half a reply": b"250-ok\r\n",
}

LIES: dict[str, Fault] = {
    **{
        f"{verb or 'greeting'}: {name}": Fault({verb: answer}, config=HASTY)
        for verb in VERBS
        for name, answer in FLOODS.items()
    },
    **{
        f"{verb or 'greeting'}: {name}": Fault({verb: words})
        for verb in ("", "MAIL", ".")
        for name, words in ODD.items()
    },
    **{f"{verb}: two codes": Fault({verb: ODD["two codes"]}) for verb in ("EHLO", "RCPT", "DATA")},
    "greeting: surplus": Fault({"": "220 hi\n250 ok"}),
    "EHLO: surplus": Fault({"EHLO": "250 hi\n250 ok\n250 ok\n354 go\n250 queued"}),
    "MAIL: surplus": Fault({"MAIL": "250 ok\n250 ok"}),
    "DATA: surplus": Fault({"DATA": "354 go\n250 queued"}),
    "RCPT: missing": Fault({"RCPT": b""}, config=HASTY),
    "a lone dot: silence": Fault({"RCPT": "550 5.1.1 no", ".": hang}, config=HASTY),
    ".: missing": Fault({".": b""}, config=HASTY),
    "MAIL: 354": Fault({"MAIL": "354 go on"}),
    "MAIL: 334": Fault({"MAIL": "334 who?"}),
    "RCPT: 354": Fault({"RCPT": "354 go on"}),
    "DATA: 250": Fault({"DATA": "250 ok"}),
    "DATA: 334": Fault({"DATA": "334 ok"}),
    ".: 354": Fault({".": "354 more"}),
    "DATA: reads nothing": Fault({"DATA": deaf}, config=HASTY, body="a line\n" * 900_000),
    "without groups": Fault({"RCPT": "354 go on"}, offer=()),
}
HARMLESS: dict[str, Fault] = {
    name: Fault({verb: answer}, may_pass=True)
    for name, verb, answer in (
        ("bare LF", "MAIL", b"250 ok\n"),
        ("no words", "MAIL", "250"),
        ("an empty keyword", "EHLO", "250-liar.test\n250 "),
        ("251", "RCPT", "251 will forward"),
        ("words of nul", "MAIL", "250 a\0b"),
        ("words of octets", "MAIL", b"250 \xff\xfe\x80\r\n"),
        ("many keywords", "EHLO", announced(*(f"X{n}" for n in range(60)))),
    )
}
PAINTED: dict[str, Fault] = {
    **{
        f"{code} {verb}": Fault({verb: f"{code} 5.1.1 {PAINT}\rerror: forged"})
        for verb in VERBS
        for code in ("450", "550")
    },
    "greeting": Fault({"": f"220 {PAINT}"}, may_pass=True),
    "keywords": Fault(
        {"EHLO": announced(PAINT, f"AUTH {PAINT}", f"LIMITS {PAINT}")}, may_pass=True
    ),
    "MAIL": Fault({"MAIL": f"250 {PAINT}"}, may_pass=True),
    "acceptance": Fault({".": f"250 {PAINT}"}, may_pass=True, accepts=True),
    "nonsense": Fault({"MAIL": PAINT}),
    "formula": Fault({"RCPT": '550 =HYPERLINK("http://x","y")'}),
}
FAULTS: dict[str, Fault] = {
    f"{kind}: {name}": fault
    for kind, table in (
        ("starttls", STRIPPED),
        ("auth", SIGN_IN),
        ("reply", LIES),
        ("odd", HARMLESS),
        ("paint", PAINTED),
    )
    for name, fault in table.items()
}


class Judge:
    """Runs a command at a faulty server, and holds what it says against what happened."""

    def __init__(self, folder: Path, chain: Chain) -> None:
        self._folder = folder
        self._chain = chain

    def send(self, fault: Fault) -> tuple[dict[str, Any], Truth]:
        """Send one message."""
        result, truth = self._run(fault, "send", *LETTER, "--to", "b@b.test")
        report = result.json
        check_clean(report)
        status = report["status"]
        assert (status == "accepted") == (truth.accepted > 0)
        if truth.ended and not truth.accepted:
            assert status == "unknown" or report["recipients"][0]["code"] is not None
        assert status != "unknown" or truth.ended
        return report, truth

    def bulk(self, fault: Fault) -> tuple[dict[str, Any], Truth]:
        """Send one row."""
        (self._folder / "people.csv").write_text("email\nb@b.test\n")
        options = ("--yes", "--retry-for", "0", "--report", "out.csv")
        result, truth = self._run(fault, "bulk", "people.csv", *LETTER, *options)
        *events, report = [json.loads(line) for line in result.stdout.splitlines()]
        check_clean(events)
        assert report["exit_code"] == result.exit_status
        assert (report["accepted"] == 1) == (truth.accepted > 0)
        if truth.ended and not truth.accepted:
            assert report["unknown"] or any(each.get("code") for each in events)
        assert not report["unknown"] or truth.ended
        check_table(self._folder / "out.csv")
        return report, truth

    def _run(self, fault: Fault, *arguments: str) -> tuple[Result, Truth]:
        truth = Truth()
        tls = self._chain.server_context() if fault.has_tls and fault.signs_in else None
        liar = Liar(truth, tls, fault.offer, fault.answers, fault.inside, fault.accepts)
        (self._folder / "body").write_text(fault.body)
        with serving(liar.handler()) as place:
            self._configure(place.port, fault)
            begun, before = time.monotonic(), peak()
            result = run(*arguments, "--json", "-v", "--debug", cwd=self._folder)
            assert time.monotonic() - begun < SECONDS
            assert peak() - before < OCTETS + 8 * len(fault.body)
        check_harmless(result)
        check_private(truth.in_clear)
        return result, truth

    def _configure(self, port: int, fault: Fault) -> None:
        config = dict(fault.config)
        if fault.signs_in:
            config |= {
                "auth": {"user": "tim", "pass": PASSWORD},
                "tls": {"ca_file": str(self._chain.authority)},
                "starttls": "required",
            }
        configure(self._folder, provider("main", port, **config))


def peak() -> int:
    """Return how many octets this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def check_private(lines: Iterable[str]) -> None:
    """Assert that the password is in none of these lines, in whatever form."""
    said = "\n".join(lines).encode()
    assert not [form for form in secrecy.forms(PASSWORD) if form in said]


def check_harmless(result: Result) -> None:
    """Assert that a terminal shows what is written, and nothing else happens there."""
    shown = result.stdout.decode() + result.stderr
    assert shown.replace("\n", "").isprintable()
    assert "Traceback" not in shown
    assert "\nerror: forged" not in shown
    assert result.exit_status != 70


def check_clean(value: Any) -> None:
    """Assert that all texts of a JSON value are harmless to whoever prints them."""
    match value:
        case str():
            assert value.isprintable(), value
        case dict():
            check_clean(list(value.values()))
        case list():
            for each in value:
                check_clean(each)
        case _:
            pass


def check_table(path: Path) -> None:
    """Assert that no cell is a formula to a spreadsheet."""
    with path.open(newline="") as file:
        for row in csv.reader(file):
            assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.fixture
def judge(tmp_path: Path, healthy: Chain) -> Judge:
    return Judge(tmp_path, healthy)


@pytest.mark.parametrize("case", FAULTS)
def test_what_one_message_is_said_to_be_is_true(judge: Judge, case: str) -> None:
    report, truth = judge.send(FAULTS[case])
    if FAULTS[case].may_pass:
        assert report["status"] == "accepted"
    if case.startswith("starttls"):
        assert not truth.encrypted
        assert not {"AUTH", "MAIL"} & {line.split(" ")[0] for line in truth.in_clear}


@pytest.mark.parametrize("case", FAULTS)
def test_what_a_row_is_said_to_be_is_true(judge: Judge, case: str) -> None:
    report, _ = judge.bulk(FAULTS[case])
    if FAULTS[case].may_pass:
        assert report["accepted"] == 1


# A certificate that the strictness of newer Pythons refuses is one that others take.
UNTRUSTED = sorted(
    certificates.FAULTY.keys()
    - {"expires_soon", "without_key_identifiers", "constraints_not_critical"}
    - {"without_key_usage", "without_subject_key", "root_not_strict"}
)


@pytest.mark.parametrize("command", ["send", "bulk"])
@pytest.mark.parametrize("name", UNTRUSTED)
def test_no_password_is_for_a_server_that_proves_nothing(
    tmp_path: Path, name: str, command: str
) -> None:
    chain = certificates.FAULTY[name](tmp_path, "127.0.0.1")
    judge = Judge(tmp_path, chain)
    fault = Fault(offer=("AUTH PLAIN",), signs_in=True)
    report, truth = judge.send(fault) if command == "send" else judge.bulk(fault)
    assert report["exit_code"] == 76
    assert truth.encrypted == []
    assert set(truth.in_clear) == {"EHLO a.test", "STARTTLS"}
