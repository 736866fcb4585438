"""Everything that is wrong with a chain, at once.

OpenSSL stops at its first complaint, so who repairs that meets the next one. Its word counts
where it has one; here is asked what else it would have said. The names of a certificate are
evidence, whoever chose them, and never advice.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from msgspec import Struct

from nexomailer_cli.printable import printable
from nexomailer_cli.probe import certificate_faults as faults
from nexomailer_cli.probe.certificate_faults import CertificateProblem, named, short
from nexomailer_cli.probe.certificate_link import Link, links
from nexomailer_cli.probe.certificate_name import is_address, is_for, presented
from nexomailer_cli.probe.diagnosis import Evidence, diagnose

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from nexomailer_cli.probe.stage_data import Certificate

    Fault = Callable[[Link], Iterator[CertificateProblem]]

MAX_NAMES = 5

# X509_V_ERR_* of OpenSSL's x509_vfy.h. These say that no trusted authority was reached.
_UNTRUSTED = frozenset({2, 18, 19, 20, 21, 27, 28})
_SELF_SIGNED = 18
_WEAK_KEY = 66
_WRONG_NAME, _WRONG_ADDRESS = 62, 64

# OpenSSL looks at the extensions first, then at keys and signatures, at the name, and at the
# dates last (verify_chain() in x509_vfy.c). So a later complaint acquits of the earlier ones.
_NAME_IS_RIGHT = frozenset({7, 9, 10, 13, 14, 23})
_STRONG_ENOUGH = _NAME_IS_RIGHT | {_WRONG_NAME, _WRONG_ADDRESS}
_EXTENSIONS_ARE_RIGHT = _STRONG_ENOUGH | {67, 68}

# The most important first, each with the codes that acquit of it.
_FAULTS: tuple[tuple[Fault, frozenset[int]], ...] = (
    (faults.expiry, frozenset()),
    (faults.beginning, frozenset()),
    (faults.purpose, _EXTENSIONS_ARE_RIGHT),
    (faults.weak_key, _STRONG_ENOUGH),
    (faults.weak_signature, _STRONG_ENOUGH),
)

# What our own words for a trouble amount to in OpenSSL's.
_SAME = {
    "cert-intermediate-expired": frozenset({10}),
    "cert-missing-intermediate": _UNTRUSTED,
    "cert-no-trust-store": _UNTRUSTED,
}


class Verdict(Struct, frozen=True, kw_only=True):
    """What OpenSSL said of a chain, and how it was asked.

    `host` is the name that was to be proved. `code` and `message` are OpenSSL's complaint;
    0 is acceptance, and `None` that nothing was verified. `built` is `certificate.built_chain`:
    a server may send certificates that nobody needs, whose faults do no harm. `strict` says
    whether RFC 5280 was demanded to the letter, `passes_leniently` that without this the same
    chain was accepted. `trusts_somebody` is the function of that name.
    """

    host: str
    code: int | None
    message: str = ""
    built: tuple[bytes, ...] = ()
    strict: bool = True
    passes_leniently: bool = False
    trusts_somebody: bool = True


def problems(
    chain_der: tuple[bytes, ...], verdict: Verdict, now: datetime
) -> tuple[CertificateProblem, ...]:
    """Return all that is wrong with a chain as it was sent, the worst first.

    OpenSSL's complaint is always among it, even where nothing is found that explains it.
    """
    case = _case(chain_der, verdict, now)
    shown = tuple(link.certificate for link in case.sent)
    if verdict.code == 0:
        return warnings(shown)
    found = (*_trust(case), *_names(case), *_faults(case), *_laxity(case))
    return (*_unexplained(case, found), *found, *warnings(shown))


def warnings(certificates: tuple[Certificate, ...]) -> tuple[CertificateProblem, ...]:
    """Return what is to be said of a chain that was accepted."""
    leaf = next((each for each in certificates if not each.position), None)
    return tuple(faults.warnings(leaf)) if leaf else ()


def trusts_somebody(context: ssl.SSLContext, *, directory: str | None = None) -> bool:
    """Return whether a context has any authority; `directory` is one that it looks into.

    What lies in a directory of hashed names is read when it is needed, and not counted before.
    """
    from pathlib import Path

    if context.cert_store_stats()["x509_ca"]:
        return True
    hashed = Path(directory).glob("[0-9a-f]" * 8 + ".[0-9]") if directory else iter(())
    return next(hashed, None) is not None


class _Case(Struct, frozen=True):
    """`sent` is what was sent and could be read, `needed` what the verdict rests on."""

    sent: tuple[Link, ...]
    needed: tuple[Link, ...]
    length: int
    verdict: Verdict

    @property
    def leaf(self) -> Link | None:
        return next((link for link in self.sent if not link.certificate.position), None)


def _case(chain_der: tuple[bytes, ...], verdict: Verdict, now: datetime) -> _Case:
    sent = links(chain_der, now)
    # Alone it means that OpenSSL went no further, not that it needs no more.
    needed = links(verdict.built, now) if len(verdict.built) > 1 else sent
    return _Case(sent, needed, len(chain_der), verdict)


def _trust(case: _Case) -> Iterator[CertificateProblem]:
    code = case.verdict.code
    if code in _UNTRUSTED and not case.verdict.trusts_somebody:
        yield CertificateProblem("cert-no-trust-store", "no authority is trusted at all")
    # The key of the server's own certificate is looked at before anything else.
    is_unjudged = code is None or code == _WEAK_KEY
    if code == _SELF_SIGNED or (is_unjudged and _stands_alone(case)):
        yield CertificateProblem("X509_18", _fingerprint(case.leaf))
    elif code in _UNTRUSTED and case.verdict.trusts_somebody:
        issuer = _issuer(case)
        incomplete = _lacks_link(case) and not _is_intercepted(issuer)
        reason = "cert-missing-intermediate" if incomplete else f"X509_{code}"
        yield CertificateProblem(reason, issuer)


def _stands_alone(case: _Case) -> bool:
    return case.leaf is not None and case.length == 1 and case.leaf.certificate.self_issued


def _lacks_link(case: _Case) -> bool:
    """Return whether the issuer was not sent, and is one that could be fetched elsewhere."""
    leaf = case.leaf
    if leaf is None or leaf.certificate.self_issued or not leaf.tells_issuer:
        return False
    others = (link.certificate.subject for link in case.sent if link is not leaf)
    return leaf.certificate.issuer not in others


def _issuer(case: _Case) -> str:
    if not case.sent:
        return printable(case.verdict.message)
    first, last = (named(case.sent[at].certificate.issuer) for at in (0, -1))
    return f"issuer: {first}" if first == last else f"issuer: {first}; its issuer: {last}"


def _is_intercepted(issuer: str) -> bool:
    # Which products there are stands in the table of findings.
    return diagnose(Evidence("tls", "X509_20", text=issuer)).id == "cert.intercepted"


def _fingerprint(leaf: Link | None) -> str:
    # Not its name, which is the host's own, and might contain that of such a product.
    return f"SHA-256 {leaf.certificate.sha256}" if leaf else ""


def _names(case: _Case) -> Iterator[CertificateProblem]:
    leaf, code, host = case.leaf, case.verdict.code, case.verdict.host
    if code in (_WRONG_NAME, _WRONG_ADDRESS):
        yield CertificateProblem(f"X509_{code}", _listed(leaf))
    elif leaf and code not in _NAME_IS_RIGHT and not is_for(leaf.certificate, host):
        code = _WRONG_ADDRESS if is_address(host) else _WRONG_NAME
        yield CertificateProblem(f"X509_{code}", _listed(leaf))


def _listed(leaf: Link | None) -> str:
    if leaf is None:
        return ""
    names = (*presented(leaf.certificate), *leaf.certificate.ip_addresses)
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"it names {', '.join(map(short, names[:MAX_NAMES])) or 'nobody'}{more}"


def _faults(case: _Case) -> Iterator[CertificateProblem]:
    for fault, acquitting in _FAULTS:
        if case.verdict.code not in acquitting:
            yield from chain.from_iterable(map(fault, case.needed))


def _laxity(case: _Case) -> Iterator[CertificateProblem]:
    verdict = case.verdict
    if verdict.code is None or verdict.code in _EXTENSIONS_ARE_RIGHT or not verdict.strict:
        return
    also = "; accepted where that is not demanded" if verdict.passes_leniently else ""
    for link in case.needed:
        for found in faults.laxity(link):
            yield CertificateProblem(found.reason, found.detail + also)


def _unexplained(
    case: _Case, found: tuple[CertificateProblem, ...]
) -> Iterator[CertificateProblem]:
    """Yield what OpenSSL knows and the checks do not: a revocation, a forged signature, ..."""
    code = case.verdict.code
    unread = case.length - len(case.sent)
    if code is None and unread:
        words = f"{unread} of {case.length} certificates cannot be read"
        yield CertificateProblem("X509_UNREADABLE", words)
    if code is not None and not any(_explains(each, code) for each in found):
        yield CertificateProblem(f"X509_{code}", printable(case.verdict.message))


def _explains(found: CertificateProblem, code: int) -> bool:
    return found.reason == f"X509_{code}" or code in _SAME.get(found.reason, ())
