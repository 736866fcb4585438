"""The certificates that a server sent, as values; also after OpenSSL refused them.

Two depths: what OpenSSL itself tells, which is quick and enough where all is well, and what
`certificate_link` reads, which takes the time of an import. Does not judge; `certificate_checks`
does.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nexomailer_cli.printable import printable
from nexomailer_cli.probe import certificate_link
from nexomailer_cli.probe.certificate_link import canonical_ip, distinguished, iso
from nexomailer_cli.probe.stage_data import Certificate

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping, Sequence

    Info = Mapping[str, Any]

_DER = 2  # _ssl.ENCODING_DER
_MONTHS = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


def received_chain(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """Return the chain as the server sent it, as DER; empty where it has sent none.

    `getpeercert()` knows nothing after a refusal; the object beneath still has everything.
    """
    return _encoded(_asked(tls, "get_unverified_chain"))


def built_chain(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """Return the chain that OpenSSL put together, with a root of ours if it found one, as DER.

    After a refusal that is how far it got, not a chain that holds.
    """
    return _encoded(_asked(tls, "get_verified_chain"))


def received_infos(tls: ssl.SSLObject) -> tuple[Info, ...]:
    """Return OpenSSL's own words on each certificate of `received_chain`."""
    return tuple(each.get_info() for each in _asked(tls, "get_unverified_chain"))


def _asked(tls: ssl.SSLObject, question: str) -> Sequence[Any]:
    # Public only from 3.13 on; what is beneath is the same from 3.10 on.
    inner = getattr(tls, "_sslobj", None)
    ask = getattr(inner, question, None) or getattr(tls, question, None)
    return (ask() if ask else None) or ()


def _encoded(chain: Sequence[Any]) -> tuple[bytes, ...]:
    return tuple(each if isinstance(each, bytes) else each.public_bytes(_DER) for each in chain)


def examined(chain_der: tuple[bytes, ...], now: datetime) -> tuple[Certificate, ...]:
    """Return everything that is worth showing; what cannot be read is left out."""
    return tuple(link.certificate for link in certificate_link.links(chain_der, now))


def glanced(
    infos: Sequence[Info], chain_der: tuple[bytes, ...], now: datetime
) -> tuple[Certificate, ...]:
    """Return what OpenSSL tells of a chain: `infos` as of `received_infos`.

    Where it does not say enough, the chain is examined.
    """
    try:
        return tuple(
            _glanced(position, info, der, now)
            for position, (info, der) in enumerate(zip(infos, chain_der, strict=True))
        )
    except (KeyError, ValueError):
        return examined(chain_der, now)


def _glanced(position: int, info: Info, der: bytes, now: datetime) -> Certificate:
    names = tuple(info.get("subjectAltName", ()))
    expiry = _time(info["notAfter"])
    return Certificate(
        position=position,
        subject=distinguished(_attributes(info["subject"])),
        issuer=distinguished(_attributes(info["issuer"])),
        dns_names=tuple(printable(name) for kind, name in names if kind == "DNS"),
        ip_addresses=tuple(canonical_ip(name) for kind, name in names if kind == "IP Address"),
        not_before=iso(_time(info["notBefore"])),
        not_after=iso(expiry),
        days_left=(expiry - now).days,
        self_issued=info["subject"] == info["issuer"],
        serial=info["serialNumber"].lower(),
        sha256=hashlib.sha256(der).hexdigest(),
    )


def _attributes(name: Any) -> Iterator[tuple[str, str]]:
    for relative in name:
        yield from relative


def _time(text: str) -> datetime:
    """Read `Nov 25 03:29:00 2026 GMT`; strptime would cost ten times as much as all the rest."""
    month, day, clock, year, _ = text.split()
    hour, minute, second = map(int, clock.split(":"))
    number = _MONTHS.index(month) + 1
    return datetime(int(year), number, int(day), hour, minute, second, tzinfo=UTC)
