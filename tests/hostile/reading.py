"""Reads a finished mail as careless and as careful programs do; shares nothing with the encoder."""

from __future__ import annotations

import re
from collections import Counter
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses

from nexomailer_cli.smtp import command
from nexomailer_cli.smtp.envelope import Mail
from tests.hostile.strings import EVIL

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_PATH = re.compile(
    rb"(?:MAIL FROM|RCPT TO):<"
    rb'(?:(?:"[^"\\<>\x00-\x1f]*"|[^<>\x00-\x20"@]+)@[^<>\x00-\x20"@]+)?>\r\n'
)
_PEOPLE = ("to", "cc", "from", "reply-to", "sender")
MAX_OCTETS = 1000  # of a line, RFC 5322 section 2.1.1


class Reading:
    """What independent readers make of a mail."""

    def __init__(self, mail: Mail) -> None:
        self.mail = mail
        self.fields = _fields(mail.content)
        self.message = message_from_bytes(
            mail.content, _class=EmailMessage, policy=policy.default.clone(raise_on_defect=False)
        )

    @property
    def names(self) -> Counter[str]:
        """How often each header field is there, to whoever takes anything for the end of a line."""
        return Counter(name for name, _ in self.fields)

    @property
    def parts(self) -> list[str]:
        """The types of all parts."""
        return [part.get_content_type() for part in self.message.walk()]

    @property
    def subject(self) -> str:
        """The subject, decoded."""
        return next((_decoded(value) for name, value in self.fields if name == "subject"), "")

    @property
    def text(self) -> str:
        """The plain body, with the line ends of Python."""
        part = next(part for part in self.message.walk() if part.get_content_type() == "text/plain")
        octets = part.get_payload(decode=True)
        assert isinstance(octets, bytes)
        return octets.decode().replace("\r\n", "\n")

    def complaints(self, meant: tuple[str, ...] = ()) -> list[str]:
        """Say what is wrong with it; `meant` are addresses that may stand in its head."""
        return [*self._octets(), *self._head(), *self._addresses(meant), *self._envelope()]

    def _octets(self) -> list[str]:
        content = self.mail.content
        found = []
        if re.search(rb"(?<!\r)\n|\r(?!\n)|\0", content):
            found.append("a bare CR or LF, or NUL")
        if max(map(len, content.split(b"\r\n"))) + 2 > MAX_OCTETS:
            found.append("a line that is too long")
        return found

    def _head(self) -> list[str]:
        found = [name for name, value in self.fields if _CONTROL.search(_decoded(value))]
        if "bcc" in self.names:
            found.append("a Bcc")
        strict = Counter(name.lower() for name in self.message.keys())  # noqa: SIM118 - repeated
        return found if strict == self.names else [*found, f"{strict} differs from {self.names}"]

    def _addresses(self, meant: tuple[str, ...]) -> list[str]:
        envelope = self.mail.envelope
        known = {*envelope.recipients, envelope.sender, "a@a.test", "b@b.test", ""}
        lists = [value for name, value in self.fields if name in _PEOPLE]
        named = {spec for _, spec in getaddresses(lists)}
        strangers = (each for each in named - known if not any(_is_same(to, each) for to in meant))
        return [f"{each} in the head" for each in strangers]

    def _envelope(self) -> list[str]:
        envelope = self.mail.envelope
        lines = [command.mail(envelope.sender), *map(command.rcpt, envelope.recipients)]
        return [f"{line!r} is no command" for line in lines if not _PATH.fullmatch(line)]


def _fields(content: bytes) -> list[tuple[str, str]]:
    """Return names and values, taking for an end of line whatever anybody takes for one."""
    head = content.partition(b"\r\n\r\n")[0].decode("utf-8", "backslashreplace")
    fields: list[tuple[str, str]] = []
    for line in head.splitlines():
        if line[:1] in (" ", "\t") and fields:
            name, value = fields.pop()
            fields.append((name, value + line))
        else:
            name, _, value = line.partition(":")
            fields.append((name.lower(), value.strip()))
    return fields


def _decoded(value: str) -> str:
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, UnicodeError, HeaderParseError, ValueError):
        return value


def intended(text: str) -> tuple[str, ...]:
    """Return the addr-specs that a person would say are in there."""
    found = []
    for part in re.split("[,;]", text):
        inner = re.fullmatch(r"[^<>]*<([^<>]*)>\s*", part)
        if spec := (inner[1] if inner else part).strip(" "):
            found.append(spec)
    return tuple(dict.fromkeys(found))


def is_meant(text: str, recipients: tuple[str, ...]) -> bool:
    """Whether the mail goes to whom the text names, and to nobody else."""
    wanted = intended(text)
    if len(wanted) != len(recipients):
        return False
    return all(map(_is_same, wanted, recipients)) and (EVIL in text or EVIL not in recipients)


def _is_same(wanted: str, got: str) -> bool:
    local, _, domain = wanted.rpartition("@")
    ours, _, theirs = got.rpartition("@")
    return local == ours and (domain == theirs if domain.isascii() else theirs.isascii())
