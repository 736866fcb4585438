"""The stages of an examination, in their order, each with how it ended. Times are milliseconds."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from nexomailer_cli.probe.stage_data import (
    AuthData,
    BannerData,
    CertificateData,
    DnsData,
    EhloData,
    EnvelopeData,
    EnvironmentData,
    QuitData,
    SizeData,
    StarttlsData,
    TcpData,
    TlsData,
)


class Status(StrEnum):
    """How a stage ended."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"  # not asked for, or an earlier stage failed
    UNKNOWN = "unknown"  # could not be tested, which is not the same as broken


class Stage(Struct, frozen=True, kw_only=True, tag_field="id"):
    """One step of the examination.

    `server_ms` is `duration_ms` less the round trips that the step takes: the time in which the
    server thought. `summary` is for people, `notes` are further lines such as the server's own
    words; both harmless to show. `reason` says why a stage was skipped or is unknown: the id of
    the stage that failed, or words.
    """

    status: Status
    start_ms: float | None = None
    duration_ms: float | None = None
    rtt_ms: float | None = None
    server_ms: float | None = None
    summary: str = ""
    notes: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def id(self) -> str:
        """The stage's name in JSON."""
        tag = self.__struct_config__.tag
        assert isinstance(tag, str)
        return tag


class TargetStage(Stage, frozen=True, kw_only=True, tag="target"):
    """What was asked for, understood."""

    data: None = None


class EnvironmentStage(Stage, frozen=True, kw_only=True, tag="environment"):
    """This machine."""

    data: EnvironmentData | None = None


class DnsStage(Stage, frozen=True, kw_only=True, tag="dns"):
    """From the name to addresses."""

    data: DnsData | None = None


class TcpStage(Stage, frozen=True, kw_only=True, tag="tcp"):
    """From addresses to a connection."""

    data: TcpData | None = None


class BannerStage(Stage, frozen=True, kw_only=True, tag="banner"):
    """The greeting."""

    data: BannerData | None = None


class EhloStage(Stage, frozen=True, kw_only=True, tag="ehlo"):
    """The first EHLO."""

    data: EhloData | None = None


class StarttlsStage(Stage, frozen=True, kw_only=True, tag="starttls"):
    """The change to TLS, asked for."""

    data: StarttlsData | None = None


class TlsStage(Stage, frozen=True, kw_only=True, tag="tls"):
    """The handshake."""

    data: TlsData | None = None


class CertificateStage(Stage, frozen=True, kw_only=True, tag="certificate"):
    """Who the server proves to be."""

    data: CertificateData | None = None


class EhloTlsStage(Stage, frozen=True, kw_only=True, tag="ehlo_tls"):
    """EHLO again, after STARTTLS (RFC 3207 section 4.2)."""

    data: EhloData | None = None


class AuthStage(Stage, frozen=True, kw_only=True, tag="auth"):
    """Signing in."""

    data: AuthData | None = None


class EnvelopeStage(Stage, frozen=True, kw_only=True, tag="envelope"):
    """MAIL and RCPT, then RSET."""

    data: EnvelopeData | None = None


class SizeStage(Stage, frozen=True, kw_only=True, tag="size"):
    """Whether a message of some size would pass."""

    data: SizeData | None = None


class QuitStage(Stage, frozen=True, kw_only=True, tag="quit"):
    """The end."""

    data: QuitData | None = None


AnyStage = (
    TargetStage
    | EnvironmentStage
    | DnsStage
    | TcpStage
    | BannerStage
    | EhloStage
    | StarttlsStage
    | TlsStage
    | CertificateStage
    | EhloTlsStage
    | AuthStage
    | EnvelopeStage
    | SizeStage
    | QuitStage
)
