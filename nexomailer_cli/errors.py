"""Everything that can go wrong, as one tree.

    NexomailerError
      UsageError             what was typed on the command line makes no sense
      ConfigError            every mistake of the configuration at once
        SecretError          a password could not be had (command failed, variable unset, ...)
          TokenError         an access token could not be had; says whose failure that is
      MessageError           the message cannot be composed, or must not be sent
        AddressError         an address that is not one, or that hides something
        TemplateError        unknown name, syntax, or too much work
      InputError             a file to read is missing or unreadable
      OutputError            a file cannot be written
      TransportError         the conversation itself broke; carries the evidence
        ProtocolError        the other side does not speak SMTP properly

A refusal by a server is not here: it is a value (`smtp.reply.Reply`), and what
became of each recipient is another (`smtp.outcome.Outcome`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from nexomailer_cli.smtp.reply import Reply


class NexomailerError(Exception):
    """What the tool tells a person instead of a traceback.

    `hint` is one sentence that says what to do; it may be empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(NexomailerError):
    """The command line asks for something that makes no sense."""


class Problem(Struct, frozen=True):
    """One mistake in a configuration: where it stands, and what to do about it."""

    message: str
    key: str = ""
    file: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(NexomailerError):
    """The configuration has mistakes; `problems` names all of them.

    `reason` and `phase` are what a provider that cannot be used for it fails with, as in
    `TransportError`.
    """

    reason = "configuration"
    phase = "connect"

    def __init__(self, *problems: Problem, hint: str = "") -> None:
        super().__init__("\n".join(str(problem) for problem in problems), hint=hint)
        self.problems = problems


class SecretError(ConfigError):
    """A secret could not be resolved."""


class TokenError(SecretError):
    """An access token could not be had from the server that gives them.

    `reason` is one of `oauth-no-login`, `oauth-refused`, `oauth-client`,
    `oauth-unavailable`, `oauth-host`, `oauth-certificate` and `oauth-nonsense`. `code` is
    the server's own word for it (RFC 6749 section 5.2), where it had one.
    """

    def __init__(self, message: str, *, key: str, reason: str, code: str = "") -> None:
        super().__init__(Problem(message, key=key))
        self.reason = reason
        self.code = code
        # What was refused is not tried again in this run, as with a password.
        self.phase = "auth" if reason in ("oauth-refused", "oauth-client") else "connect"


class MessageError(NexomailerError):
    """The message cannot be composed, or must not be sent as it is."""


class AddressError(MessageError):
    """Text that was to be an address, and is not a safe one."""


class TemplateError(MessageError):
    """A template cannot be rendered."""


class InputError(NexomailerError):
    """A file to read is missing or unreadable."""


class OutputError(NexomailerError):
    """A file cannot be written."""


class TransportError(NexomailerError):
    """A conversation with a server broke.

    `phase` is where it broke, one of `smtp.outcome.Phase`. `reason` is a short
    symbolic tag that the diagnosis table knows: an errno name (`ECONNREFUSED`),
    a resolver code (`EAI_NONAME`), an OpenSSL reason (`WRONG_VERSION_NUMBER`),
    a certificate verification code (`X509_62`), or one of our own (`timeout`,
    `closed`, `surplus`, `starttls-not-offered`, ...). `reply` is the server's
    answer where it was an answer that ended the conversation, `detail` what else
    was seen, harmless to show.
    """

    def __init__(
        self,
        message: str,
        *,
        phase: str,
        reason: str = "",
        reply: Reply | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.phase = phase
        self.reason = reason
        self.reply = reply
        self.detail = detail


class ProtocolError(TransportError):
    """The other side does not speak SMTP properly; the session is out of step."""


def refused(phase: str, reply: Reply, detail: str = "") -> TransportError:
    """Return the error for a command that a server refused, and with it the conversation."""
    return TransportError(
        f"the server refused {phase.upper()}: {reply}", phase=phase, reply=reply, detail=detail
    )
