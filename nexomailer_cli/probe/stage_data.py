"""What each stage of an examination saw, as values: the `data` of a stage in JSON.

What is not known is `None`, which is never the same as broken. Nothing here holds a secret.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from nexomailer_cli.transport.race import ConnectAttempt


class ReplyData(Struct, frozen=True):
    """What a server answered."""

    code: int
    enhanced: str | None
    lines: tuple[str, ...]


class TrustSource(Struct, frozen=True, kw_only=True):
    """Which authorities are trusted. `roots` is `None` where they are read one by one."""

    kind: Literal["system", "ca_file", "none"]
    path: str | None
    roots: int | None


class EnvironmentData(Struct, frozen=True, kw_only=True):
    """What this machine brings to the conversation."""

    ehlo_name: str
    trust: TrustSource | None
    secret_lint: tuple[str, ...]
    variables: tuple[str, ...]  # of proxies: SMTP knows none of them


class DnsData(Struct, frozen=True, kw_only=True):
    """What the name resolved to."""

    addresses: tuple[str, ...]
    families: tuple[Literal["ipv4", "ipv6"], ...]
    canonical: str | None
    is_loopback: bool


class TcpData(Struct, frozen=True, kw_only=True):
    """The race of all addresses."""

    winner: str | None
    attempts: tuple[ConnectAttempt, ...]
    ipv6: Literal["works", "broken", "absent"]


class BannerData(Struct, frozen=True, kw_only=True):
    """How the server greeted."""

    code: int
    lines: tuple[str, ...]
    software: str | None


class EhloData(Struct, frozen=True, kw_only=True):
    """What the server announced: keyword and parameters."""

    sent_name: str
    extensions: dict[str, str]
    auth: tuple[str, ...]
    used_helo: bool


class StarttlsData(Struct, frozen=True, kw_only=True):
    """The answer to STARTTLS."""

    code: int | None
    lines: tuple[str, ...]
    plaintext_after_220_bytes: int


class TlsData(Struct, frozen=True, kw_only=True):
    """What the handshake negotiated, and what it was seen to do.

    `round_trips` counts the server's flights that we had to wait for. `alert` is the number of
    an alert in clear (RFC 8446 section 6). `first_bytes` is what came instead of TLS.
    """

    version: str | None
    cipher: str | None
    bits: int | None
    group: str | None
    hello_retry: bool
    round_trips: int
    sni: str | None
    alpn: str | None
    alert: int | None
    first_bytes: str | None


class KeyData(Struct, frozen=True, kw_only=True):
    """A public key: `EC` with its curve, `RSA` with its size, ..."""

    type: str
    bits: int | None
    curve: str | None


class Certificate(Struct, frozen=True, kw_only=True):
    """One certificate of a chain, the server's own being number 0. Dates are ISO 8601, UTC.

    `key`, `signature`, `ca` and `spki_sha256` are `None` where only OpenSSL has looked.
    """

    position: int
    subject: dict[str, str]
    issuer: dict[str, str]
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    not_before: str
    not_after: str
    days_left: int
    self_issued: bool
    serial: str
    sha256: str
    key: KeyData | None = None
    signature: str | None = None
    ca: bool | None = None
    spki_sha256: str | None = None


class CertificateData(Struct, frozen=True, kw_only=True):
    """The chain as the server sent it, and whether it was accepted.

    `verify_code` is OpenSSL's first complaint. `trusted_otherwise` says whether everything but
    the name, or everything but the strictness of RFC 5280, was in order: a second connection
    has shown it.
    """

    verified: bool
    verify_code: int | None
    verify_message: str | None
    strict: bool
    trust: TrustSource | None
    chain: tuple[Certificate, ...]
    trusted_otherwise: bool | None


class AuthData(Struct, frozen=True, kw_only=True):
    """The one attempt to sign in. `explanation` is XOAUTH2's error, decoded."""

    mechanism: str | None
    offered: tuple[str, ...]
    reply: ReplyData | None
    explanation: str | None


class EnvelopeData(Struct, frozen=True, kw_only=True):
    """What became of MAIL and RCPT."""

    sender: str | None
    recipient: str | None
    mail: ReplyData | None
    rcpt: ReplyData | None


class SizeData(Struct, frozen=True, kw_only=True):
    """Whether a message of that many octets would pass."""

    asked: int
    limit: int | None
    fits: bool | None


class QuitData(Struct, frozen=True, kw_only=True):
    """How the conversation ended."""

    code: int | None
