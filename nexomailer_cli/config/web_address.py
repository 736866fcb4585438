"""A URL that secrets are sent to: encrypted, or not beyond this machine."""

from __future__ import annotations

from nexomailer_cli.config.loopback import is_loopback


def complaint_about(url: str) -> str:
    """Return what is wrong with the URL of a token server, empty if nothing is.

    No part of it is quoted: somebody may have put a password in.
    """
    from urllib.parse import urlsplit

    if not url.isascii() or not url.isprintable() or " " in url:
        return "is no URL: it holds a blank, a control character or what is not ASCII"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("https", "http") or not host:
        return "is no URL: it begins with https:// and a host"
    if "@" in parts.netloc or parts.fragment:
        return "must have no user name, no password and no #fragment"
    if parts.scheme == "http" and not is_loopback(host):
        return "must begin with https://: secrets are sent there"
    return ""
