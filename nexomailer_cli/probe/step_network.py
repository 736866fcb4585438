"""Steps before a word is said: this machine, the name, the connection."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from msgspec import structs

from nexomailer_cli.errors import TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.probe import alternatives, roundabout
from nexomailer_cli.probe.certificate_link import prepare
from nexomailer_cli.probe.examination import is_public_name
from nexomailer_cli.probe.stage import DnsStage, EnvironmentStage, Status, TargetStage, TcpStage
from nexomailer_cli.probe.stage_data import DnsData, EnvironmentData, TcpData
from nexomailer_cli.probe.wire import Wire
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.transport.race import Race, race
from nexomailer_cli.transport.resolving import Address, resolve
from nexomailer_cli.transport.unreachable import unconnected

if TYPE_CHECKING:
    from typing import Literal

    from nexomailer_cli.probe.examination import Examination

SLOW_RESOLVER_MS = 500
SLOW_CONNECT_MS = 1000
# A lost SYN is sent again after one second, and then after two more (RFC 6298 section 2).
RETRANSMISSION_MS = ((950, 1300), (2950, 3300))
MAX_SHOWN = 4
_PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy")


def target(exam: Examination) -> TargetStage:
    """Say what was understood, and what is remarkable about it."""
    stage = TargetStage(status=Status.OK, summary=_whereabouts(exam))
    for reason in exam.case.reasons:
        stage = exam.remark(stage, Phase.CONNECT, reason)
    return stage


def _whereabouts(exam: Examination) -> str:
    terms = exam.terms
    return printable(terms.socket_path) if terms.socket_path else f"{terms.host}, port {terms.port}"


def environment(exam: Examination) -> EnvironmentStage:
    """Look at this machine: the EHLO name, the trusted authorities, the password's outside."""
    if exam.wishes.thorough and exam.terms.tls is not None:
        prepare()
    credentials = exam.terms.credentials
    lint = _lint(credentials.password) if credentials and credentials.password else ()
    stage = EnvironmentStage(
        status=Status.OK,
        summary=f"greets as {exam.terms.ehlo_name or 'its address'}",
        data=EnvironmentData(
            ehlo_name=exam.terms.ehlo_name,
            trust=exam.case.trust,
            secret_lint=lint,
            variables=tuple(name for name in _PROXIES if os.environ.get(name)),
        ),
    )
    if lint:
        text = f"the password {', '.join(lint)}"
        stage = exam.remark(stage, Phase.AUTH, "secret-lint", text)
    return stage


def _lint(password: str) -> tuple[str, ...]:
    """Say what is odd about a password without saying anything of it."""
    oddities = (
        ("begins or ends with white space", password != password.strip()),
        ("is not ASCII", not password.isascii()),
        ("has the blanks in which app passwords are shown", _is_spaced_app_password(password)),
    )
    return tuple(words for words, holds in oddities if holds)


def _is_spaced_app_password(password: str) -> bool:
    return re.fullmatch(r"[a-z]{4}( [a-z]{4}){3}", password) is not None


def dns(exam: Examination) -> DnsStage:
    """Find the addresses, by the same path as in sending."""
    terms = exam.terms
    if not terms.is_direct:
        return roundabout.dns(exam)
    stage = DnsStage(status=Status.OK)
    before = exam.transcript.ms
    try:
        exam.resolved = resolve(terms.host, terms.port, terms.family, exam.seconds)
    except TransportError as error:
        return exam.failed(structs.replace(stage, notes=_meant(terms.host, error)), error)
    took = exam.transcript.ms - before
    addresses = exam.resolved.addresses
    stage = DnsStage(
        status=Status.OK,
        summary=_addresses(addresses),
        data=DnsData(
            addresses=tuple(each.text for each in addresses),
            families=_families(addresses),
            canonical=exam.resolved.canonical,
            is_loopback=all(each.is_loopback for each in addresses),
        ),
    )
    if took > SLOW_RESOLVER_MS:
        stage = exam.remark(stage, Phase.CONNECT, "slow-dns", f"{took:.0f} ms")
    if stage.data and stage.data.is_loopback and is_public_name(terms.host):
        shown = ", ".join(stage.data.addresses)
        stage = exam.remark(stage, Phase.CONNECT, "hosts-override", shown)
    return stage


def _meant(host: str, error: TransportError) -> tuple[str, ...]:
    """Return the server of a known service that a name without an address is a slip of."""
    if error.reason != "EAI_NONAME":
        return ()
    from nexomailer_cli.config.presets import known_hosts
    from nexomailer_cli.config.words import nearest

    name = host.rstrip(".").lower()
    meant = nearest(name, known_hosts())
    return (f"did you mean {meant}?",) if meant not in ("", name) else ()


def _addresses(addresses: tuple[Address, ...]) -> str:
    shown = ", ".join(each.text for each in addresses[:MAX_SHOWN])
    more = f" and {len(addresses) - MAX_SHOWN} more" if len(addresses) > MAX_SHOWN else ""
    count = "1 address" if len(addresses) == 1 else f"{len(addresses)} addresses"
    return f"{count}: {shown}{more}"


def _families(addresses: tuple[Address, ...]) -> tuple[Literal["ipv4", "ipv6"], ...]:
    families: list[Literal["ipv4", "ipv6"]] = [
        "ipv6" if each.is_six else "ipv4" for each in addresses
    ]
    return tuple(dict.fromkeys(families))


def tcp(exam: Examination) -> TcpStage:
    """Connect to whichever address answers first, and see how the others do."""
    terms = exam.terms
    if not terms.is_direct:
        return roundabout.connection(exam)
    exam.race = run = race(
        exam.resolved.addresses, exam.seconds, terms.source_address, lingers=True
    )
    data = TcpData(winner=run.winner, attempts=run.attempts, ipv6=_six(run))
    stage = TcpStage(status=Status.OK, data=data, summary=_summary(run), notes=_losers(run))
    if run.sock is None:
        return _unconnected(exam, stage)
    exam.wire = Wire(run.sock, exam.transcript)
    return _remarks(exam, stage)


def _unconnected(exam: Examination, stage: TcpStage) -> TcpStage:
    terms = exam.terms
    error = unconnected(terms.host, terms.port, exam.race.error, terms.source_address)
    if error.reason == "ECONNRESET":
        error.phase = Phase.GREETING  # connected, and cut before anybody looked
        return exam.failed(stage, error)
    alternatives.look_around(exam)
    if error.reason == "ETIMEDOUT" and any(each.speaks for each in exam.alternatives):
        error.reason = "port-filtered"
    return exam.failed(stage, error)


def _six(run: Race) -> Literal["works", "broken", "absent"]:
    six = [each for each in run.attempts if each.family == "ipv6"]
    if any(each.result == "connected" for each in six):
        return "works"
    # Without a route nothing is lost, since that is known at once.
    return "broken" if any(each.result != "unreachable" for each in six) else "absent"


def _summary(run: Race) -> str:
    if run.winner is None:
        count = len(run.attempts)
        return f"no connection to {'the address' if count == 1 else f'any of {count} addresses'}"
    return f"{run.winner} (IPv{6 if ':' in run.winner else 4})"


_WORDS = {
    "refused": "refused",
    "unreachable": "no route from here",
    "silent": "silence",
    "denied": "forbidden by this machine",
    "failed": "failed",
}


def _losers(run: Race) -> tuple[str, ...]:
    losers = [each for each in run.attempts if each.result != "connected"]
    return tuple(f"{each.address}: {_WORDS[each.result]}" for each in losers[:MAX_SHOWN])


def _remarks(exam: Examination, stage: TcpStage) -> TcpStage:
    run, milliseconds = exam.race, exam.race.seconds * 1000
    dead = [each for each in run.attempts if each.result not in ("connected", "unreachable")]
    # Many servers of one's own listen on 127.0.0.1 only.
    if dead and (is_public_name(exam.terms.host) or not exam.conversation.is_loopback):
        is_six = run.winner is not None and ":" not in run.winner
        is_six = is_six and all(each.family == "ipv6" for each in dead)
        reason = "ipv6-broken" if is_six else "address-dead"
        stage = exam.remark(stage, Phase.CONNECT, reason, "; ".join(stage.notes))
    if any(low <= milliseconds <= high for low, high in RETRANSMISSION_MS):
        stage = exam.remark(stage, Phase.CONNECT, "packet-loss", f"{milliseconds:.0f} ms")
    elif milliseconds > SLOW_CONNECT_MS:
        stage = exam.remark(
            stage, Phase.CONNECT, "slow-server", f"connecting: {milliseconds:.0f} ms"
        )
    return stage
