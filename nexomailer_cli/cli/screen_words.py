"""The words of the screen: names of stages, times, sizes, ports, exit statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexomailer_cli.probe.report import Alternative, Target

NAMES = {
    "target": "Target",
    "environment": "Machine",
    "dns": "Resolve",
    "tcp": "Connect",
    "banner": "Greeting",
    "ehlo": "EHLO",
    "starttls": "STARTTLS",
    "tls": "TLS",
    "certificate": "Certificate",
    "ehlo_tls": "EHLO (TLS)",
    "auth": "Sign in",
    "envelope": "Envelope",
    "size": "Size",
    "quit": "Goodbye",
}
SECURITY = {"starttls": "STARTTLS", "implicit": "TLS", "none": "no TLS"}
_SECURITY_AT_LENGTH = SECURITY | {"implicit": "implicit TLS", "none": "without TLS"}
_SPOKEN = {
    "tls": "TLS",
    "smtp": "SMTP, no STARTTLS",
    "smtp+starttls": "SMTP, STARTTLS",
    "other": "not SMTP",
    "nothing": "says nothing",
}
_EXITS = {
    1: "warnings, with --strict",
    2: "usage",
    4: "unknown",
    65: "refused",
    68: "host not found",
    69: "unavailable",
    75: "temporary",
    76: "protocol",
    77: "permission",
    78: "configuration",
    130: "interrupted",
}


def name_of(identity: str) -> str:
    """Return the name of a stage within a sentence."""
    name = NAMES.get(identity, identity)
    return name if name[1:2].isupper() else name.lower()


def duration(milliseconds: float | None) -> str:
    """Return a time: `11 ms`, `1.2 s`; nothing where none was taken."""
    if not milliseconds:
        return ""
    if milliseconds < 1:
        return "<1 ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s"


def lasting(seconds: int) -> str:
    """Return how long somebody has to wait: `45 seconds`, `15 minutes`, `2 hours`."""
    for unit, name in ((3600, "hour"), (60, "minute")):
        if seconds >= unit:
            return counted(round(seconds / unit), name)
    return counted(seconds, "second")


def octets(count: int) -> str:
    """Return a size: `34.2 MiB`."""
    if count < 1024:
        return f"{count} octets"
    size = float(count)
    for unit in ("KiB", "MiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} GiB"


def counted(count: int, noun: str) -> str:
    """Return `1 warning`, `2 warnings`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def place(host: str, port: int) -> str:
    """Return `host:port`, an IPv6 address in brackets; a Unix socket has no port."""
    if not port:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def titled(target: Target) -> str:
    """Return what is examined, in one line."""
    where = place(target.host, target.port)
    if target.ascii_host.lower() != target.host.lower():
        where = f"{where} ({target.ascii_host})"
    if target.provider:
        where = f"{target.provider}: {where}"
    via = ", a mail exchanger" if target.via == "mx" else ""
    return f"test-connection {where}  {_SECURITY_AT_LENGTH[target.security]}{via}"


def origins(target: Target) -> str:
    """Return where the values of a target came from, those of one origin together.

    Nothing is returned where somebody has said everything in the command itself.
    """
    source = target.source
    values = {
        "host": source.host,
        "port": source.port,
        "security": source.security,
        "user": source.user,
        "password": source.secret,
    }
    grouped: dict[str, list[str]] = {}
    for name, origin in values.items():
        if origin:
            grouped.setdefault(origin, []).append(name)
    if list(grouped) == ["argument"]:
        return ""
    told = " · ".join(f"{', '.join(names)}: {origin}" for origin, names in grouped.items())
    return told.replace("inferred:", "inferred from the ").replace(": race", ": 465 and 587 tried")


def tried(alternative: Alternative, target: Target) -> str:
    """Return what came of looking at another port, or at this one in another way."""
    words = f"{alternative.port}"
    if alternative.port == target.port:
        words = f"{words} with {SECURITY[alternative.security]}"
    details = [
        _SPOKEN[alternative.speaks] if alternative.speaks else "",
        (alternative.tls_version or "").replace("TLSv", "TLS "),
        {True: "certificate valid", False: "certificate not valid", None: ""}[
            alternative.certificate
        ],
    ]
    if alternative.tls_version and alternative.speaks == "tls":
        del details[0]
    inside = ", ".join(each for each in details if each)
    return f"{words} {alternative.result}" + (f" ({inside})" if inside else "")


def exit_words(code: int) -> str:
    """Return an exit status with its meaning."""
    meaning = _EXITS.get(code)
    return f"exit {code} ({meaning})" if meaning else f"exit {code}"
