"""The only place where bytes for the wire are written.

Everything that reaches a command line passes one of the checks below, so SMTP
injection is one file to review. A command is refused or has exactly one CRLF, at
its end; content has no bare CR or LF, and `CRLF . CRLF` occurs in none of it.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from nexomailer_cli.errors import AddressError, MessageError
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

DATA = b"DATA\r\n"
RSET = b"RSET\r\n"
QUIT = b"QUIT\r\n"
STARTTLS = b"STARTTLS\r\n"
# With content that ends in CRLF, this is the <CRLF>.<CRLF> of RFC 5321 section 4.1.1.4.
TERMINATOR = b".\r\n"

# RFC 5321 section 4.5.3.1.4 has 512 octets, to which SIZE, BODY, SMTPUTF8, RET,
# NOTIFY and ORCPT add theirs; a mailbox of the longest kind in UTF-8 fits as well.
MAX_COMMAND_BYTES = 2048

_SPECIAL = r"\s\x00-\x1f\x7f-\x9f\ud800-\udfff<>()\[\]\\,;:@\""
# RFC 5321 section 4.1.2 Mailbox, with the UTF-8 of RFC 6531 section 3.3 where it stands for
# text. No source route, no comment, no second @, no blank outside quotes: each of
# these has sent somebody's mail to somebody else.
_MAILBOX = (
    rf'(?:[^{_SPECIAL}]+|"(?:[^\x00-\x1f\x7f-\x9f\ud800-\udfff"\\\u2028\u2029]|\\[\x20-\x7e])*")'
    rf"@(?:[^{_SPECIAL}]+|\[[0-9A-Za-z.:]+\])"
)
# What the pattern above comes to for nearly all: this one takes a hundredth of its compiler's time.
_USUAL = re.compile(r"[!#-'*+\--9=?A-Z^-~]+@[!#-'*+\--9=?A-Z^-~]+")
_ESMTP_VALUE = re.compile(r"[A-Z0-9][A-Z0-9-]*(?:=[\x21-\x3c\x3e-\x7e]+)?")
_EHLO_NAME = re.compile(r"[0-9A-Za-z._-]+|\[[0-9A-Za-z.:]+\]")
# RFC 4954 section 4.2 has lines of up to 12,288 octets in a sign-in; tokens may be longer.
_SASL_LINE = re.compile(rb"[ -~]{0,65536}")
_NO_XCHAR = re.compile(r"[^!-*,-<>-~]")
_LINE_END = re.compile(rb"\r\n|\r|\n")


def ehlo(name: str) -> bytes:
    """Return EHLO with a domain or an address literal; raise MessageError for anything else."""
    if not _EHLO_NAME.fullmatch(name):
        raise MessageError(
            f"“{printable(name)}” cannot be an EHLO name",
            hint="Set providers.config.name to this machine's name, such as mail.example.com.",
        )
    return _line("EHLO", name)


def helo(name: str) -> bytes:
    """Return HELO, likewise: for servers that do not know EHLO."""
    return ehlo(name).replace(b"EHLO", b"HELO", 1)


def lhlo(name: str) -> bytes:
    """Return LHLO (RFC 2033 section 4.1), likewise."""
    return ehlo(name).replace(b"EHLO", b"LHLO", 1)


def mail(sender: str, parameters: Iterable[str] = ()) -> bytes:
    """Return MAIL; an empty `sender` is the null reverse-path."""
    return _line(_mail_from(sender), *map(_parameter, parameters))


# The sender is the same in most mails of a session.
@lru_cache(maxsize=16)
def _mail_from(sender: str) -> str:
    return f"MAIL FROM:<{mailbox(sender) if sender else ''}>"


def rcpt(recipient: str, parameters: Iterable[str] = ()) -> bytes:
    """Return RCPT for one recipient."""
    return _line(f"RCPT TO:<{mailbox(recipient)}>", *map(_parameter, parameters))


def xtext(text: str) -> str:
    """Return ASCII text as the value of an ESMTP parameter (RFC 3461 section 4)."""
    return _NO_XCHAR.sub(lambda match: f"+{ord(match[0]):02X}", text)


def bdat(size: int) -> bytes:
    """Return the command for the last, and only, chunk of a message (RFC 3030 section 2)."""
    return b"BDAT %d LAST\r\n" % size


def auth(mechanism: str, initial: bytes | None = None) -> bytes:
    """Return AUTH, with an initial response in the wire's encoding (RFC 4954 section 4)."""
    words = [b"AUTH", mechanism.encode("ascii")] + ([initial] if initial is not None else [])
    return response(b" ".join(words))


def response(encoded: bytes) -> bytes:
    """Return one line of a sign-in; base64 has no line end in it, and anything else is refused."""
    if not _SASL_LINE.fullmatch(encoded):
        raise MessageError("a sign-in cannot be written in one line")
    return encoded + b"\r\n"


def mailbox(address: str) -> str:
    """Return `address` if it is one mailbox and nothing more; raise AddressError otherwise."""
    if not (_USUAL.fullmatch(address) or _mailbox_pattern().fullmatch(address)):
        raise AddressError(f"“{printable(address)}” cannot be an envelope address")
    return address


@cache
def _mailbox_pattern() -> re.Pattern[str]:
    return re.compile(_MAILBOX)


def canonical(content: bytes) -> bytes:
    """Return content whose every line, the last one too, ends in CRLF.

    A bare CR or LF is the door of SMTP smuggling (CVE-2023-51764 and its kin): some
    servers take `LF . LF` for the end of the content and what follows for commands.
    """
    if b"\0" in content:
        # RFC 5321 section 4.5.2 has no place for it, and servers cut or refuse such content.
        raise MessageError("the message contains a NUL byte")
    # To count the line ends would take three times as long.
    if content.replace(b"\r", b"").replace(b"\n", b"\r\n") != content:
        content = _LINE_END.sub(b"\r\n", content)
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def stuff(content: bytes) -> bytes:
    """Double the dot at the start of a line (RFC 5321 section 4.5.2)."""
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..")


def _parameter(parameter: str) -> str:
    if not _ESMTP_VALUE.fullmatch(parameter):
        raise MessageError(f"“{printable(parameter)}” cannot be an ESMTP parameter")
    return parameter


def _line(*words: str) -> bytes:
    line = " ".join(words).encode() + b"\r\n"
    if len(line) > MAX_COMMAND_BYTES:
        raise MessageError(f"a command of {len(line)} octets is too long: {words[0][:80]}…")
    return line
