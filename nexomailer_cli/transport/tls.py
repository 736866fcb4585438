"""The TLS context of a provider, and its failures: the same for sending and for the probe."""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nexomailer_cli.errors import ConfigError, Problem, TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.smtp.outcome import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from nexomailer_cli.config.settings import Tls

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return the context that `tls` asks for; raise ConfigError for files that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and name
    context.minimum_version = _VERSIONS[tls.min_version]
    if sys.version_info >= (3, 13):
        # What ssl.create_default_context() does since 3.13: RFC 5280 to the letter.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    if not tls.reject_unauthorized:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load("ca_file", tls.ca_file, lambda: _trust(context, tls.ca_file))
    if tls.cert_file:
        _present(context, tls.cert_file, tls.key_file)
    return context


def _present(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    if key:
        # OpenSSL does not say which of the two it could not use: the certificate alone first.
        scratch = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load("cert_file", cert, lambda: scratch.load_verify_locations(cafile=cert))
    # Without a password OpenSSL asks for it on the terminal, and no time-out ends that.
    _load(
        "key_file" if key else "cert_file",
        key or cert,
        lambda: context.load_cert_chain(cert, key, password=""),
    )


def _trust(context: ssl.SSLContext, ca_file: str | None) -> None:
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    elif context.verify_mode is not ssl.CERT_NONE:
        _trust_system(context)


def _trust_system(context: ssl.SSLContext) -> None:
    # A bundle is parsed whole, 30 to 45 ms for some 140 roots; in a directory with
    # OpenSSL's hashed names only the root that is needed is read, 0.3 ms.
    directory = system_directory()
    if directory:
        context.load_verify_locations(capath=directory)
    else:
        context.load_default_certs()


def system_directory() -> str | None:
    """Return where the system's authorities lie one by one, under OpenSSL's hashed names."""
    paths = ssl.get_default_verify_paths()
    if os.environ.get(paths.openssl_cafile_env) or not _is_hashed(paths.capath):
        return None
    return paths.capath


def _is_hashed(directory: str | None) -> bool:
    if not directory:
        return False
    return next(Path(directory).glob("[0-9a-f]" * 8 + ".0"), None) is not None


def _load(key: str, path: str | None, load: Callable[[], None]) -> None:
    try:
        load()
    except OSError as error:  # ssl.SSLError is one
        # OpenSSL's own words have the line of Python's source behind them.
        said = getattr(error, "reason", None)
        reason = said.replace("_", " ").lower() if said else error.strerror or str(error)
        raise ConfigError(
            Problem(f"cannot use {path}: {reason}", key=f"providers.config.tls.{key}")
        ) from error


def tls_failure(error: ssl.SSLError, phase: Phase) -> TransportError:
    """Return the TransportError that OpenSSL's `error` amounts to in `phase`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        words = printable(error.verify_message)
        return TransportError(
            f"the server's certificate is not to be trusted: {words}",
            phase=Phase.TLS,
            reason=f"X509_{error.verify_code}",
            detail=words,
        )
    reason = error.reason or "SSL"
    words = reason.replace("_", " ").lower()
    # Something other than TLS after the 220 to STARTTLS is another fault than a TLS port
    # which speaks plain SMTP.
    phase = phase if phase is Phase.STARTTLS and "VERSION_NUMBER" in reason else Phase.TLS
    return TransportError(f"TLS failed: {words}", phase=phase, reason=reason)
