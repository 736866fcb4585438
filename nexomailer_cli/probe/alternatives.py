"""Other connections to the same host: the neighbouring ports, and this one in another way.

They answer what the first connection cannot: whether a silent port waits for TLS, whether only
this port is filtered, whether only the name in a certificate is wrong. None of them ever
carries a password.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Literal

from msgspec import structs

from nexomailer_cli.config.presets import find_preset, preset_of_host
from nexomailer_cli.config.settings import IMPLICIT_TLS_PORTS
from nexomailer_cli.errors import MessageError, TransportError
from nexomailer_cli.probe.report import Alternative, Recommended
from nexomailer_cli.probe.transcript import Transcript
from nexomailer_cli.probe.wire import Wire
from nexomailer_cli.smtp import command
from nexomailer_cli.smtp.extensions import parse_extensions
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.smtp.reply import Severity
from nexomailer_cli.transport.race import race
from nexomailer_cli.transport.resolving import Address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.probe.examination import Examination
    from nexomailer_cli.probe.report import Security
    from nexomailer_cli.smtp.reply import Reply
    from nexomailer_cli.transport.terms import Terms

# Submission with TLS and with STARTTLS, what is open where these are not, and mail exchange.
NEIGHBOURS: tuple[int, ...] = (465, 587, 2525, 25)
SECONDS = 2.0
# A port that accepts and says nothing is common; several of them are something in between.
FEWEST_SILENT = 2

_RESULTS: dict[str, Literal["open", "refused", "silent", "unreachable", "failed"]] = {
    "connected": "open",
    "refused": "refused",
    "silent": "silent",
    "unreachable": "unreachable",
}


def look_around(exam: Examination) -> None:
    """Look at the neighbouring ports, all at once, and note what is there."""
    known = {each.port for each in exam.alternatives} | {exam.terms.port}
    ports = [port for port in _neighbours(exam.terms.host) if port not in known]
    if not exam.wishes.alternatives or not ports or not exam.terms.is_direct:
        return
    import threading  # nothing else in a healthy examination needs it

    found: dict[int, Alternative] = {}

    def look(port: int) -> None:
        security: Security = "implicit" if port in IMPLICIT_TLS_PORTS else "starttls"
        found[port] = _examined(exam, port, security)

    threads = [threading.Thread(target=look, args=(port,), daemon=True) for port in ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for port in ports:
        _take(exam, found[port])


def _neighbours(host: str) -> tuple[int, ...]:
    """Return the ports where mail is taken, with those that only this service has."""
    preset = find_preset(preset_of_host(host.rstrip(".")))
    return tuple(dict.fromkeys((*NEIGHBOURS, *(preset.ports if preset else ()))))


def try_starttls(exam: Examination) -> None:
    """Meet this port once more, beginning in clear."""
    _take(exam, _examined(exam, exam.terms.port, "starttls"))


def waits_for_tls(exam: Examination) -> bool:
    """Whether this port, silent so far, answers to a TLS handshake."""
    alternative = _examined(exam, exam.terms.port, "implicit")
    if alternative.speaks == "tls":
        _take(exam, alternative)
    return alternative.speaks == "tls"


def everything_is_silent(exam: Examination) -> bool:
    """Whether the neighbours take connections just as this port does, and say nothing either."""
    look_around(exam)
    others = [each for each in exam.alternatives if each.port != exam.terms.port]
    silent = [each for each in others if each.speaks == "nothing"]
    return len(silent) == len(others) and len(silent) >= FEWEST_SILENT


def _take(exam: Examination, alternative: Alternative) -> None:
    if not exam.terms.is_direct:
        return
    exam.alternatives.append(alternative)
    if exam.recommended is None and alternative.certificate:
        exam.recommended = Recommended(port=alternative.port, security=alternative.security)


def _examined(exam: Examination, port: int, security: Security) -> Alternative:
    seconds = min(exam.seconds, SECONDS)
    terms = structs.replace(exam.terms, port=port)
    if not terms.is_direct:  # what is behind a proxy or a socket is met there, and only once
        return Alternative(port=port, security=security, result="failed", speaks=None)
    addresses = exam.resolved.addresses
    if exam.race.winner:
        addresses = tuple(each for each in addresses if each.text == exam.race.winner)
    places = [Address(each.family, (each.place[0], port, *each.place[2:])) for each in addresses]
    run = race(places, seconds, terms.source_address, lingers=True)
    if run.sock is None:
        result = _RESULTS.get(_best(each.result for each in run.attempts), "failed")
        return Alternative(port=port, security=security, result=result, speaks=None)
    with contextlib.closing(Wire(run.sock, Transcript())) as wire:
        return _conversed(wire, terms, security, seconds)


def _best(results: Iterator[str]) -> str:
    order = ("refused", "silent", "unreachable")
    return min(
        results, key=lambda each: order.index(each) if each in order else len(order), default=""
    )


def _conversed(wire: Wire, terms: Terms, security: Security, seconds: float) -> Alternative:
    """Say as much as tells what speaks there, and whether it is to be trusted."""
    seen = Alternative(port=terms.port, security=security, result="open", speaks="nothing")
    try:
        if security == "implicit":
            return _with_tls(wire, terms, seen, seconds)
        wire.await_reply(Phase.GREETING, seconds)
        seen = structs.replace(seen, speaks="smtp")
        name = terms.ehlo_name or wire.own_literal
        reply = wire.ask(command.ehlo(name), Phase.EHLO, seconds)
        if not _agrees(reply) or not parse_extensions(reply).starttls:
            return seen
        seen = structs.replace(seen, speaks="smtp+starttls")
        reply = wire.ask(command.STARTTLS, Phase.STARTTLS, seconds)
        # What stands behind the 220 is no part of TLS, and no such port is to be recommended.
        wire.verify_silence(Phase.STARTTLS)
        return _with_tls(wire, terms, seen, seconds) if _agrees(reply) else seen
    except (TransportError, MessageError, OSError) as error:
        is_other = getattr(error, "reason", "") == "not-smtp" and seen.speaks == "nothing"
        return structs.replace(seen, speaks="other") if is_other else seen


def _agrees(reply: Reply) -> bool:
    return reply.severity is Severity.POSITIVE


def _with_tls(wire: Wire, terms: Terms, seen: Alternative, seconds: float) -> Alternative:
    if terms.tls is None:
        return seen
    is_implicit = seen.security == "implicit"
    try:
        phase = Phase.TLS if is_implicit else Phase.STARTTLS
        wire.start_tls(terms.tls, terms.name_in_certificate, phase, seconds)
    except TransportError as error:
        return _not_with_tls(wire, seen, error)
    version = wire.tls.object.version() if wire.tls else None
    return structs.replace(
        seen,
        speaks="tls" if is_implicit else seen.speaks,
        tls_version=version,
        certificate=terms.is_verified or None,
    )


def _not_with_tls(wire: Wire, seen: Alternative, error: TransportError) -> Alternative:
    if error.reason.startswith("X509_"):
        speaks = "tls" if seen.security == "implicit" else seen.speaks
        return structs.replace(seen, speaks=speaks, certificate=False)
    hello = wire.hello()
    if hello and hello.text:
        is_smtp = hello.text.startswith("220")
        return structs.replace(seen, speaks="smtp" if is_smtp else "other")
    if hello and (hello.version or hello.alert is not None):
        return structs.replace(seen, speaks="tls", certificate=False)
    return seen


def passes_without_name(exam: Examination) -> bool | None:
    """Whether the certificate is trusted but for its name; `None` where that was not found out."""
    context = _context(exam)
    context.check_hostname = False
    try:
        return _passes(exam)
    finally:
        context.check_hostname = True


def passes_leniently(exam: Examination) -> bool | None:
    """Whether the certificate is trusted but for the letter of RFC 5280, as before Python 3.13."""
    context = _context(exam)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        return _passes(exam)
    finally:
        context.verify_flags |= ssl.VERIFY_X509_STRICT


def _context(exam: Examination) -> ssl.SSLContext:
    assert exam.terms.tls is not None
    return exam.terms.tls


def _passes(exam: Examination) -> bool | None:
    security: Security = "implicit" if exam.terms.implicit_tls else "starttls"
    return _examined(exam, exam.terms.port, security).certificate
