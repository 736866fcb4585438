"""What a configuration is: its types, their defaults and the bounds of every value.

Names, descriptions and constraints stand here once; reading a file, the example
file's test and a JSON Schema follow them. Does not know where a configuration
comes from (`file`), nor which values contradict each other (`contradictions`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field, structs

from nexomailer_cli.config.loopback import is_loopback
from nexomailer_cli.config.secrets import Secret
from nexomailer_cli.config.sign_in import Auth, Text

IMPLICIT_TLS_PORTS = (465, 2465)  # RFC 8314 section 7.3, and the alternative of SES and Resend
SUBMISSION_PORT = 587  # RFC 6409 section 3.1
SUBMISSIONS_PORT = 465  # RFC 8314 section 7.3
LMTP_PORT = 24  # IANA: any private mail system; RFC 2033 section 5 has none, and forbids 25

# A year: longer is a slip of the unit, and event loops dislike it.
LONGEST_SECONDS = 31_536_000

# Seconds inside, `"5s"` or milliseconds in the file. Zero would never let anything happen.
Duration = Annotated[float, Meta(gt=0, le=LONGEST_SECONDS, extra={"duration": True})]
DurationOrZero = Annotated[float, Meta(ge=0, le=LONGEST_SECONDS, extra={"duration": True})]
Port = Annotated[int, Meta(ge=1, le=65535)]


class Tls(Struct, frozen=True, kw_only=True):
    """How the server's certificate is examined, and which one is shown to it."""

    reject_unauthorized: Annotated[
        bool, Meta(description="Refuse a server whose certificate is not to be trusted.")
    ] = True
    servername: Annotated[
        str | None,
        Meta(description="Name the certificate must carry, also sent as SNI; default: the host."),
    ] = None
    ca_file: Annotated[
        str | None,
        Meta(
            description="PEM file of certificate authorities to trust instead of the system's.",
            extra={"file": True},
        ),
    ] = None
    cert_file: Annotated[
        str | None,
        Meta(
            description="PEM file with the client certificate, if the server asks for one.",
            extra={"file": True},
        ),
    ] = None
    key_file: Annotated[
        str | None,
        Meta(description="PEM file with the key of cert_file.", extra={"file": True}),
    ] = None
    min_version: Annotated[
        Literal["1.2", "1.3"], Meta(description="Oldest TLS version to accept, 1.2 or 1.3.")
    ] = "1.2"


class SmtpConfig(Struct, frozen=True, kw_only=True):
    """One SMTP server: how to reach it and how to behave there."""

    host: Annotated[
        str, Meta(min_length=1, description="Server name or IP address.", extra={"filled": True})
    ]
    port: Annotated[
        Port | None,
        Meta(description="TCP port; default: 465 if secure is true, else 587."),
    ] = None
    secure: Annotated[
        bool | None,
        Meta(description="true: TLS from the first byte (port 465); default: the port decides."),
    ] = None
    starttls: Annotated[
        Literal["auto", "required", "never"],
        Meta(
            description="auto, required or never; auto requires it as soon as there is a password."
        ),
    ] = "auto"
    allow_plaintext_auth: Annotated[
        bool,
        Meta(description="Permit a password over an unencrypted or unverified connection."),
    ] = False
    name: Annotated[
        Text | None,
        Meta(description="EHLO name; default: this machine's, or the sender's domain."),
    ] = None
    pool: Annotated[bool, Meta(description="Keep connections open for the next message.")] = True
    max_connections: Annotated[
        int, Meta(ge=1, le=1000, description="Connections open at the same time.")
    ] = 5
    ip_version: Annotated[
        Literal[4, 6] | None,
        Meta(description="4 or 6: connect by this version of IP only; default: by either."),
    ] = None
    source_address: Annotated[
        Text | None,
        Meta(description="IP address of this machine to connect from; default: the system's."),
    ] = None
    max_messages: Annotated[
        int, Meta(ge=1, description="Messages over one connection before it is replaced.")
    ] = 100
    idle_timeout: Annotated[
        Duration, Meta(description="How long an open connection waits for its next message.")
    ] = 30.0
    protocol: Annotated[
        Literal["smtp", "lmtp"],
        Meta(description="smtp, or lmtp as mailbox servers such as Dovecot speak (RFC 2033)."),
    ] = "smtp"
    socket: Annotated[
        Text | None,
        Meta(description="Path of a Unix socket to connect to, instead of host and port."),
    ] = None
    proxy: Annotated[
        Secret | None,
        Meta(description="Proxy to go through: socks5, socks5h or http://user:password@host:port."),
    ] = None
    joined: Annotated[
        Literal["auto", "never"],
        Meta(description="auto or never: a message's end and the next envelope in one write."),
    ] = "auto"
    rate: Annotated[
        Text | None,
        Meta(description='Messages that may be sent, e.g. "14/s, 2000/h, 10000/d"; all hold.'),
    ] = None
    connection_timeout: Annotated[
        Duration, Meta(description="Longest wait until the server's greeting.")
    ] = 30.0
    socket_timeout: Annotated[
        Duration | None,
        Meta(
            description="Longest wait for one reply; default: 60s, and 10m after a message's end."
        ),
    ] = None
    auth: Annotated[Auth | None, Meta(description="How to sign in; left out, nobody signs in.")] = (
        None
    )
    tls: Annotated[Tls, Meta(description="Certificates.")] = field(default_factory=Tls)

    @property
    def implicit_tls(self) -> bool:
        """Whether TLS starts with the first byte (RFC 8314 section 3.3)."""
        return self.port in IMPLICIT_TLS_PORTS if self.secure is None else self.secure

    @property
    def effective_port(self) -> int:
        """The port to connect to; 0 where it is a Unix socket."""
        if self.socket is not None:
            return 0
        if self.port is not None:
            return self.port
        if self.protocol == "lmtp":
            return LMTP_PORT
        return SUBMISSIONS_PORT if self.secure else SUBMISSION_PORT

    @property
    def is_loopback(self) -> bool:
        """Whether nothing leaves this machine on the way to the host."""
        if self.socket is not None:
            return True
        # A proxy's loopback is another machine's.
        return self.proxy is None and is_loopback(self.host)

    @property
    def has_credentials(self) -> bool:
        """Whether a password or a token would be sent to the host."""
        return self.auth is not None

    @property
    def tls_required(self) -> bool:
        """Whether going on without TLS is out of the question.

        A password forces TLS on the way to another machine, unless the config
        says both `starttls = "never"` and `allow_plaintext_auth = true`.
        """
        if self.starttls == "required":
            return True
        waived = self.starttls == "never" and self.allow_plaintext_auth
        return self.has_credentials and not self.is_loopback and not waived


class Provider(Struct, frozen=True, kw_only=True):
    """One way to get mail out, with its place in the order."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            description="Label for people and --provider; default: the host.",
            extra={"filled": True},
        ),
    ]
    type: Annotated[
        Literal["smtp"], Meta(description="Kind of provider; smtp is the only one.")
    ] = "smtp"
    priority: Annotated[
        int, Meta(ge=0, description="1 is tried before 2; equals are tried in the file's order.")
    ] = 1
    weight: Annotated[
        int, Meta(ge=0, description='Share of the mail with strategy = "weighted".')
    ] = 1
    from_addresses: Annotated[
        tuple[str, ...],
        Meta(description="Senders it is for, such as *@shop.example; default: all of them."),
    ] = ()
    preset: Annotated[
        str | None,
        Meta(description="Known service that supplies host, port and security, e.g. gmail."),
    ] = None
    from_: Annotated[
        str | None, Meta(description="Sender of all that goes this way, whoever it was to be.")
    ] = field(default=None, name="from")
    reply_to: Annotated[
        str | None, Meta(description="Address that answers go to, of all that goes this way.")
    ] = None
    envelope_from: Annotated[
        str | None, Meta(description="Address that bounces go to, of all that goes this way.")
    ] = None
    headers: Annotated[
        dict[str, str], Meta(description="Header fields added to all that goes this way.")
    ] = {}
    deduplication_header: Annotated[
        str | None,
        Meta(description='Header field by which the service knows a copy; "" for none.'),
    ] = None
    config: Annotated[SmtpConfig, Meta(description="The server.")]


class Defaults(Struct, frozen=True, kw_only=True):
    """What a message and a run get when the command line does not say."""

    from_: Annotated[str | None, Meta(description="Sender, with or without a display name.")] = (
        field(default=None, name="from")
    )
    reply_to: Annotated[str | None, Meta(description="Address that answers go to.")] = None
    envelope_from: Annotated[
        str | None, Meta(description="Address that bounces go to; default: the sender's.")
    ] = None
    headers: Annotated[
        dict[str, str], Meta(description="Header fields added to every message.")
    ] = {}
    deadline: Annotated[
        Duration | None, Meta(description="Longest time for a whole send, all providers.")
    ] = None
    retry_for: Annotated[
        DurationOrZero | None, Meta(description="How long temporary refusals are retried.")
    ] = None


class Failover(Struct, frozen=True, kw_only=True):
    """Which provider comes first, and which next."""

    strategy: Annotated[
        Literal["priority", "round-robin", "weighted"],
        Meta(description="priority, round-robin or weighted: which provider is tried first."),
    ] = "priority"


class Config(Struct, frozen=True, kw_only=True):
    """Everything that a run is told in advance.

    `path` is the file that it came from, `None` for `$NEXOMAILER_URL`.
    """

    defaults: Annotated[Defaults, Meta(description="For every message.")] = field(
        default_factory=Defaults
    )
    failover: Annotated[Failover, Meta(description="Choice of the provider.")] = field(
        default_factory=Failover
    )
    providers: Annotated[
        tuple[Provider, ...],
        Meta(description="Ways to get mail out, at least one.", extra={"filled": True}),
    ]
    path: Annotated[str | None, Meta(extra={"internal": True})] = None

    @property
    def standing(self) -> Defaults:
        """The defaults, with a provider's sender where they name none."""
        senders = (each.from_ for each in sorted(self.providers, key=lambda each: each.priority))
        if self.defaults.from_ is not None or not (sender := next(filter(None, senders), None)):
            return self.defaults
        return structs.replace(self.defaults, from_=sender)
