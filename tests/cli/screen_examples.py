"""Reports made by hand: the five screens that the design draws, and some more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from nexomailer_cli.probe.report import (
    Alternative,
    AuthSummary,
    Capabilities,
    Examinations,
    Found,
    Origins,
    Ready,
    Recommended,
    Report,
    Security,
    Severity,
    Target,
    Tool,
    TranscriptLine,
)
from nexomailer_cli.probe.stage import (
    AnyStage,
    AuthStage,
    BannerStage,
    CertificateStage,
    DnsStage,
    EhloStage,
    EhloTlsStage,
    EnvelopeStage,
    EnvironmentStage,
    QuitStage,
    SizeStage,
    StarttlsStage,
    Status,
    TargetStage,
    TcpStage,
    TlsStage,
)
from nexomailer_cli.probe.stage_data import Certificate, CertificateData, KeyData, TrustSource

OK, WARN, FAIL, SKIP = Status.OK, Status.WARN, Status.FAIL, Status.SKIP
TOOL = Tool(name="nexomailer", version="0.1.0", python="3.13.0", openssl="3.0", platform="linux")
NOTHING = Capabilities(
    before_tls=None,
    after_tls=None,
    added=None,
    removed=None,
    auth_before_tls=None,
    auth_after_tls=None,
    size_limit=None,
    limits={},
)
NOBODY = AuthSummary(
    attempted=False, mechanism=None, username=None, secret_source=None, result=None
)
UNKNOWN = Ready(connect=None, encrypted=None, trusted=None, authenticated=None, envelope=None)


def target(
    host: str,
    port: int = 587,
    security: Security = "starttls",
    provider: str | None = None,
    why: str = "inferred:port",
) -> Target:
    return Target(
        input=f"{host}:{port}",
        host=host,
        ascii_host=host,
        port=port,
        security=security,
        source=Origins(host="argument", port="argument", security=why),
        provider=provider,
    )


def found(
    identity: str, stage: str, heading: str, meaning: str, fix: str, exit_code: int = 76
) -> Found:
    return Found(
        id=identity,
        severity=Severity.FAIL,
        stage=stage,
        heading=heading,
        title=heading,
        evidence="",
        meaning=meaning,
        fix=fix,
        config=(),
        temporary=False,
        retry_after_s=None,
        docs=(),
        exit_code=exit_code,
    )


def report(
    about: Target,
    stages: Iterable[AnyStage],
    *,
    verdict: Literal["ok", "warn", "fail", "unknown"] = "fail",
    exit_code: int = 76,
    findings: tuple[Found, ...] = (),
    duration_ms: float = 100.0,
    ready: Ready = UNKNOWN,
    capabilities: Capabilities = NOTHING,
    auth: AuthSummary = NOBODY,
    alternatives: tuple[Alternative, ...] = (),
    recommended: Recommended | None = None,
    transcript: tuple[TranscriptLine, ...] | None = None,
) -> Report:
    return Report(
        tool=TOOL,
        started_at="2026-11-22T08:00:00.000Z",
        duration_ms=duration_ms,
        target=about,
        verdict=verdict,
        exit_code=exit_code,
        ready=ready,
        stages=(TargetStage(status=OK), EnvironmentStage(status=OK), *stages),
        findings=findings,
        capabilities=capabilities,
        auth=auth,
        alternatives=alternatives,
        recommended=recommended,
        transcript=transcript,
    )


def ready_to_send() -> Report:
    warning = Found(
        id="tcp.ipv6_broken",
        severity=Severity.WARN,
        stage="tcp",
        heading="IPv6 is broken",
        title="IPv6 to this server is broken from here",
        evidence="2a00:1450:4013:c02::6d: silent",
        meaning="Every connection waits for it.",
        fix="Set providers.config.ip_version = 4 or mend the route",
        config=("providers.config.ip_version",),
        temporary=False,
        retry_after_s=None,
        docs=(),
        exit_code=1,
    )
    keywords = ("SIZE", "8BITMIME", "STARTTLS", "PIPELINING", "CHUNKING", "SMTPUTF8")
    return report(
        target("smtp.gmail.com"),
        (
            _dns("2 addresses: 2a00:1450:4013:c02::6d, 142.250.27.108", 11),
            TcpStage(
                status=WARN,
                start_ms=11,
                duration_ms=271,
                rtt_ms=20,
                summary="142.250.27.108 (IPv4)",
                notes=("IPv6 did not answer; a plain connect would wait for the timeout",),
            ),
            BannerStage(
                status=OK,
                start_ms=282,
                duration_ms=22,
                server_ms=2,
                summary="220 smtp.gmail.com ESMTP … gsmtp",
            ),
            EhloStage(
                status=OK, start_ms=304, duration_ms=20, summary="as vm.example.net · 8 extensions"
            ),
            StarttlsStage(
                status=OK, start_ms=324, duration_ms=19, summary="220 2.0.0 Ready to start TLS"
            ),
            TlsStage(
                status=OK,
                start_ms=343,
                duration_ms=27,
                summary="TLS 1.3 · AES-256-GCM · X25519 (1 round trip)",
            ),
            CertificateStage(
                status=OK,
                start_ms=370,
                duration_ms=0,
                summary="smtp.gmail.com · WR2, Google Trust Services · EC P-256 · 61 days left",
            ),
            EhloTlsStage(
                status=OK,
                start_ms=370,
                duration_ms=20,
                summary="+ AUTH LOGIN PLAIN XOAUTH2 OAUTHBEARER   − STARTTLS",
            ),
            AuthStage(
                status=OK,
                start_ms=390,
                duration_ms=188,
                server_ms=168,
                summary="PLAIN as me@gmail.com",
            ),
            EnvelopeStage(status=SKIP, reason="needs --from and --rcpt"),
            SizeStage(status=SKIP),
            QuitStage(status=OK, start_ms=578, duration_ms=1),
        ),
        verdict="warn",
        exit_code=0,
        findings=(warning,),
        duration_ms=579,
        capabilities=Capabilities(
            before_tls=keywords,
            after_tls=keywords,
            added=(),
            removed=(),
            auth_before_tls=(),
            auth_after_tls=("PLAIN",),
            size_limit=35882577,
            limits={"RCPTMAX": 100},
        ),
    )


def wrong_tls_mode() -> Report:
    about = target("mail.example.org", security="implicit", why="argument")
    return report(
        about,
        (
            _dns("1 address: 203.0.113.25", 4),
            _tcp(),
            TlsStage(
                status=FAIL,
                start_ms=22,
                duration_ms=17,
                summary="the server answered in clear text instead of TLS",
                notes=("220 mail.example.org ESMTP Postfix",),
            ),
            CertificateStage(status=SKIP, reason="tls"),
            EhloStage(status=SKIP, reason="tls"),
            AuthStage(status=SKIP, reason="tls"),
            EnvelopeStage(status=SKIP, reason="tls"),
            QuitStage(status=SKIP, reason="tls"),
        ),
        exit_code=78,
        findings=(
            found(
                "tls.plaintext_on_tls_port",
                "tls",
                "Wrong TLS mode for this port",
                "Port 587 speaks plain SMTP first and upgrades with STARTTLS; "
                "you asked for TLS from the first byte.",
                "Set providers.config.secure = false, or keep it and set providers.config.port "
                "= 465",
                78,
            ),
        ),
        alternatives=(
            Alternative(
                port=587,
                security="starttls",
                result="open",
                speaks="smtp+starttls",
                tls_version="TLSv1.3",
                certificate=True,
            ),
            Alternative(port=465, security="implicit", result="open", speaks="tls"),
        ),
        recommended=Recommended(port=587, security="starttls"),
    )


def wrong_name() -> Report:
    about = target("mail.example.org")
    chain = (
        _certificate(0, {"CN": "*.hoster.example"}, {"CN": "R11", "O": "Let's Encrypt"}, 23),
        _certificate(1, {"CN": "R11", "O": "Let's Encrypt"}, {"CN": "ISRG Root X1"}, 480),
    )
    data = CertificateData(
        verified=False,
        verify_code=62,
        verify_message="hostname mismatch",
        strict=True,
        trust=TrustSource(kind="system", path="/etc/ssl/certs", roots=144),
        chain=chain,
        trusted_otherwise=True,
    )
    return report(
        about,
        (
            _dns("1 address: 203.0.113.25", 4),
            _tcp(),
            BannerStage(
                status=OK,
                start_ms=22,
                duration_ms=20,
                summary="220 web01.hoster.example ESMTP Exim 4.98",
            ),
            EhloStage(status=OK, start_ms=42, duration_ms=18, summary="6 extensions"),
            StarttlsStage(status=OK, start_ms=60, duration_ms=18, summary="220 TLS go ahead"),
            TlsStage(
                status=OK, start_ms=78, duration_ms=39, summary="TLS 1.3 · AES-256-GCM · X25519"
            ),
            CertificateStage(
                status=FAIL,
                start_ms=117,
                duration_ms=0,
                summary="not valid for mail.example.org",
                notes=("it names: *.hoster.example, hoster.example",),
                data=data,
            ),
            EhloTlsStage(status=SKIP, reason="certificate"),
            AuthStage(status=SKIP, reason="certificate"),
            EnvelopeStage(status=SKIP, reason="certificate"),
            QuitStage(status=OK, start_ms=117, duration_ms=0.3),
        ),
        findings=(
            found(
                "cert.hostname_mismatch",
                "certificate",
                "The certificate is for another name",
                "The chain is trusted and in date; only the name differs. Typical of shared "
                "hosting.",
                "Set providers.config.host to the name your provider documents. Do not copy a "
                "name off this screen alone: an impostor's certificate names itself too.",
            ),
        ),
    )


def app_password() -> Report:
    fine = ready_to_send().stages[2:9]
    return report(
        target("smtp.gmail.com"),
        (
            _dns("1 address: 142.250.27.108", 4),
            _tcp(),
            *fine[2:],
            EhloTlsStage(status=OK, start_ms=370, duration_ms=20, summary="+ AUTH PLAIN"),
            AuthStage(
                status=FAIL,
                start_ms=390,
                duration_ms=402,
                summary="PLAIN as me@gmail.com: 534 5.7.9",
                notes=(
                    "Application-specific password required.",
                    "https://support.google.com/mail/?p=InvalidSecondFactor",
                ),
            ),
            EnvelopeStage(status=SKIP, reason="auth"),
            QuitStage(status=OK, start_ms=792, duration_ms=1),
        ),
        exit_code=77,
        findings=(
            found(
                "auth.app_password_needed",
                "auth",
                "Google wants an app password",
                "The account has 2-Step Verification, so the normal password is refused over SMTP.",
                "Create one at myaccount.google.com/apppasswords and set "
                "providers.config.auth.pass to it",
                77,
            ),
        ),
        auth=AuthSummary(
            attempted=True,
            mechanism="PLAIN",
            username="me@gmail.com",
            secret_source="env:NEXOMAILER_SMTP_PASSWORD",
            result="refused",
        ),
    )


def filtered_port() -> Report:
    about = target("mx.example.org", 25)
    skipped = (
        kind(status=SKIP, reason="tcp")
        for kind in (BannerStage, EhloStage, StarttlsStage, TlsStage, CertificateStage, AuthStage)
    )
    return report(
        about,
        (
            _dns("2 addresses: 2001:db8:25::5, 203.0.113.5", 6),
            TcpStage(
                status=FAIL,
                start_ms=6,
                duration_ms=10_000,
                summary="no answer from 2 of 2 addresses in 10 s",
                notes=(
                    "2001:db8:25::5: network unreachable at once (no IPv6 here)",
                    "203.0.113.5: silence",
                ),
            ),
            *skipped,
        ),
        exit_code=69,
        findings=(
            found(
                "tcp.filtered_port",
                "tcp",
                "Port 25 is filtered between you and the server",
                "Packets vanish (no refusal). Most home ISPs and clouds block outgoing port 25.",
                "Set providers.config.port = 587 and sign in with a mailbox password; port 25 is "
                "for server-to-server mail",
                69,
            ),
        ),
        alternatives=(
            Alternative(port=587, security="starttls", result="open", speaks="smtp+starttls"),
            Alternative(port=465, security="implicit", result="open", speaks="tls"),
            Alternative(port=2525, security="starttls", result="refused", speaks=None),
        ),
        recommended=Recommended(port=587, security="starttls"),
    )


def interrupted() -> Report:
    return report(
        target("mail.example.org"),
        (_dns("1 address: 203.0.113.25", 4), _tcp()),
        verdict="unknown",
        exit_code=130,
        ready=Ready(connect=True, encrypted=None, trusted=None, authenticated=None, envelope=None),
        transcript=(
            TranscriptLine(ms=12.34, speaker="C", encrypted=False, text="EHLO a.test"),
            TranscriptLine(ms=1234.5, speaker="S", encrypted=True, text="250 [b]hi[/b]\x1b[2J"),
        ),
    )


def several() -> Examinations:
    return Examinations(
        verdict="fail",
        exit_code=69,
        findings=(),
        examinations=(ready_to_send(), filtered_port(), wrong_name()),
    )


FIVE = (ready_to_send, wrong_tls_mode, wrong_name, app_password, filtered_port)


def _dns(summary: str, milliseconds: float) -> DnsStage:
    return DnsStage(status=OK, start_ms=0, duration_ms=milliseconds, summary=summary)


def _tcp() -> TcpStage:
    return TcpStage(status=OK, start_ms=4, duration_ms=18, rtt_ms=18, summary="203.0.113.25 (IPv4)")


def _certificate(
    position: int, subject: dict[str, str], issuer: dict[str, str], days: int
) -> Certificate:
    return Certificate(
        position=position,
        subject=subject,
        issuer=issuer,
        dns_names=(subject["CN"],) if position == 0 else (),
        ip_addresses=(),
        not_before="2026-09-16T00:00:00Z",
        not_after="2026-12-15T00:00:00Z",
        days_left=days,
        self_issued=False,
        serial="04a1",
        sha256="00",
        key=KeyData(type="RSA", bits=2048, curve=None),
        signature="SHA-256",
    )
