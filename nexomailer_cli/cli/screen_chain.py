"""The chain of certificates, as a person compares it with what should be there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.cli.screen_words import counted
from nexomailer_cli.probe.stage import CertificateStage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.probe.report import Report
    from nexomailer_cli.probe.stage_data import Certificate, CertificateData

MAX_SHOWN = 6


def certificate_data(report: Report) -> CertificateData | None:
    """Return what the certificate stage saw, if there was one."""
    stages = (stage for stage in report.stages if isinstance(stage, CertificateStage))
    return next((stage.data for stage in stages if stage.data), None)


def chain_lines(data: CertificateData) -> Iterator[str]:
    """Yield one line for each certificate, the server's own first, and the root if it is known."""
    for certificate in data.chain[:MAX_SHOWN]:
        yield f"{certificate.position}  {_told(certificate)}"
    if len(data.chain) > MAX_SHOWN:
        yield f"   … {counted(len(data.chain) - MAX_SHOWN, 'more certificate')}: see --json"
    if data.chain and (data.verified or data.trusted_otherwise) and data.trust:
        store = data.trust.path if data.trust.kind == "ca_file" else "your system store"
        root = data.chain[-1].issuer
        yield f"   trusted root: {root.get('CN') or _joined(root)} (in {store})"


def _told(certificate: Certificate) -> str:
    key = certificate.key
    size = (key.curve or (str(key.bits) if key.bits else "")) if key else ""
    parts = (
        _name(certificate),
        f"{key.type} {size}".strip() if key else "",
        certificate.signature or "",
        "self-issued" if certificate.self_issued else "",
        _left(certificate.days_left),
    )
    return " · ".join(part for part in parts if part)


def _name(certificate: Certificate) -> str:
    subject = certificate.subject
    if certificate.position == 0:
        named = (*certificate.dns_names, *certificate.ip_addresses)
        return subject.get("CN") or (named[0] if named else _joined(subject))
    own = ", ".join(subject[key] for key in ("CN", "O") if subject.get(key))
    return own or _joined(subject)


def _joined(name: dict[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in name.items()) or "without a name"


def _left(days: int) -> str:
    return f"{counted(days, 'day')} left" if days >= 0 else f"expired {counted(-days, 'day')} ago"
