"""Which authorities a server's certificate is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.probe.stage_data import TrustSource
from nexomailer_cli.transport.tls import system_directory

if TYPE_CHECKING:
    import ssl

    from nexomailer_cli.config.settings import Tls


def trust_of(settings: Tls, context: ssl.SSLContext | None) -> TrustSource | None:
    """Return where the authorities of `context` come from; `None` where no TLS is used."""
    if context is None:
        return None
    if not settings.reject_unauthorized:
        return TrustSource(kind="none", path=None, roots=None)
    roots = context.cert_store_stats()["x509_ca"]
    if settings.ca_file:
        return TrustSource(kind="ca_file", path=settings.ca_file, roots=roots)
    directory = system_directory()
    if directory:
        return TrustSource(kind="system", path=directory, roots=None)
    return TrustSource(kind="system", path=_bundle(), roots=roots)


def _bundle() -> str | None:
    import ssl

    return ssl.get_default_verify_paths().cafile
