"""To a server that is not met directly: through a proxy, or at a Unix socket.

The same two steps as over a network, a name and a connection. Nothing is raced here and no
neighbouring port looked at: what is behind a proxy is the proxy's business.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING

from nexomailer_cli.errors import TransportError
from nexomailer_cli.printable import printable
from nexomailer_cli.probe.stage import DnsStage, Status, TcpStage
from nexomailer_cli.probe.wire import Wire
from nexomailer_cli.transport.race import interleaved, race
from nexomailer_cli.transport.resolving import Resolved, resolve
from nexomailer_cli.transport.route import open_unix, through
from nexomailer_cli.transport.unreachable import beyond, unconnected

if TYPE_CHECKING:
    from nexomailer_cli.config.proxy import Proxy
    from nexomailer_cli.probe.examination import Examination


def dns(exam: Examination) -> DnsStage:
    """Look up the proxy, and the server where that is not the proxy's business."""
    terms, proxy = exam.terms, exam.terms.proxy
    if proxy is None:
        return DnsStage(status=Status.OK, summary="a Unix socket, which has no name to look up")
    stage = DnsStage(status=Status.OK)
    try:
        if not proxy.looks_up:
            exam.beyond = resolve(terms.host, terms.port, terms.family, exam.seconds)
        exam.resolved = _proxy_itself(exam, proxy)
    except TransportError as error:
        return exam.failed(stage, error)
    server = terms.host if proxy.looks_up else ", ".join(_targets(exam))
    rest = "is for the proxy to look up" if proxy.looks_up else f"is {server}"
    return DnsStage(status=Status.OK, summary=printable(f"{terms.host} {rest}"))


def _proxy_itself(exam: Examination, proxy: Proxy) -> Resolved:
    try:
        return resolve(proxy.host, proxy.port, exam.terms.family, exam.seconds)
    except TransportError as error:
        raise beyond(error) from error


def connection(exam: Examination) -> TcpStage:
    """Connect to the socket, or to the proxy and have it connect to the server."""
    stage = TcpStage(status=Status.OK)
    proxy = exam.terms.proxy
    try:
        if proxy is None:
            exam.wire = Wire(open_unix(exam.terms.socket_path), exam.transcript)
            return TcpStage(status=Status.OK, summary=printable(exam.terms.socket_path))
        host, sock = _through(exam, proxy)
    except TransportError as error:
        return exam.failed(stage, error)
    exam.wire = Wire(sock, exam.transcript, leads_on=True)
    shown = f"{host} through the {proxy.scheme} proxy {proxy.place}"
    return TcpStage(status=Status.OK, summary=printable(shown))


def _targets(exam: Examination) -> tuple[str, ...]:
    """Return what the proxy is asked for, one after the other."""
    if exam.terms.proxy is not None and exam.terms.proxy.looks_up:
        return (exam.terms.host,)
    return tuple(each.text for each in interleaved(exam.beyond.addresses))


def _through(exam: Examination, proxy: Proxy) -> tuple[str, socket.socket]:
    port = exam.terms.port
    to_proxy = partial(_to_proxy, exam, proxy)
    return through(proxy, _targets(exam), port, to_proxy, lambda: exam.seconds)


def _to_proxy(exam: Examination, proxy: Proxy) -> socket.socket:
    source = exam.terms.source_address
    exam.race = run = race(exam.resolved.addresses, exam.seconds, source, lingers=True)
    if run.sock is None:
        raise beyond(unconnected(proxy.host, proxy.port, run.error, source))
    return run.sock
