"""Values that are fine alone and wrong together, or that no type can express.

One function for each block, from the finished block to what is wrong with it. Knows
no file and no line: a contradiction names the keys that it stands between.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nexomailer_cli.config import routes, sign_in_rules
from nexomailer_cli.config.contradiction import Contradiction
from nexomailer_cli.config.rate import parse_rates
from nexomailer_cli.config.settings import (
    IMPLICIT_TLS_PORTS,
    Config,
    Defaults,
    Provider,
    SmtpConfig,
    Tls,
)
from nexomailer_cli.config.sign_in import Auth
from nexomailer_cli.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Where servers speak plain SMTP first: RFC 5321, RFC 6409, and what providers add for
# networks that block both.
STARTTLS_PORTS = (25, 587, 2525, 2587)

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# As in `smtp.command`, which refuses anything else.
_EHLO_NAME = re.compile(r"[0-9A-Za-z._-]+|\[[0-9A-Za-z.:]+\]")
# An address, or a pattern with stars for one; alone, the star is everybody.
_SENDER_PATTERN = re.compile(r"\*|[^\s@<>,]+@[^\s@<>,]+")
_FIELD_NAME = re.compile(r"[!-9;-~]+")  # RFC 5322 section 3.6.8


def contradictions(block: object) -> Iterator[Contradiction]:
    """Yield everything that is wrong with a finished block."""
    for rule in _RULES.get(type(block), ()):
        yield from rule(block)


def _tls(tls: Tls) -> Iterator[Contradiction]:
    both = ("cert_file", "key_file")
    if tls.cert_file and not tls.key_file:
        yield Contradiction("a certificate needs its key: add key_file", ("cert_file",), both)
    if tls.key_file and not tls.cert_file:
        yield Contradiction("a key needs its certificate: add cert_file", ("key_file",), both)
    if tls.servername and _CONTROL.search(tls.servername):
        yield Contradiction("holds a control character", ("servername",), ("servername",))


def _ports(config: SmtpConfig) -> Iterator[Contradiction]:
    if config.secure and config.port in STARTTLS_PORTS:
        message = (
            f"port {config.port} speaks STARTTLS, not TLS from the first byte: "
            "remove secure = true, or use port 465"
        )
    elif config.secure is False and config.port in IMPLICIT_TLS_PORTS:
        message = (
            f"port {config.port} speaks TLS from the first byte: "
            "remove secure = false, or use port 587"
        )
    else:
        return
    yield Contradiction(message, ("secure",), ("secure", "port"))


def _plaintext(config: SmtpConfig) -> Iterator[Contradiction]:
    if not config.has_credentials or config.is_loopback or config.allow_plaintext_auth:
        return
    keys = ("host", "port", "secure", "starttls", "allow_plaintext_auth", "auth", "tls")
    waive = "or say that you mean it with allow_plaintext_auth = true"
    if config.starttls == "never" and not config.implicit_tls:
        message = (
            f"the password would go to {printable(config.host)} unencrypted: "
            f'remove starttls = "never", {waive}'
        )
        yield Contradiction(message, ("starttls",), keys)
    if not config.tls.reject_unauthorized:
        message = (
            f"the password would go to whoever answers for {printable(config.host)}: "
            f"name its certificate in ca_file, {waive}"
        )
        yield Contradiction(message, ("tls", "reject_unauthorized"), keys)


def _ehlo_name(config: SmtpConfig) -> Iterator[Contradiction]:
    if config.name is not None and not _EHLO_NAME.fullmatch(config.name):
        message = "is no EHLO name: write a host name, or an IP address in brackets"
        yield Contradiction(message, ("name",), ("name",))


def _rate(config: SmtpConfig) -> Iterator[Contradiction]:
    if config.rate is None:
        return
    try:
        parse_rates(config.rate)
    except ValueError as error:
        yield Contradiction(f"is not understood: {error}", ("rate",), ("rate",))


def _provider(provider: Provider) -> Iterator[Contradiction]:
    # Shown in many places: nor one that a terminal would obey or that turns the text around.
    if printable(provider.name) != provider.name:
        yield Contradiction("holds a control character", ("name",), ("name", "config"))
    header = provider.deduplication_header
    if header and not _FIELD_NAME.fullmatch(header):
        keys = ("deduplication_header",)
        yield Contradiction("is no name for a header field (RFC 5322 section 3.6.8)", keys, keys)
    for index, pattern in enumerate(provider.from_addresses):
        if not _SENDER_PATTERN.fullmatch(pattern):
            message = "is no sender: write an address, *@shop.example, *@*.shop.example or *"
            yield Contradiction(message, ("from_addresses", index), ())


def _addresses(block: Defaults | Provider) -> Iterator[Contradiction]:
    for key in ("from_", "reply_to", "envelope_from"):
        value = getattr(block, key)
        # An empty envelope_from is the null reverse-path of RFC 5321 section 4.5.5.
        if value is None or (key == "envelope_from" and value == ""):
            continue
        if "@" not in value or _CONTROL.search(value):
            yield Contradiction("is not an address such as me@example.com", (key,), (key,))


def _headers(block: Defaults | Provider) -> Iterator[Contradiction]:
    for name, value in block.headers.items():
        if not _FIELD_NAME.fullmatch(name):
            message = "is no name for a header field (RFC 5322 section 3.6.8)"
        elif _CONTROL.search(value.replace("\t", " ")):
            message = "its value holds a control character"
        else:
            continue
        yield Contradiction(message, ("headers", name), ())


def _names(config: Config) -> Iterator[Contradiction]:
    seen: set[str] = set()
    for index, provider in enumerate(config.providers):
        if provider.name in seen:
            message = f'there is another provider "{printable(provider.name)}": rename one'
            yield Contradiction(message, ("providers", index, "name"), ())
        if provider.name:  # empty: a stand-in for one that is wrong by itself
            seen.add(provider.name)


def _choice(config: Config) -> Iterator[Contradiction]:
    if not config.providers:
        yield Contradiction("there is no provider to send through", ("providers",), ("providers",))
    elif config.failover.strategy == "weighted" and not any(p.weight for p in config.providers):
        message = 'every weight is 0, so strategy = "weighted" has nobody to choose'
        yield Contradiction(message, ("failover", "strategy"), ("failover", "providers"))


_RULES: dict[type, tuple[Callable[[Any], Iterator[Contradiction]], ...]] = {
    Tls: (_tls,),
    Auth: (sign_in_rules.sign_in, sign_in_rules.method),
    SmtpConfig: (
        *(_ports, _plaintext, *routes.RULES, _ehlo_name, _rate),
        *(sign_in_rules.token_server, sign_in_rules.certificate),
    ),
    Provider: (_provider, _addresses, _headers),
    Defaults: (_addresses, _headers),
    Config: (_names, _choice),
}
