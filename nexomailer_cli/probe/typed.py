"""What was typed as a target, taken apart: `host:port`, `[v6]:port`, `me@example.com`.

What is wrong with it is a UsageError that shows the place. Reads text only: knows no
configuration and no service, and asks no resolver. URLs are read by `config.url`.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.errors import UsageError
from nexomailer_cli.idn import to_ascii
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

# The names of the IANA registry; `smtps` is what people call the port of `submissions`.
_SERVICES = {"smtp": 25, "smtps": 465, "submission": 587, "submissions": 465}
# What somebody who forgets the brackets of an IPv6 address writes behind it.
_PORTS = {"25", "465", "587", "1025", "2465", "2525", "2587"}

MAX_HOST = 253  # characters of text, RFC 1035 section 2.3.4
MAX_LABEL = 63
_MOST_SHOWN = 160

# Whatever is ASCII and occurs in no name. The underscore does, in names of containers.
_WRONG = re.compile(r"[\x00-,/:-@\[-^`{-\x7f]")
_TOO_MANY_DOTS = re.compile(r"^\.|(?<=\.)\.")
_LONG_LABEL = re.compile(rf"[^.]{{{MAX_LABEL + 1},}}")
_HOST_OF_URL = re.compile(r"(?:\[[^\]]*\]|[^:/?#]*):(?=[^?#]*$)")
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.IGNORECASE)


class Typed(Struct, frozen=True, kw_only=True):
    """A target: `host` as it was typed, `ascii_host` as DNS and TLS have it.

    `address` is the whole text where that is somebody's address; then `host` is its domain.
    """

    host: str
    ascii_host: str
    port: int | None = None
    address: str = ""

    @property
    def is_name(self) -> bool:
        """Whether the host is a name, and no IP address."""
        return ip_version(self.ascii_host) is None


def read_target(text: str) -> Typed:
    """Take apart what was typed; raise UsageError showing what is wrong with it."""
    if "@" in text:
        return _address(text)
    if text.startswith("["):
        return _bracketed(text)
    if text.count(":") > 1:
        return _without_brackets(text)
    host, colon, port = text.partition(":")
    return Typed(
        host=host,
        ascii_host=read_host(host, text),
        port=_port(port, text, len(host) + 1) if colon else None,
    )


def read_host(host: str, text: str = "", start: int = 0) -> str:
    """Return a name as DNS and TLS have it, or an IPv4 address.

    `text` is what was typed, and `start` where in it the host begins. Raises UsageError.
    """
    text = text or host
    end = start + len(host)
    if not host:
        _refuse("a host is missing", text, start, end)
    for pattern, why in (
        (_WRONG, "this does not belong into a host name"),
        (_TOO_MANY_DOTS, "a dot too many"),
        (_LONG_LABEL, f"a part of the name is longer than {MAX_LABEL} characters"),
    ):
        if found := pattern.search(host):
            _refuse(why, text, start + found.start(), start + found.end())
    try:
        name = host if host.isascii() else to_ascii(host)
    except ValueError as error:
        _refuse(str(error), text, start, end)
    if len(name.rstrip(".")) > MAX_HOST:
        _refuse(f"the name is longer than {MAX_HOST} characters", text, start, end)
    if _ENDS_IN_A_NUMBER.fullmatch(name) and ip_version(name) is None:
        _refuse_number(name, text, start, end)
    return name


def check_url(url: str, schemes: Iterable[str]) -> None:
    """Raise UsageError for a slip in a URL that can be shown, since there is no password in it."""
    scheme, _, place = url.partition("://")
    if "@" in url or scheme.startswith("unix:"):
        return
    if scheme.lower() not in schemes:
        hint = f"A URL begins with one of {', '.join(schemes)}; or write host:port."
        _refuse("this is not how a mail server's URL begins", url, 0, len(scheme) + 3, hint=hint)
    host = _HOST_OF_URL.match(place)
    if host:
        end = len(url) - len(place) + host.end()
        _port(place[host.end() :].rstrip("/"), url.rstrip("/"), end)


def ip_version(host: str) -> int | None:
    """Return 4 or 6 for an IP address, perhaps with a zone (RFC 4007), else None."""
    address, _, zone = host.partition("%")
    for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        try:
            socket.inet_pton(family, address)
        except (OSError, ValueError):
            continue
        return version if version == 6 or not zone else None
    return None


def _address(text: str) -> Typed:
    local, _, domain = text.rpartition("@")
    start = len(local) + 1
    if ":" in local:
        # Not shown: what stands between is a password.
        raise UsageError(
            "TARGET: a user name and a password stand in a URL only",
            hint="Write smtps://user@host:port, or better --user NAME and --password-env VAR.",
        )
    if not local or not local.isprintable() or " " in local:
        _refuse("this is no address", text, 0, start)
    name, colon, _ = domain.partition(":")
    if colon:
        _refuse(
            "an address has no port",
            text,
            start + len(name),
            len(text),
            hint="To sign in on a certain server, name it and give --user.",
        )
    return Typed(host=domain, ascii_host=read_host(domain, text, start), address=text)


def _bracketed(text: str) -> Typed:
    host, bracket, rest = text[1:].partition("]")
    after = len(host) + 2
    if not bracket:
        _refuse("the bracket is never closed", text, 0, len(text))
    if ip_version(host) != 6 or not host.isprintable():
        _refuse("brackets are for an IPv6 address", text, 0, after)
    if rest and not rest.startswith(":"):
        _refuse("only a port may follow the bracket", text, after, len(text))
    port = _port(rest[1:], text, after + 1) if rest else None
    return Typed(host=host, ascii_host=host, port=port)


def _without_brackets(text: str) -> Typed:
    host, _, port = text.rpartition(":")
    may_have_port = ip_version(host) == 6 and port.isdecimal()
    if ip_version(text) == 6 and text.isprintable():
        if not (may_have_port and port in _PORTS):
            return Typed(host=text, ascii_host=text)
        hint = f"Write [{host}]:{port} for the port, or [{text}] if all of it is the address."
        _refuse("this may be a port or not", text, len(host) + 1, len(text), hint=hint)
    if may_have_port:
        hint = f"Write [{host}]:{port}."
        _refuse("with a port, an IPv6 address needs brackets", text, 0, len(host), hint=hint)
    return _refuse("this is neither host:port nor an IPv6 address", text, 0, len(text))


def _port(port: str, text: str, start: int) -> int:
    known = _SERVICES.get(port.lower())
    if known is not None:
        return known
    if port.isascii() and port.isdecimal() and len(port) <= 5 and 1 <= int(port) <= 65535:
        return int(port)
    kinds = ", ".join(_SERVICES)
    return _refuse(
        "this is no port", text, start, len(text), hint=f"A port is 1 to 65535, or {kinds}."
    )


def _refuse_number(name: str, text: str, start: int, end: int) -> NoReturn:
    """Refuse what the system's resolver would take for an address that nobody meant."""
    try:
        meant = socket.inet_ntoa(socket.inet_aton(name))
    except OSError:
        _refuse("this is neither a name nor an IP address", text, start, end)
    hint = f"If {meant} is meant, write it in full."
    _refuse("an IPv4 address has four numbers from 0 to 255", text, start, end, hint=hint)


def _refuse(why: str, text: str, start: int, end: int, *, hint: str = "") -> NoReturn:
    """Raise UsageError with a mark under what stands from `start` to `end`."""
    message, shown = f"TARGET: {why}", printable(text)
    if shown and len(shown) <= _MOST_SHOWN:
        before, mark = _columns(text[:start]), max(1, _columns(text[start:end]))
        message += f"\n  {shown}\n  {' ' * before}{'^' * mark}"
    raise UsageError(message, hint=hint and printable(hint)) from None


def _columns(text: str) -> int:
    if text.isascii():
        return len(printable(text))
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1
        for each in printable(text)
    )
