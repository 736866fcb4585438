"""One mail's conversation with a server, as a table.

Knows the order of commands and what each reply means for the mail and its
recipients. Does not know about sockets, other mails, or time: the pipeline and the
connection own those.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from nexomailer_cli.errors import ProtocolError
from nexomailer_cli.smtp import command
from nexomailer_cli.smtp.outcome import Disposition, Phase, Verdict
from nexomailer_cli.smtp.reply import Reply, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.smtp.envelope import Mail
    from nexomailer_cli.smtp.extensions import Extensions


MAX_ENVELOPE_ID = 100  # characters, RFC 3461 section 4.4


class Step(Enum):
    """What a reply means for the conversation."""

    GO_ON = auto()
    REFUSED = auto()  # nothing of this mail can be accepted any more
    CONTENT = auto()  # the server waits for the content
    ACCEPTED = auto()
    NONSENSE = auto()  # no answer to what was asked


# RFC 5321 section 4.3.2. One refused recipient does not end the conversation: it goes on
# for the others.
STEPS = {
    (Phase.MAIL, Severity.POSITIVE): Step.GO_ON,
    (Phase.MAIL, Severity.INTERMEDIATE): Step.NONSENSE,
    (Phase.MAIL, Severity.TRANSIENT): Step.REFUSED,
    (Phase.MAIL, Severity.PERMANENT): Step.REFUSED,
    (Phase.RCPT, Severity.POSITIVE): Step.GO_ON,
    (Phase.RCPT, Severity.INTERMEDIATE): Step.NONSENSE,
    (Phase.RCPT, Severity.TRANSIENT): Step.GO_ON,
    (Phase.RCPT, Severity.PERMANENT): Step.GO_ON,
    (Phase.DATA, Severity.POSITIVE): Step.NONSENSE,
    (Phase.DATA, Severity.INTERMEDIATE): Step.CONTENT,
    (Phase.DATA, Severity.TRANSIENT): Step.REFUSED,
    (Phase.DATA, Severity.PERMANENT): Step.REFUSED,
    (Phase.END, Severity.POSITIVE): Step.ACCEPTED,
    (Phase.END, Severity.INTERMEDIATE): Step.NONSENSE,
    (Phase.END, Severity.TRANSIENT): Step.REFUSED,
    (Phase.END, Severity.PERMANENT): Step.REFUSED,
}

_VERDICTS = {
    Severity.POSITIVE: Verdict.ACCEPTED,
    Severity.TRANSIENT: Verdict.DEFERRED,
    Severity.PERMANENT: Verdict.REJECTED,
}


def obstacle(mail: Mail, extensions: Extensions) -> str:
    """Say what of `mail` this server cannot take, before anything of it is sent.

    Returns one of the reasons `too-large`, `8bitmime-not-offered`,
    `smtputf8-not-offered`, or `""`.
    """
    if extensions.size is not None and len(mail.content) > extensions.size:
        return "too-large"
    if needs_smtputf8(mail) and not extensions.smtputf8:
        return "smtputf8-not-offered"
    if not mail.content.isascii() and not extensions.eight_bit_mime:
        return "8bitmime-not-offered"
    return ""


def needs_smtputf8(mail: Mail) -> bool:
    """Whether an envelope address or a header is not ASCII (RFC 6531 section 3.2)."""
    envelope = mail.envelope
    if not (envelope.sender.isascii() and all(map(str.isascii, envelope.recipients))):
        return True
    if mail.content.isascii():
        return False
    return not mail.content.partition(b"\r\n\r\n")[0].isascii()


class Transaction:
    """The conversation about one mail, from MAIL to the reply after its content.

    With `is_lmtp` there are several after the content, one for each recipient that was accepted
    before it, in their order (RFC 2033 section 4.2).
    """

    def __init__(self, mail: Mail, extensions: Extensions, *, is_lmtp: bool = False) -> None:
        self.mail = mail
        self.is_past_return = False  # whether the end of the content went out
        self.is_done = False
        self._extensions = extensions
        self._is_lmtp = is_lmtp
        # Here, so that content which must not go out is refused before a word is said.
        self._content = command.canonical(mail.content)
        self._recipients: list[Reply | None] = [None] * len(mail.envelope.recipients)
        self._answered = 0
        self._accepted = 0
        self._delivered: list[Reply] = []  # after the content, recipient by recipient
        # The reply that settles the matter for every recipient not refused before.
        self._final: tuple[Phase, Reply] | None = None

    @property
    def content(self) -> bytes:
        """The content in canonical form, before dot-stuffing."""
        return self._content

    @property
    def has_recipient(self) -> bool:
        """Whether a recipient was accepted, and the mail as a whole not refused."""
        return self._final is None and self._accepted > 0

    @property
    def is_refused(self) -> bool:
        """Whether nothing of the mail can be accepted any more."""
        if self._final is not None:
            return self._final[1].severity is not Severity.POSITIVE
        return self._answered == len(self._recipients) and not self.has_recipient

    @property
    def is_heard_out(self) -> bool:
        """Whether there is a reply after the content for each recipient (LMTP)."""
        return len(self._delivered) == self._accepted

    @property
    def is_delivered(self) -> bool:
        """Whether every one of these replies is good."""
        return all(map(_is_positive, self._delivered))

    @property
    def refused_sender(self) -> bool:
        """Whether the server refused MAIL."""
        return self._final is not None and self._final[0] is Phase.MAIL

    def envelope_commands(self) -> list[tuple[Phase, bytes]]:
        """Return MAIL and one RCPT for each recipient.

        Raises MessageError for what must not reach a command line.
        """
        envelope = self.mail.envelope
        commands = [(Phase.MAIL, command.mail(envelope.sender, self._mail_parameters()))]
        for address in envelope.recipients:
            line = command.rcpt(address, self._rcpt_parameters(address))
            commands.append((Phase.RCPT, line))
        return commands

    def _mail_parameters(self) -> list[str]:
        offered = self._extensions
        parameters = []
        if offered.size is not None:
            parameters.append(f"SIZE={len(self.content)}")
        if not self.content.isascii():
            parameters.append("BODY=8BITMIME")
        if needs_smtputf8(self.mail):
            parameters.append("SMTPUTF8")
        if offered.dsn and self.mail.envelope.notify not in ((), ("never",)):
            # A report needs the headers to be recognised, not the attachments.
            parameters += ["RET=HDRS", *self._envelope_id()]
        return parameters

    def _envelope_id(self) -> list[str]:
        """Return what a report will call the mail by: its Message-ID (RFC 3461 section 4.4)."""
        identity = command.xtext(self.mail.message_id.strip("<>"))
        return [f"ENVID={identity}"] if 0 < len(identity) <= MAX_ENVELOPE_ID else []

    def _rcpt_parameters(self, recipient: str) -> tuple[str, ...]:
        notify = self.mail.envelope.notify
        if not notify or not self._extensions.dsn:
            return ()
        wanted = f"NOTIFY={','.join(notify).upper()}"
        if not recipient.isascii():
            return (wanted,)
        return wanted, f"ORCPT=rfc822;{command.xtext(recipient)}"

    def receive(self, phase: Phase, reply: Reply) -> Step:
        """Take the reply to a command of this mail and say what it means.

        Raises ProtocolError for a reply that is no answer to the command, such as 250
        where only 354 makes sense: a client that takes it for one is out of step.
        """
        severity = reply.severity
        step = STEPS[phase, severity]
        if step is Step.NONSENSE:
            raise ProtocolError(
                f"the server answered {reply.code} to {phase.name}",
                phase=phase,
                reason="not-smtp",
                reply=reply,
            )
        if phase is Phase.RCPT:
            self._recipients[self._answered] = reply
            self._answered += 1
            self._accepted += severity is Severity.POSITIVE
        if phase is Phase.END and self._is_lmtp:
            self._delivered.append(reply)
        elif step in (Step.REFUSED, Step.ACCEPTED) and self._final is None:
            self._final = phase, reply
        return step

    def abandon(self, phase: Phase, reply: Reply) -> None:
        """Let `reply` be the answer to all that is still unanswered: nothing follows it."""
        if self._final is None:
            self._final = phase, reply
        self.is_done = True

    def dispositions(self) -> tuple[Disposition, ...]:
        """Return what is known about each recipient, in the order of the envelope."""
        recipients = self.mail.envelope.recipients
        if not self._delivered:
            return tuple(map(self._disposition, recipients, self._recipients))
        told = iter(self._delivered)
        return tuple(
            self._delivery(recipient, reply, told)
            for recipient, reply in zip(recipients, self._recipients, strict=True)
        )

    def _delivery(self, recipient: str, reply: Reply | None, told: Iterator[Reply]) -> Disposition:
        """Return what is known of a recipient, who has a reply of its own after the content."""
        if reply is not None and _is_positive(reply) and (own := next(told, None)) is not None:
            return _answered(recipient, Phase.END, own)
        return self._disposition(recipient, reply)

    def _disposition(self, recipient: str, reply: Reply | None) -> Disposition:
        final = self._final
        # After a refused MAIL every RCPT is answered 503: that is not about the recipient.
        is_refused = reply is not None and reply.severity is not Severity.POSITIVE
        if reply is not None and is_refused and not self.refused_sender:
            return _answered(recipient, Phase.RCPT, reply)
        if final is not None:
            return _answered(recipient, *final)
        return Disposition(recipient, Verdict.UNKNOWN, Phase.END)


def _is_positive(reply: Reply) -> bool:
    return reply.severity is Severity.POSITIVE


def _answered(recipient: str, phase: Phase, reply: Reply) -> Disposition:
    return Disposition(recipient, _VERDICTS[reply.severity], phase, reply)
