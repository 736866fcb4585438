"""The step of signing in: one mechanism, one attempt, and only where nobody can listen.

A second try with the same wrong password is what locks accounts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from msgspec import Struct, structs

from nexomailer_cli.errors import SecretError, TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.probe import alternatives
from nexomailer_cli.probe.examination import is_public_name
from nexomailer_cli.probe.stage import AuthStage, Status
from nexomailer_cli.probe.stage_data import AuthData, ReplyData
from nexomailer_cli.smtp import auth
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Reply, Severity
from nexomailer_cli.smtp.sign_in import Answer, Line, sign_in_lines

if TYPE_CHECKING:
    from collections.abc import Generator

    from nexomailer_cli.probe.examination import Examination
    from nexomailer_cli.smtp.auth import Credentials


def sign_in(exam: Examination) -> AuthStage:
    """Sign in, if there is somebody to sign in as and the password is safe on the way."""
    offered = exam.extensions.auth
    stage = AuthStage(
        status=Status.OK,
        data=AuthData(mechanism=None, offered=offered, reply=None, explanation=None),
    )
    if exam.case.secret_error is not None:
        return _without_secret(exam, stage, exam.case.secret_error)
    credentials = exam.terms.credentials
    if credentials is None:
        return _nobody(exam, stage)
    reason = _unsafe(exam)
    if reason:
        return structs.replace(stage, status=Status.UNKNOWN, reason=reason, summary=reason)
    try:
        _verify_private(exam)
        mechanism = auth.choose(offered, credentials, is_private=True)
    except TransportError as error:
        return exam.failed(stage, _better(exam, error), is_final=False)
    return _attempt(exam, stage, mechanism, credentials)


def _without_secret(exam: Examination, stage: AuthStage, said: SecretError) -> AuthStage:
    error = TransportError(str(said), phase=Phase.AUTH, reason=said.reason)
    return exam.failed(stage, error, is_final=False)


def _nobody(exam: Examination, stage: AuthStage) -> AuthStage:
    offered = ", ".join(printable(each) for each in exam.extensions.auth)
    words = f"the server offers {offered}" if offered else "the server offers none"
    return structs.replace(stage, status=Status.SKIP, reason=f"nobody was named; {words}")


def _unsafe(exam: Examination) -> str:
    """Say why the doctor sends no password, where sending would; nothing where he does."""
    if exam.wishes.insecure:
        return "--insecure never sends a password"
    if exam.terms.allow_plaintext_auth and not (_is_at_home(exam) or exam.is_trusted):
        return "an examination sends no password over a connection that is not verified"
    return ""


def _verify_private(exam: Examination) -> None:
    if not _is_at_home(exam):
        exam.terms.is_private("TLS" if exam.conversation.is_encrypted else "")


def _is_at_home(exam: Examination) -> bool:
    """Whether this machine was meant, and it is this machine that answers."""
    return exam.conversation.is_loopback and not is_public_name(exam.terms.host)


def _better(exam: Examination, error: TransportError) -> TransportError:
    if error.reason == "auth-not-offered":
        if exam.terms.tls is None and exam.extensions.starttls:
            error.reason = "auth-only-after-tls"
        else:
            alternatives.look_around(exam)
    return error


class _Answer(Struct, frozen=True):
    """How a sign-in ended; `explanation` is the last challenge, where it is one."""

    reply: Reply
    explanation: str = ""


def _attempt(
    exam: Examination, stage: AuthStage, mechanism: str, credentials: Credentials
) -> AuthStage:
    assert stage.data is not None
    exam.mechanism = mechanism
    exam.conversation.keep_secret(partial(auth.unspoken, credentials=credentials))
    who = f"{mechanism} as {printable(credentials.user)}"
    data = structs.replace(stage.data, mechanism=mechanism)
    stage = structs.replace(stage, data=data, summary=who)
    try:
        answer = _converse(exam, mechanism, credentials)
    except TransportError as error:
        exam.is_signed_in = False
        return exam.failed(stage, error)
    if _is_of_no_use(answer, credentials) and (renewal := exam.renewal_once()):
        try:
            other = renewal(credentials.token)
        except SecretError as error:
            return _without_secret(exam, stage, error)
        # A fresh token is not the same credentials again: that locks no account.
        if other is not None and other.token != credentials.token:
            return _attempt(exam, stage, mechanism, other)
    return _judged(exam, stage, data, answer)


def _is_of_no_use(answer: _Answer, credentials: Credentials) -> bool:
    """Whether it is the token that was refused, as `Account.refused_token` has it."""
    reply = answer.reply
    if not credentials.token or reply.code != auth.INVALID_CREDENTIALS:
        return False
    return auth.refusal(reply, answer.explanation, credentials).reason == auth.TOKEN_REFUSED


def _judged(exam: Examination, stage: AuthStage, data: AuthData, answer: _Answer) -> AuthStage:
    reply = answer.reply
    data = structs.replace(
        data,
        reply=ReplyData(reply.code, reply.enhanced or None, reply.lines),
        explanation=answer.explanation or None,
    )
    stage = structs.replace(stage, data=data)
    exam.is_signed_in = reply.severity is Severity.POSITIVE
    return stage if exam.is_signed_in else _refused(exam, stage, answer)


def _refused(exam: Examination, stage: AuthStage, answer: _Answer) -> AuthStage:
    reply = answer.reply
    exam.was_refused = True
    assert exam.terms.credentials is not None
    error = auth.refusal(reply, answer.explanation, exam.terms.credentials)
    notes = (*reply.lines, *([answer.explanation] if answer.explanation else []))
    stage = structs.replace(stage, summary=f"{stage.summary}: {reply.status}", notes=notes)
    return exam.failed(stage, error, is_final=reply.code == 421)


def _converse(exam: Examination, mechanism: str, credentials: Credentials) -> _Answer:
    answer = _answered(exam, sign_in_lines(mechanism, credentials))
    explanation = answer.challenge if credentials.token else ""
    return _Answer(answer.reply, printable(auth.unspoken(explanation, credentials)))


def _answered(exam: Examination, lines: Generator[Line, Reply, Answer]) -> Answer:
    try:
        line = next(lines)
        while True:
            line = lines.send(_exchange(exam, line))
    except StopIteration as end:
        return cast("Answer", end.value)


def _exchange(exam: Examination, line: Line) -> Reply:
    wire = exam.conversation
    reply = wire.ask(line.data, Phase.AUTH, exam.seconds, shown=line.shown)
    if reply.code == 334:
        # A challenge may hold what the answer is made of.
        wire.note("334 ***")
    else:
        wire.note_reply(reply)
    return reply
