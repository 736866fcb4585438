"""Steps with an envelope, and without a message: MAIL, RCPT, RSET; the size; the goodbye."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from msgspec import structs

from nexomailer_cli.errors import MessageError, TransportError, refused
from nexomailer_cli.probe.diagnosis import Evidence
from nexomailer_cli.probe.stage import EnvelopeStage, QuitStage, SizeStage, Status
from nexomailer_cli.probe.stage_data import EnvelopeData, QuitData, ReplyData, SizeData
from nexomailer_cli.smtp import command
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Reply, Severity

if TYPE_CHECKING:
    from nexomailer_cli.probe.examination import Examination

    _Commands = list[tuple[Phase, bytes]]

GOODBYE_SECONDS = 2.0
NOT_ASKED = "needs --from and --rcpt"


def envelope(exam: Examination) -> EnvelopeStage:
    """Try MAIL and RCPT, and take everything back: nothing is sent."""
    sender, recipient = exam.wishes.sender, exam.wishes.recipient
    if sender is None and recipient is None:
        return EnvelopeStage(status=Status.SKIP, reason=NOT_ASKED)
    data = EnvelopeData(sender=sender or "", recipient=recipient, mail=None, rcpt=None)
    stage = EnvelopeStage(status=Status.OK, data=data)
    try:
        lines = _commands(exam, data)
    except TransportError as error:
        exam.has_envelope = False
        return exam.failed(stage, error, is_final=False)  # nothing was said
    try:
        stage = _tried(exam, stage, lines)
    except TransportError as error:
        exam.has_envelope = False
        return exam.failed(stage, error)
    with contextlib.suppress(TransportError):  # whatever it says, nothing will be sent
        if exam.is_session_usable:
            exam.conversation.note_reply(_ask(exam, command.RSET, Phase.RSET))
    return stage


def _tried(exam: Examination, stage: EnvelopeStage, lines: _Commands) -> EnvelopeStage:
    data = stage.data
    assert data is not None
    accepted = []
    for phase, line in lines:
        reply = _ask(exam, line, phase)
        exam.conversation.note_reply(reply)
        data = _answered(data, phase, reply)
        stage = structs.replace(stage, data=data)
        if reply.severity is not Severity.POSITIVE:
            exam.has_envelope = False
            return _refused(exam, stage, phase, reply)
        accepted.append("MAIL FROM" if phase is Phase.MAIL else "RCPT TO")
    exam.has_envelope = True
    words = f"{' and '.join(accepted)} accepted, then RSET: nothing was sent"
    return structs.replace(stage, summary=words)


def _commands(exam: Examination, data: EnvelopeData) -> _Commands:
    if _needs_smtputf8(data) and not exam.extensions.smtputf8:
        raise TransportError(
            "an address has letters that the server has no SMTPUTF8 for",
            phase=Phase.MAIL,
            reason="smtputf8-not-offered",
        )
    try:
        lines = [(Phase.MAIL, command.mail(data.sender or "", _parameters(exam, data)))]
        if data.recipient is not None:
            lines.append((Phase.RCPT, command.rcpt(data.recipient)))
    except MessageError as error:
        raise TransportError(str(error), phase=Phase.MAIL, reason="configuration") from error
    return lines


def _parameters(exam: Examination, data: EnvelopeData) -> tuple[str, ...]:
    wanted = []
    if exam.wishes.size is not None and exam.extensions.size is not None:
        wanted.append(f"SIZE={exam.wishes.size}")
    if _needs_smtputf8(data):
        wanted.append("SMTPUTF8")
    return tuple(wanted)


def _needs_smtputf8(data: EnvelopeData) -> bool:
    return not f"{data.sender}{data.recipient or ''}".isascii()


def _ask(exam: Examination, line: bytes, phase: Phase) -> Reply:
    return exam.conversation.ask(line, phase, exam.seconds)


def _answered(data: EnvelopeData, phase: Phase, reply: Reply) -> EnvelopeData:
    told = ReplyData(reply.code, reply.enhanced or None, reply.lines)
    if phase is Phase.MAIL:
        return structs.replace(data, mail=told)
    return structs.replace(data, rcpt=told)


def _refused(exam: Examination, stage: EnvelopeStage, phase: Phase, reply: Reply) -> EnvelopeStage:
    name = "MAIL FROM" if phase is Phase.MAIL else "RCPT TO"
    stage = structs.replace(stage, summary=f"{name}: {reply.status}", notes=reply.lines)
    return exam.failed(stage, refused(phase, reply), is_final=reply.code == 421)


def size(exam: Examination) -> SizeStage:
    """Say whether a message of that many octets would pass (RFC 1870)."""
    asked, limit = exam.wishes.size, exam.extensions.size
    if asked is None:
        return SizeStage(status=Status.SKIP, reason="needs --size")
    # A limit that is not announced may be met all the same.
    fits = None if limit is None else asked <= limit
    data = SizeData(asked=asked, limit=limit, fits=fits)
    if limit is None:
        words = "the server announces no limit"
        return SizeStage(status=Status.UNKNOWN, data=data, summary=words, reason=words)
    words = f"{asked} octets, the limit is {limit}"
    stage = SizeStage(status=Status.OK, data=data, summary=words)
    if fits:
        return stage
    exam.find(stage, Evidence(phase=Phase.MAIL, reason="too-large", text=words), said=words)
    return structs.replace(stage, status=Status.FAIL)


def goodbye(exam: Examination) -> QuitStage:
    """Part politely; how the server takes it is no fault."""
    seconds = min(exam.seconds, GOODBYE_SECONDS)
    try:
        reply = exam.conversation.ask(command.QUIT, Phase.RSET, seconds)
    except TransportError:
        words = "the server hung up without an answer to QUIT"
        return QuitStage(status=Status.INFO, summary=words, data=QuitData(code=None))
    exam.conversation.note_reply(reply)
    return QuitStage(status=Status.OK, summary=str(reply), data=QuitData(code=reply.code))
