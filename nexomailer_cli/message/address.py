"""Text to addresses: strict, in linear time, and with nothing hidden.

Accepts what people type and spreadsheets hold. Comments, groups and routes are refused:
no one types them, and every parser that supports them has been fooled by them
(CVE-2023-27043, GHSA-mm7p-fcc7-pg87). Knows nothing of headers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NoReturn

from nexomailer_cli.errors import AddressError
from nexomailer_cli.idn import MAX_DOMAIN, to_ascii
from nexomailer_cli.message.characters import HIDDEN, HIDDEN_OR_SPACE, describe, shown
from nexomailer_cli.message.draft import Address

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LOCAL: Final = 64  # octets, RFC 5321 section 4.5.3.1.1
MAX_SPEC: Final = 254  # octets: a path of 256 (section 4.5.3.1.3) less its angle brackets

_ATEXT: Final = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
_LABEL: Final = r"(?!-)[A-Za-z0-9-]{1,63}+(?<!-)"
_DOMAIN: Final = re.compile(rf"(?![0-9.]+\Z){_LABEL}(?:\.{_LABEL})*+")
# The quantifiers are possessive: no input makes them backtrack.
_PLAIN: Final = re.compile(
    rf"(?=[^@]{{1,{MAX_LOCAL}}}@)[{_ATEXT}]++(?:\.[{_ATEXT}]++)*+@{_DOMAIN.pattern}"
)
# What most tables hold: words that need no quotation marks, and an address behind them.
_NAMED: Final = re.compile(r"([A-Za-z0-9.'-]++(?: [A-Za-z0-9.'-]++)*+) <([^<>]++)>")
# What is neither a dot nor the UTF-8 atext of RFC 6531 section 3.3. The class that it leaves
# out, up to U+10FFFF, takes the compiler 7 ms at every start.
_NO_UTEXT: Final = r"\x00-\x20\x7f\"(),:;<>@\[\\\]"
_LOCAL: Final = re.compile(rf"[^.{_NO_UTEXT}]++(?:\.[^.{_NO_UTEXT}]++)*+")
_LOCAL_BAD: Final = re.compile(rf"[{_NO_UTEXT}]")
_QUOTED: Final = r'"(?:[^"\\]++|\\.)*+"'
# A quoted local part with `@`, `<`, `,` or `\` in it is legal and has no honest use: it is
# there for the next parser to misread.
_SAFE_QUOTED_LOCAL: Final = re.compile(rf'"[ .{_ATEXT}]+"')
_PIECE: Final = re.compile(rf'[^",;]++|{_QUOTED}|[",;]')
_MAILBOX: Final = re.compile(rf'((?:[^"<>]++|{_QUOTED})*+)<([^<>]*+)>')
_WORD: Final = re.compile(rf'[^"]++|{_QUOTED}')
_NAME_BAD: Final = re.compile(r"[()<>@:;,\[\]\\]")

_WHY: Final = {
    " ": "a space",
    "(": "a comment",
    ")": "a comment",
    ":": "a group or a route",
    "<": "a stray angle bracket",
    ">": "a stray angle bracket",
    '"': "a stray quotation mark",
}


def parse_address(text: str) -> Address:
    """Return the one address that `text` holds, `a@x.example` or `Name <a@x.example>`.

    Raises AddressError naming the address, what is wrong with it, and where.
    """
    if _is_plain(text):
        return Address(text)
    addresses = parse_addresses(text)
    if not addresses:
        raise AddressError("an address is missing: the text is empty")
    if len(addresses) > 1:
        raise AddressError(f"one address is expected, not {len(addresses)}: {shown(text)}")
    return addresses[0]


def parse_addresses(text: str) -> tuple[Address, ...]:
    """Return the addresses of a list separated by commas or semicolons.

    A separator too many is ignored, and blank text is an empty list. Encoded-words are
    taken as the characters they are. Raises AddressError.
    """
    if _is_plain(text):
        return (Address(text),)
    named = _NAMED.fullmatch(text)
    if named and _is_plain(named[2]):
        return (Address(named[2], named[1]),)
    if not (text.isascii() and text.isprintable()):
        _refuse_hidden(text)
    return tuple(_mailbox(item) for item in _items(text) if item)


def _is_plain(text: str) -> bool:
    # `=?` may begin an encoded-word, which a careless reader decodes even in an addr-spec.
    return len(text) <= MAX_SPEC and _PLAIN.fullmatch(text) is not None and "=?" not in text


def _refuse_hidden(text: str) -> None:
    found = HIDDEN.search(text)
    if found:
        start = max(0, found.start() - 40)
        raise AddressError(
            f"{describe(found[0])} at character {found.start() + 1} of an address: "
            f"{shown(text[start : start + 80])}"
        )


def _items(text: str) -> Iterator[str]:
    start = 0
    for piece in _PIECE.finditer(text):
        if piece[0] == '"':
            _refuse(text[start:], "the quotation mark is never closed")
        if piece[0] in {",", ";"}:
            yield text[start : piece.start()].strip(" ")
            start = piece.end()
    yield text[start:].strip(" ")


def _mailbox(item: str) -> Address:
    if _is_plain(item):
        return Address(item)
    match = _MAILBOX.fullmatch(item)
    if match is None:
        return Address(_spec(item, item))
    return Address(_spec(match[2].strip(" "), item), _name(match[1], item))


def _name(raw: str, item: str) -> str:
    words = (_word(word, item) for word in _WORD.findall(raw))
    return re.sub(" {2,}", " ", "".join(words)).strip(" ")


def _word(word: str, item: str) -> str:
    if word.startswith('"'):
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    bad = _NAME_BAD.search(word)
    if bad:
        _refuse(
            item,
            f"{bad[0]!r} in the name",
            hint='Put a name with punctuation in quotation marks: "Doe, Jane" <jane@example.com>.',
        )
    return word


def _spec(spec: str, item: str) -> str:
    if _is_plain(spec):
        return spec
    local, domain = _halves(spec, item)
    canonical = f"{_local(local, item)}@{_domain(domain, item)}"
    if len(canonical.encode()) > MAX_SPEC:
        _refuse(item, f"it is longer than {MAX_SPEC} octets")
    return canonical


def _halves(spec: str, item: str) -> tuple[str, str]:
    if spec.startswith("@"):
        _refuse(item, "a route, or nothing before the @")
    local, at, domain = spec.rpartition("@")
    if not at:
        hint = 'A name with a comma needs quotation marks: "Doe, Jane" <jane@example.com>.'
        _refuse(item, "there is no @", hint=hint)
    if "@" in local and not local.startswith('"'):
        _refuse(item, "there is more than one @")
    return local, domain


def _local(local: str, item: str) -> str:
    if len(local.encode()) > MAX_LOCAL:
        _refuse(item, f"the part before the @ is longer than {MAX_LOCAL} octets")
    if "=?" in local:
        _refuse(item, "'=?' before the @ could be read as an encoded-word")
    if local.startswith('"'):
        return _quoted_local(local, item)
    if _LOCAL.fullmatch(local) is None:
        _explain_local(local, item)
    if not local.isascii():
        _require_visible_nfc(local, item)
    return local


def _quoted_local(local: str, item: str) -> str:
    if _SAFE_QUOTED_LOCAL.fullmatch(local) is None:
        _refuse(item, "the quoted part before the @ holds a character that hides its meaning")
    return local


def _explain_local(local: str, item: str) -> NoReturn:
    bad = _LOCAL_BAD.search(local)
    if bad is None:
        _refuse(item, "a dot at the start or the end of the part before the @, or two in a row")
    position = item.find(local) + bad.start() + 1
    _refuse(item, f"{_WHY.get(bad[0], repr(bad[0]))} at character {position}")


def _require_visible_nfc(local: str, item: str) -> None:
    import unicodedata

    hidden = HIDDEN_OR_SPACE.search(local)
    if hidden:
        _refuse(item, f"{describe(hidden[0])} before the @")
    # RFC 6532 section 3.1. Two spellings of one letter are two mailboxes; never guess which.
    if not unicodedata.is_normalized("NFC", local):
        _refuse(item, "the part before the @ is not in Unicode normalization form C")


def _domain(domain: str, item: str) -> str:
    if domain.startswith("["):
        return _literal(domain, item)
    if not domain.isascii():
        domain = _a_labels(domain, item)
    if len(domain) > MAX_DOMAIN:
        _refuse(item, f"the domain is longer than {MAX_DOMAIN} octets")
    if _DOMAIN.fullmatch(domain) is None:
        _explain_domain(domain, item)
    return domain


def _a_labels(domain: str, item: str) -> str:
    hidden = HIDDEN_OR_SPACE.search(domain)
    if hidden:
        _refuse(item, f"{describe(hidden[0])} in the domain")
    try:
        return to_ascii(domain)
    except ValueError as exc:
        _refuse(item, str(exc))


def _explain_domain(domain: str, item: str) -> NoReturn:
    if not domain:
        _refuse(item, "nothing follows the @")
    bad = re.search(r"[^A-Za-z0-9.-]", domain)
    if bad:
        position = item.rfind(domain) + bad.start() + 1
        _refuse(item, f"{_WHY.get(bad[0], repr(bad[0]))} at character {position}, in the domain")
    if re.fullmatch(r"[0-9.]+", domain):
        _refuse(item, "an IP address stands in square brackets: user@[192.0.2.1]")
    if "" in domain.split("."):
        _refuse(item, "a dot at the start or the end of the domain, or two in a row")
    _refuse(item, "a part of the domain is longer than 63 octets, or a hyphen is at its edge")


def _literal(domain: str, item: str) -> str:
    import ipaddress

    host = domain[1:-1] if domain.endswith("]") else ""
    try:
        if host[:5].lower() == "ipv6:":
            ipaddress.IPv6Address(host[5:])
        else:
            ipaddress.IPv4Address(host)
    except ValueError:
        _refuse(item, "the address literal is neither [192.0.2.1] nor [IPv6:2001:db8::1]")
    return domain


def _refuse(item: str, why: str, *, hint: str = "") -> NoReturn:
    raise AddressError(f"not an address: {shown(item)}: {why}", hint=hint)
