"""One examination under way: what is known so far, and how a step reports.

The steps (`step_*.py`) ask and answer; which comes when is `examine`'s business. A step never
raises for what a server does: it returns its stage, and what it found out lands here.
"""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, structs

from nexomailer_cli.errors import SecretError, TransportError
from nexomailer_cli.probe.diagnosis import Evidence, diagnose
from nexomailer_cli.probe.found import made
from nexomailer_cli.probe.report import Alternative, Found, Recommended, Severity, Target
from nexomailer_cli.probe.stage import Stage, Status
from nexomailer_cli.probe.stage_data import EhloData, TrustSource
from nexomailer_cli.probe.transcript import Transcript
from nexomailer_cli.probe.wire import Wire
from nexomailer_cli.smtp.extensions import Extensions
from nexomailer_cli.transport.race import Race
from nexomailer_cli.transport.resolving import Resolved
from nexomailer_cli.transport.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.smtp.auth import Credentials
    from nexomailer_cli.smtp.reply import Reply

AStage = TypeVar("AStage", bound=Stage)

STEP_SECONDS = 10.0
# Postfix's postscreen greets strangers after 6 s, others after 20: that is no failure yet.
GREETING_SECONDS = 30.0


class Wishes(Struct, frozen=True, kw_only=True):
    """What is to be found out, and how.

    `sender` and `recipient` are for the envelope that is tried, `size` is in octets. `timeout`
    is in seconds, for each step; without it the greeting has `greeting_timeout`. With `insecure` no
    password is sent, whatever the certificate is. `thorough` has every certificate taken apart,
    also one that is trusted.
    """

    sender: str | None = None
    recipient: str | None = None
    size: int | None = None
    timeout: float | None = None
    greeting_timeout: float = GREETING_SECONDS
    insecure: bool = False
    alternatives: bool = True
    strict: bool = False
    thorough: bool = True
    transcript: bool = False


class Case(Struct, frozen=True, kw_only=True):
    """Who is examined, and what is brought to it.

    `secret_error` stands for credentials that could not be had; `renewal` gets others than a
    token that was refused, and may raise SecretError. `reasons` are remarkable already, in the
    words of the diagnosis table.
    """

    target: Target
    terms: Terms
    wishes: Wishes = Wishes()
    trust: TrustSource | None = None
    username: str | None = None
    secret_error: SecretError | None = None
    renewal: Callable[[str], Credentials | None] | None = None
    reasons: tuple[str, ...] = ()


class Examination:
    """What is known so far."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.transcript = Transcript()
        self.found: list[Found] = []
        self.resolved = Resolved(())  # the host, or the proxy before it
        self.beyond = Resolved(())  # the host behind a proxy
        self.race = Race(())
        self.wire: Wire | None = None
        self.verify_error: ssl.SSLCertVerificationError | None = None
        self.is_trusted: bool | None = None
        self.announced: EhloData | None = None  # before TLS
        self.announced_again: EhloData | None = None
        self.extensions = Extensions()
        self.is_session_usable = True
        self.failed_at: str | None = None
        self.is_signed_in: bool | None = None
        self.was_refused = False  # the sign-in, by an answer
        self.mechanism: str | None = None
        self.has_envelope: bool | None = None
        self.alternatives: list[Alternative] = []
        self.recommended: Recommended | None = None

    @property
    def terms(self) -> Terms:
        """On which the server is met."""
        return self.case.terms

    def renewal_once(self) -> Callable[[str], Credentials | None] | None:
        """Return what gets other credentials, the first time that it is asked for."""
        renewal = self.case.renewal
        self.case = structs.replace(self.case, renewal=None)
        return renewal

    @property
    def wishes(self) -> Wishes:
        """What is to be found out."""
        return self.case.wishes

    @property
    def seconds(self) -> float:
        """How long one step may take."""
        return self.wishes.timeout or STEP_SECONDS

    @property
    def greeting_seconds(self) -> float:
        """How long the server may think about its greeting."""
        return self.wishes.timeout or self.wishes.greeting_timeout

    @property
    def conversation(self) -> Wire:
        """The open connection."""
        assert self.wire is not None
        return self.wire

    @property
    def will_be_encrypted(self) -> bool:
        """Whether TLS is in force, or follows from what the server announced and we demand."""
        terms = self.terms
        if terms.implicit_tls or (self.wire is not None and self.wire.is_encrypted):
            return True
        return terms.tls is not None and (self.extensions.starttls or terms.requires_tls)

    @property
    def ehlo_name(self) -> str:
        """The name that we give."""
        return self.terms.ehlo_name or self.conversation.own_literal

    def failed(self, stage: AStage, error: TransportError, *, is_final: bool = True) -> AStage:
        """Return `stage` as failed for the reason that `error` gives; no step will follow.

        With `is_final` the session is over too, and nobody says goodbye.
        """
        self.end(stage, is_final=is_final)
        self.find(stage, _evidence(error), said=str(error.reply or error))
        return _ended(stage, error)

    def end(self, stage: Stage, *, is_final: bool = True) -> None:
        """Let no step follow `stage`."""
        self.failed_at = self.failed_at or stage.id
        if is_final:
            self.is_session_usable = False

    def remark(self, stage: AStage, phase: str, reason: str = "", text: str = "") -> AStage:
        """Return `stage` with a finding that does not end the examination: a warning at most."""
        found = made(
            diagnose(self._placed(Evidence(phase=phase, reason=reason, text=text))), stage.id, text
        )
        if found.severity is Severity.FAIL:
            found = structs.replace(found, severity=Severity.WARN)
        self.note(found)
        return _worsened(stage, Status(found.severity))

    def find(self, stage: Stage, evidence: Evidence, *, said: str = "") -> Found:
        """Look `evidence` up, note the finding and return it."""
        return self.note(made(diagnose(self._placed(evidence)), stage.id, said or evidence.text))

    def note(self, found: Found) -> Found:
        """Keep a finding, the first time that it is made."""
        if all(found.id != known.id for known in self.found):
            self.found.append(found)
        return found

    def _placed(self, evidence: Evidence) -> Evidence:
        return structs.replace(evidence, **self._place())

    def _place(self) -> dict[str, Any]:
        terms = self.terms
        if terms.socket_path:
            return {"host": terms.socket_path, "port": None}
        return {"host": terms.host, "port": terms.port}


def _evidence(error: TransportError) -> Evidence:
    reply: Reply | None = error.reply
    words = " ".join(part for part in (reply.text if reply else "", error.detail) if part)
    return Evidence(
        phase=error.phase,
        reason=error.reason,
        code=reply.code if reply else None,
        enhanced=reply.enhanced if reply else "",
        text=words or ("" if reply else str(error)),
    )


def _ended(stage: AStage, error: TransportError) -> AStage:
    summary = stage.summary or (error.reply.status if error.reply else str(error))
    words = tuple(error.reply.lines) if error.reply else (str(error),)
    notes = stage.notes or (words if error.reply or stage.summary else ())
    return structs.replace(stage, status=Status.FAIL, summary=summary, notes=notes)


_ORDER = (Status.SKIP, Status.OK, Status.INFO, Status.UNKNOWN, Status.WARN, Status.FAIL)


def _worsened(stage: AStage, status: Status) -> AStage:
    return structs.replace(stage, status=max(stage.status, status, key=_ORDER.index))


def is_public_name(host: str) -> bool:
    """Whether `host` is a name that should not lead to this machine."""
    name = host.rstrip(".").lower()
    return "." in name and not name.endswith((".localhost", ".test", ".local")) and not _ip(name)


def _ip(name: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name.strip("[]"))
        except OSError:
            continue
        return True
    return False
