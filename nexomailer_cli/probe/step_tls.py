"""Steps into TLS: STARTTLS, the handshake, the certificate."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nexomailer_cli.errors import TransportError, refused
from nexomailer_cli.probe import alternatives
from nexomailer_cli.probe.certificate import (
    built_chain,
    examined,
    glanced,
    received_chain,
    received_infos,
)
from nexomailer_cli.probe.diagnosis import Evidence
from nexomailer_cli.probe.stage import CertificateStage, StarttlsStage, Status, TlsStage
from nexomailer_cli.probe.stage_data import Certificate, CertificateData, StarttlsData, TlsData
from nexomailer_cli.smtp import command
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Severity

if TYPE_CHECKING:
    from nexomailer_cli.probe.certificate_faults import CertificateProblem
    from nexomailer_cli.probe.examination import Examination

# Of X509_V_ERR_*: the name, or the address, is not in the certificate.
WRONG_NAME = (62, 64)
WANTS_STARTTLS = "tls.plaintext_on_tls_port"
# What only X509_V_FLAG_X509_STRICT complains of.
STRICT_ONLY = frozenset({24, 32, *range(79, 93)})


def starttls(exam: Examination) -> StarttlsStage:
    """Ask for TLS, where it is offered or has to be."""
    stage = StarttlsStage(status=Status.OK)
    if not exam.extensions.starttls:
        return _not_offered(exam, stage)
    wire = exam.conversation
    try:
        reply = wire.ask(command.STARTTLS, Phase.STARTTLS, exam.seconds)
        wire.note_reply(reply)
        data = StarttlsData(
            code=reply.code, lines=reply.lines, plaintext_after_220_bytes=wire.surplus
        )
        stage = StarttlsStage(status=Status.OK, summary=str(reply), data=data)
        # What stands behind the 220 was put there before TLS, by somebody who wants it read as
        # part of the encrypted session (CVE-2011-0411).
        wire.verify_silence(Phase.STARTTLS)
    except TransportError as error:
        return exam.failed(stage, error)
    if reply.severity is not Severity.POSITIVE:
        stage = StarttlsStage(status=Status.OK, data=stage.data)
        return exam.failed(stage, refused(Phase.STARTTLS, reply))
    return stage


def _not_offered(exam: Examination, stage: StarttlsStage) -> StarttlsStage:
    if not exam.terms.requires_tls:
        return StarttlsStage(status=Status.INFO, summary="not offered: all of it goes in clear")
    alternatives.look_around(exam)
    error = TransportError(
        "the server does not offer STARTTLS, and TLS is required",
        phase=Phase.STARTTLS,
        reason="starttls-not-offered",
        detail=" ".join(exam.announced.extensions) if exam.announced else "",
    )
    return exam.failed(stage, error)


def tls(exam: Examination) -> TlsStage:
    """Shake hands. A certificate that is refused is the next step's business."""
    wire, terms = exam.conversation, exam.terms
    assert terms.tls is not None
    failure = None
    try:
        phase = Phase.TLS if terms.implicit_tls else Phase.STARTTLS
        wire.start_tls(terms.tls, terms.name_in_certificate, phase, exam.seconds)
    except TransportError as error:
        failure = error
    stage = TlsStage(status=Status.OK, data=_negotiated(exam))
    if wire.tls and isinstance(wire.tls.error, ssl.SSLCertVerificationError):
        exam.verify_error = wire.tls.error
        failure = None
    if failure is not None:
        return _no_tls(exam, stage, failure)
    data = stage.data
    assert data is not None
    stage = TlsStage(status=Status.OK, data=data, summary=_summary(data))
    weakness = _weakness(exam, data)
    return exam.remark(stage, Phase.TLS, "weak-tls", weakness) if weakness else stage


def _no_tls(exam: Examination, stage: TlsStage, error: TransportError) -> TlsStage:
    if error.reason == "not-tls":
        said = stage.data.first_bytes if stage.data else None
        stage = TlsStage(
            status=Status.OK,
            data=stage.data,
            summary="the server answered in clear instead of TLS",
            notes=(said,) if said else (),
        )
    hello = exam.conversation.hello()
    if hello and hello.wants_certificate and error.reason == "ALERT_40":
        # With TLS 1.2 a missing certificate is answered with a bare handshake_failure.
        error.reason = "ALERT_116"
    stage = exam.failed(stage, error)
    if error.reason == "not-tls" and any(each.id == WANTS_STARTTLS for each in exam.found):
        alternatives.try_starttls(exam)
        alternatives.look_around(exam)
    return stage


def _negotiated(exam: Examination) -> TlsData | None:
    session, hello = exam.conversation.tls, exam.conversation.hello()
    if session is None or hello is None:
        return None
    secured = session.object
    cipher = secured.cipher() or (None, None, None)
    return TlsData(
        version=secured.version() or hello.version,
        cipher=cipher[0],
        bits=cipher[2],
        group=hello.group,
        hello_retry=hello.hello_retry,
        round_trips=session.round_trips,
        sni=exam.terms.name_in_certificate if not _is_address(exam) else None,
        alpn=secured.selected_alpn_protocol(),
        alert=hello.alert,
        first_bytes=hello.text,
    )


def _is_address(exam: Examination) -> bool:
    from nexomailer_cli.probe.certificate_name import is_address

    return is_address(exam.terms.name_in_certificate)


def _summary(data: TlsData) -> str:
    version = (data.version or "TLS").replace("TLSv", "TLS ")
    cipher = (data.cipher or "").removeprefix("TLS_").replace("_", "-")
    rounds = "1 round trip" if data.round_trips == 1 else f"{data.round_trips} round trips"
    known = [part for part in (version, cipher, data.group) if part]
    return f"{' · '.join(known)} ({rounds})"


def _weakness(exam: Examination, data: TlsData) -> str:
    """Say what is weak about a connection that came about; nothing where nothing is."""
    hello = exam.conversation.hello()
    cipher = data.cipher or ""
    if hello is not None and hello.weak_group:
        return f"the key exchange is {data.group}"
    if data.version == "TLSv1.3" or not cipher:
        return ""
    if data.version in ("TLSv1", "TLSv1.1"):
        return f"{data.version} was retired by RFC 8996"
    if not cipher.startswith(("ECDHE", "DHE")):
        return f"{cipher} has no forward secrecy"
    is_modern = any(mode in cipher for mode in ("GCM", "POLY1305", "CCM"))
    return "" if is_modern else f"{cipher} is in CBC mode"


def certificate(exam: Examination) -> CertificateStage:
    """Look at the chain: all that is wrong at once, and what a second connection makes of it."""
    session = exam.conversation.tls
    assert session is not None
    now = datetime.now(UTC)
    is_healthy = exam.verify_error is None and exam.terms.is_verified
    chain = _chain(exam, session.object, now)
    trusted_otherwise = _trusted_otherwise(exam)
    stage = CertificateStage(
        status=Status.OK,
        data=_data(exam, chain, trusted_otherwise),
        summary=_named(chain),
    )
    exam.is_trusted = is_healthy
    if is_healthy:
        return _warned(exam, stage, chain)
    problems = _problems(exam, session.object, now, passes_leniently=bool(trusted_otherwise))
    return _complained(exam, stage, problems)


def _chain(exam: Examination, secured: ssl.SSLObject, now: datetime) -> tuple[Certificate, ...]:
    der = received_chain(secured)
    is_healthy = exam.verify_error is None and exam.terms.is_verified
    if is_healthy and not exam.wishes.thorough:
        return glanced(received_infos(secured), der, now)
    return examined(der, now)


def _trusted_otherwise(exam: Examination) -> bool | None:
    """Ask a second connection whether only the name, or only strictness, was the trouble."""
    error = exam.verify_error
    if error is None or exam.terms.tls is None:
        return None
    if error.verify_code in WRONG_NAME:
        return alternatives.passes_without_name(exam)
    is_strict = bool(exam.terms.tls.verify_flags & ssl.VERIFY_X509_STRICT)
    if is_strict and error.verify_code in STRICT_ONLY:
        return alternatives.passes_leniently(exam)
    return None


def _data(
    exam: Examination, chain: tuple[Certificate, ...], trusted_otherwise: bool | None
) -> CertificateData:
    error, context = exam.verify_error, exam.terms.tls
    return CertificateData(
        verified=error is None and exam.terms.is_verified,
        verify_code=error.verify_code if error else None,
        verify_message=error.verify_message if error else None,
        strict=context is not None and bool(context.verify_flags & ssl.VERIFY_X509_STRICT),
        trust=exam.case.trust,
        chain=chain,
        trusted_otherwise=trusted_otherwise,
    )


def _named(chain: tuple[Certificate, ...]) -> str:
    if not chain:
        return "no certificate could be read"
    leaf = chain[0]
    name = leaf.subject.get("CN") or next(iter((*leaf.dns_names, *leaf.ip_addresses)), "no name")
    issuer = ", ".join(leaf.issuer[key] for key in ("CN", "O") if leaf.issuer.get(key))
    days = "1 day" if leaf.days_left == 1 else f"{leaf.days_left} days"
    key = _key(leaf)
    parts = (name, issuer or "no issuer", key, f"{days} left")
    return " · ".join(part for part in parts if part)


def _key(leaf: Certificate) -> str:
    if leaf.key is None:
        return ""
    return f"{leaf.key.type} {leaf.key.curve or leaf.key.bits or ''}".strip()


def _warned(
    exam: Examination, stage: CertificateStage, chain: tuple[Certificate, ...]
) -> CertificateStage:
    from nexomailer_cli.probe.certificate_checks import warnings

    for problem in warnings(chain):
        stage = exam.remark(stage, Phase.TLS, problem.reason, problem.detail)
    return stage


def _problems(
    exam: Examination, secured: ssl.SSLObject, now: datetime, *, passes_leniently: bool
) -> tuple[CertificateProblem, ...]:
    from nexomailer_cli.probe.certificate_checks import Verdict, problems, trusts_somebody

    error, context, trust = exam.verify_error, exam.terms.tls, exam.case.trust
    assert context is not None
    directory = trust.path if trust and trust.kind == "system" and trust.roots is None else None
    verdict = Verdict(
        host=exam.terms.name_in_certificate,
        code=error.verify_code if error else None,
        message=error.verify_message if error else "",
        built=built_chain(secured),
        strict=bool(context.verify_flags & ssl.VERIFY_X509_STRICT),
        passes_leniently=passes_leniently,
        trusts_somebody=trusts_somebody(context, directory=directory),
    )
    return problems(received_chain(secured), verdict, now)


def _complained(
    exam: Examination, stage: CertificateStage, problems: tuple[CertificateProblem, ...]
) -> CertificateStage:
    """Tell all problems: as failures, or as warnings where verification was switched off."""
    if exam.verify_error is None:
        stage = exam.remark(stage, Phase.TLS, "verification-off")
        for problem in problems:
            stage = exam.remark(stage, Phase.TLS, problem.reason, problem.detail)
        return stage
    exam.end(stage)
    for problem in problems:
        evidence = Evidence(phase=Phase.TLS, reason=problem.reason, text=problem.detail)
        exam.find(stage, evidence, said=_evidence(exam, problem))
    details = tuple(each.detail for each in problems if each.detail)
    return CertificateStage(
        status=Status.FAIL, summary=_refusal(exam, stage), notes=details, data=stage.data
    )


def _evidence(exam: Examination, problem: CertificateProblem) -> str:
    code = exam.verify_error.verify_code if exam.verify_error else None
    return f"OpenSSL verify code {code}; {problem.detail or problem.reason}"


def _refusal(exam: Examination, stage: CertificateStage) -> str:
    if exam.verify_error and exam.verify_error.verify_code in WRONG_NAME:
        return f"not valid for {exam.terms.name_in_certificate}"
    return stage.summary
