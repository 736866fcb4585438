"""The report of an examination, as values.

This is what `--json` prints. Its JSON Schema is made of these types, so it cannot say something
else. What is not known is `None`, never left out. Nothing here holds a secret.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from nexomailer_cli.probe.severity import Severity as Severity
from nexomailer_cli.probe.stage import AnyStage

Schema = Literal["nexomailer.test-connection/1"]
Security = Literal["starttls", "implicit", "none"]


class Origins(Struct, frozen=True, kw_only=True):
    """Where each value of the target came from, such as `argument` or `inferred:port`."""

    host: str
    port: str
    security: str
    user: str | None = None
    secret: str | None = None


class Target(Struct, frozen=True, kw_only=True):
    """What is examined. `ascii_host` is the name as DNS and TLS have it."""

    input: str
    host: str
    ascii_host: str
    port: int
    security: Security
    source: Origins
    provider: str | None = None
    via: Literal["direct", "mx", "proxy", "socket"] = "direct"


class Tool(Struct, frozen=True, kw_only=True):
    """With what it was examined."""

    name: str
    version: str
    python: str
    openssl: str
    platform: str


class Found(Struct, frozen=True, kw_only=True):
    """A diagnosis, with what it rests on.

    `heading` is `title` in few words. `config` names the keys that `fix` speaks of, `docs` the
    pages. `retry_after_s` is how long a temporary trouble usually lasts.
    """

    id: str
    severity: Severity
    stage: str
    heading: str
    title: str
    evidence: str
    meaning: str
    fix: str
    config: tuple[str, ...]
    temporary: bool
    retry_after_s: int | None
    docs: tuple[str, ...]
    exit_code: int


class Ready(Struct, frozen=True, kw_only=True):
    """The examination in five words; `None` is what was not tested."""

    connect: bool | None
    encrypted: bool | None
    trusted: bool | None
    authenticated: bool | None
    envelope: bool | None


class Capabilities(Struct, frozen=True, kw_only=True):
    """What the server announced before and after TLS, and the difference."""

    before_tls: tuple[str, ...] | None
    after_tls: tuple[str, ...] | None
    added: tuple[str, ...] | None
    removed: tuple[str, ...] | None
    auth_before_tls: tuple[str, ...] | None
    auth_after_tls: tuple[str, ...] | None
    size_limit: int | None
    limits: dict[str, int]  # RFC 9422


class AuthSummary(Struct, frozen=True, kw_only=True):
    """Who would sign in, how, and what came of it. `secret_source` is where the secret is kept."""

    attempted: bool
    mechanism: str | None
    username: str | None
    secret_source: str | None
    result: Literal["accepted", "refused", "failed"] | None


class Alternative(Struct, frozen=True, kw_only=True):
    """What another port of the same host, or the same port in another way, has to say.

    `certificate` is whether it was verified, where that was looked at.
    """

    port: int
    security: Security
    result: Literal["open", "refused", "silent", "unreachable", "failed"]
    speaks: Literal["tls", "smtp", "smtp+starttls", "other", "nothing"] | None
    tls_version: str | None = None
    certificate: bool | None = None


class Recommended(Struct, frozen=True, kw_only=True):
    """An alternative that was tested and works."""

    port: int
    security: Security


class TranscriptLine(Struct, frozen=True, kw_only=True):
    """One line of the conversation, with secrets as ***. `C` is us, `S` the server."""

    ms: float
    speaker: Literal["C", "S"]
    encrypted: bool
    text: str


class Report(Struct, frozen=True, kw_only=True):
    """Everything about one target."""

    schema: Schema = "nexomailer.test-connection/1"
    tool: Tool
    started_at: str
    duration_ms: float
    target: Target
    verdict: Literal["ok", "warn", "fail", "unknown"]
    exit_code: Annotated[int, Meta(ge=0, le=255)]
    ready: Ready
    stages: tuple[AnyStage, ...]
    findings: tuple[Found, ...]
    capabilities: Capabilities
    auth: AuthSummary
    alternatives: tuple[Alternative, ...]
    recommended: Recommended | None
    transcript: tuple[TranscriptLine, ...] | None


class Examinations(Struct, frozen=True, kw_only=True):
    """The reports of several targets: every provider, or every exchanger of a domain.

    `findings` are about all of them together, such as a domain that takes no mail.
    """

    schema: Schema = "nexomailer.test-connection/1"
    verdict: Literal["ok", "warn", "fail", "unknown"]
    exit_code: Annotated[int, Meta(ge=0, le=255)]
    findings: tuple[Found, ...]
    examinations: tuple[Report, ...]
