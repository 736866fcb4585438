"""Steps in SMTP before anybody signs in: the greeting, and EHLO before and after TLS."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from nexomailer_cli.errors import MessageError, ProtocolError, TransportError, refused
from nexomailer_cli.probe import alternatives
from nexomailer_cli.probe.stage import BannerStage, EhloStage, EhloTlsStage, Status
from nexomailer_cli.probe.stage_data import BannerData, EhloData
from nexomailer_cli.smtp import command
from nexomailer_cli.smtp.extensions import Extensions, parse_extensions
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Reply, Severity

if TYPE_CHECKING:
    from nexomailer_cli.probe.examination import Examination

SomeEhlo = TypeVar("SomeEhlo", EhloStage, EhloTlsStage)

SLOW_GREETING_MS = 2000
# After so much silence a second connection asks whether the port waits for TLS.
SUSPICIOUS_SECONDS = 3.0
_MASK = re.compile(r"\*{8}")
_SOFTWARE = re.compile(
    r"\b(Postfix|Exim [\d.]+|Exim|Sendmail [\d./]+|Sendmail|Haraka|OpenSMTPD|Exchange|gsmtp"
    r"|Microsoft ESMTP MAIL Service|Stalwart|chasquid|Dovecot|Courier|qmail|MailEnable|Zimbra)\b",
    re.IGNORECASE,
)


def banner(exam: Examination) -> BannerStage:
    """Wait for the greeting."""
    stage = BannerStage(status=Status.OK)
    before = exam.transcript.ms
    try:
        reply = _greeting(exam)
    except TransportError as error:
        return exam.failed(stage, error)
    exam.conversation.note_reply(reply)
    if reply.severity is not Severity.POSITIVE:
        return exam.failed(stage, refused(Phase.GREETING, reply))
    software = _SOFTWARE.search(reply.text)
    stage = BannerStage(
        status=Status.OK,
        summary=str(reply),
        data=BannerData(
            code=reply.code, lines=reply.lines, software=software[0] if software else None
        ),
    )
    if _MASK.search(reply.text):
        stage = exam.remark(stage, Phase.GREETING, text=reply.text)
    took = exam.transcript.ms - before
    if took > SLOW_GREETING_MS:
        stage = exam.remark(stage, Phase.GREETING, "slow-banner", f"{took / 1000:.1f} s")
    return stage


def _greeting(exam: Examination) -> Reply:
    """Return the greeting; find out in the meantime what a silent port may be waiting for."""
    wire, patience = exam.conversation, exam.greeting_seconds
    first = min(SUSPICIOUS_SECONDS, patience / 2)
    try:
        return wire.await_reply(Phase.GREETING, first)
    except TransportError as error:
        if error.reason != "timeout" or wire.tls is not None:
            raise
    if alternatives.waits_for_tls(exam):
        raise TransportError("the port waits for TLS", phase=Phase.GREETING, reason="tls-port")
    try:
        return wire.await_reply(Phase.GREETING, patience - first)
    except TransportError as error:
        if error.reason == "timeout" and alternatives.everything_is_silent(exam):
            error.reason = "accepts-all"
        raise


def ehlo(exam: Examination) -> EhloStage:
    """Introduce ourselves."""
    stage = _introduce(exam, EhloStage(status=Status.OK))
    exam.announced = stage.data
    if stage.data is None or exam.terms.implicit_tls:
        return stage
    if not exam.will_be_encrypted:
        is_local = exam.conversation.is_loopback
        return stage if is_local else exam.remark(stage, Phase.EHLO, "unencrypted")
    if {"PLAIN", "LOGIN"} & set(stage.data.auth) and exam.extensions.starttls:
        offered = f"AUTH {' '.join(stage.data.auth)}"
        stage = exam.remark(stage, Phase.EHLO, "auth-before-tls", offered)
    return stage


def ehlo_again(exam: Examination) -> EhloTlsStage:
    """Introduce ourselves once more: what was said before TLS does not count (RFC 3207)."""
    stage = _introduce(exam, EhloTlsStage(status=Status.OK))
    exam.announced_again = stage.data
    return stage


def _introduce(exam: Examination, stage: SomeEhlo) -> SomeEhlo:
    from msgspec import structs

    try:
        reply, used_helo = _ehlo_or_helo(exam)
        exam.conversation.verify_silence(Phase.EHLO)
    except TransportError as error:
        return exam.failed(stage, error)
    exam.extensions = Extensions() if used_helo else parse_extensions(reply)
    keywords = {} if used_helo else _keywords(reply)
    data = EhloData(
        sent_name=exam.ehlo_name,
        extensions=keywords,
        auth=exam.extensions.auth,
        used_helo=used_helo,
    )
    stage = structs.replace(stage, data=data, summary=_summary(exam, data))
    if used_helo:
        stage = exam.remark(stage, Phase.EHLO, "helo-only")
    return stage


def _ehlo_or_helo(exam: Examination) -> tuple[Reply, bool]:
    hello = command.lhlo if exam.terms.is_lmtp else command.ehlo
    reply = _said(exam, hello(_checked_name(exam)))
    if reply.severity is Severity.POSITIVE:
        return reply, False
    if exam.terms.is_lmtp:
        raise refused(Phase.EHLO, reply)
    # RFC 5321 section 3.2: a server that does not know EHLO is greeted with HELO.
    if reply.code in (500, 502):
        second = _said(exam, command.helo(exam.ehlo_name))
        if second.severity is Severity.POSITIVE:
            return second, True
    raise refused(Phase.EHLO, reply)


def _checked_name(exam: Examination) -> str:
    try:
        command.ehlo(exam.ehlo_name)
    except MessageError as error:
        raise TransportError(str(error), phase=Phase.EHLO, reason="configuration") from error
    return exam.ehlo_name


def _said(exam: Examination, line: bytes) -> Reply:
    reply = exam.conversation.ask(line, Phase.EHLO, exam.seconds)
    exam.conversation.note_reply(reply)
    if reply.severity is Severity.INTERMEDIATE:
        raise ProtocolError(
            f"the server answered {reply.code} to EHLO",
            phase=Phase.EHLO,
            reason="not-smtp",
            reply=reply,
        )
    return reply


def _keywords(reply: Reply) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, _, parameters = line.replace("AUTH=", "AUTH ", 1).partition(" ")
        if keyword:
            found.setdefault(keyword.upper(), parameters.strip())
    return found


def _summary(exam: Examination, data: EhloData) -> str:
    before = exam.announced
    count = len(data.extensions)
    extensions = "1 extension" if count == 1 else f"{count} extensions"
    if before is None:
        return f"as {data.sent_name} · {extensions}"
    added = [
        _shown(key, value) for key, value in data.extensions.items() if key not in before.extensions
    ]
    gone = [key for key in before.extensions if key not in data.extensions]
    words = [f"+ {', '.join(added)}"] * bool(added) + [f"− {', '.join(gone)}"] * bool(gone)
    return "   ".join(words) or f"{extensions}, as before"


def _shown(keyword: str, parameters: str) -> str:
    return f"AUTH {parameters}" if keyword == "AUTH" else keyword
