"""A name server on loopback that says what a test tells it to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Literal

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset

# For a question such as "example.com MX": its records, or how the server fails.
Zone = Mapping[str, tuple[str, ...] | Literal["servfail", "refused", "nothing"]]


@contextlib.contextmanager
def name_server(zone: Zone) -> Iterator[dns.resolver.Resolver]:
    """Run the server, and yield a resolver that asks nobody else.

    A name that occurs in no question of `zone` does not exist; one that occurs has no records
    but those that are there.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_serve, args=(sock, zone))
        thread.start()
        try:
            resolver = dns.resolver.Resolver(configure=False)
            resolver.nameservers = ["127.0.0.1"]
            resolver.port = sock.getsockname()[1]
            resolver.timeout = 0.1
            yield resolver
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"", sock.getsockname())
            thread.join()


def _serve(sock: socket.socket, zone: Zone) -> None:
    names = {question.split()[0] for question in zone}
    while True:
        data, peer = sock.recvfrom(4096)
        if not data:
            return
        query = dns.message.from_wire(data)
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True), question.rdtype.name
        answer = zone.get(f"{name} {kind}", ())
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if answer == "nothing":
            continue
        if answer in ("servfail", "refused"):
            response.set_rcode(getattr(dns.rcode, answer.upper()))
        elif name not in names:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif answer:
            response.answer.append(
                dns.rrset.from_text_list(question.name, 60, "IN", kind, list(answer))
            )
        sock.sendto(response.to_wire(), peer)
