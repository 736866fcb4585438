"""TLS servers that no client with good defaults can talk to, or only just.

Each function takes a healthy server context (`Chain.server_context()`) and spoils one thing.
"""

from __future__ import annotations

import ssl
import warnings
from pathlib import Path

# The Second Oakley Group: 1024 bits (RFC 2409 section 6.2).
OAKLEY_2 = """\
-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
"""
UNRECOGNIZED_NAME = ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


def retired(context: ssl.SSLContext) -> ssl.SSLContext:
    """Nothing newer than TLS 1.1 (RFC 8996)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def old(context: ssl.SSLContext, ciphers: str) -> ssl.SSLContext:
    """TLS 1.2, with `ciphers` alone."""
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    return context


def odd_cipher(context: ssl.SSLContext) -> ssl.SSLContext:
    """A cipher that nobody else has."""
    return old(context, "ECDHE-ECDSA-CAMELLIA128-SHA256:CAMELLIA128-SHA")


def cbc(context: ssl.SSLContext) -> ssl.SSLContext:
    """A cipher in CBC mode, which clients still take."""
    return old(context, "ECDHE-ECDSA-AES256-SHA384")


def weak_dh(context: ssl.SSLContext, folder: Path) -> ssl.SSLContext:
    """Finite-field Diffie-Hellman with 1024 bits; the certificate must be RSA."""
    path = folder / "dh.pem"
    path.write_text(OAKLEY_2)
    context = old(context, "DHE-RSA-AES256-GCM-SHA384")
    context.load_dh_params(str(path))
    return context


def knows_no_name(context: ssl.SSLContext) -> ssl.SSLContext:
    """Alert 112 to whatever name the client asks for (RFC 6066 section 3)."""
    context.sni_callback = lambda *_: UNRECOGNIZED_NAME
    return context


def mutual(context: ssl.SSLContext, authority: Path) -> ssl.SSLContext:
    """A client certificate is required."""
    context.load_verify_locations(cafile=authority)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def other_group(context: ssl.SSLContext) -> ssl.SSLContext:
    """A group for which clients send no key at first: HelloRetryRequest (RFC 8446 4.1.4)."""
    context.set_ecdh_curve("secp384r1")
    return context
