"""Names that do not resolve, and addresses that do not answer."""

from __future__ import annotations

import errno
import socket
import time
from threading import Event, Timer
from types import SimpleNamespace

import pytest

from tests.probe.conftest import Neighbours
from tests.support.dns_server import name_server
from tests.support.lab.examining import Examined, Examiner
from tests.support.lab.names import names
from tests.support.lab.place import serving
from tests.support.lab.ports import black_hole, closed_port, lossy_port
from tests.support.lab.smtp import smtp
from tests.support.providers import configure, provider

HOST = "mail.lab.example"
IN_CLEAR = ("--security", "none")
UNRESOLVED = {
    "EAI_NONAME": ("dns.nxdomain", 68),
    "EAI_NODATA": ("dns.no_address", 68),
    "EAI_AGAIN": ("dns.temporary", 75),
    "EAI_FAIL": ("dns.failed", 68),
}


@pytest.mark.parametrize("code", UNRESOLVED)
def test_it_is_known_why_a_name_does_not_resolve(
    code: str, examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {HOST: getattr(socket, code)})
    examine(f"{HOST}:587").failed(*UNRESOLVED[code])


@pytest.mark.parametrize("host", ["mail..lab.example", f"{'a' * 64}.example"])
def test_what_is_no_host_name_is_told_of_a_configuration(host: str, examine: Examiner) -> None:
    # On the command line it is a usage error, with the place where it is wrong.
    configure(examine.folder, {"name": "main", "config": {"host": host, "port": 587}})
    examine("main").failed("target.bad_name", 78)


def test_a_slow_resolver_is_worth_a_warning(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(smtp()) as place:
        names(monkeypatch, {HOST: ["127.0.0.1"]}, seconds=0.55)
        examined = examine(f"{HOST}:{place.port}", *IN_CLEAR)
    examined.warned("dns.slow")
    assert examined.stage("dns").duration_ms > 500


def test_a_public_name_that_leads_to_this_machine_is_overridden(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(smtp()) as place:
        names(monkeypatch, {"smtp.gmail.com": ["127.0.0.1"]})
        examined = examine(f"smtp.gmail.com:{place.port}", *IN_CLEAR)
    examined.warned("dns.hosts_override")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_no_server_on_this_machine(address: str, examine: Examiner) -> None:
    with closed_port(address) as port:
        target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        examine(target, *IN_CLEAR).failed("tcp.refused_loopback", 69)


def test_a_server_that_refuses(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch, neighbours: Neighbours
) -> None:
    names(monkeypatch, {HOST: ["127.0.0.1"]})
    with closed_port() as port, serving(smtp("STARTTLS")) as other, closed_port() as third:
        neighbours(other.port, third)
        examined = examine(f"{HOST}:{port}", *IN_CLEAR)
    examined.failed("tcp.refused", 69)
    assert {each.port: (each.result, each.speaks) for each in examined.report.alternatives} == {
        other.port: ("open", "smtp+starttls"),
        third: ("refused", None),
    }


def test_a_port_is_filtered_where_its_neighbour_answers(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch, neighbours: Neighbours
) -> None:
    names(monkeypatch, {HOST: ["127.0.0.1"]})
    with black_hole() as port, serving(smtp("STARTTLS")) as other:
        neighbours(other.port)
        examined = examine(f"{HOST}:{port}", *IN_CLEAR, timeout="0.8")
    examined.failed("tcp.filtered_port", 69)


def test_nothing_answers_at_all(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch, neighbours: Neighbours
) -> None:
    names(monkeypatch, {HOST: ["127.0.0.1"]})
    with black_hole() as port, black_hole() as other:
        neighbours(other)
        examined = examine(f"{HOST}:{port}", *IN_CLEAR, timeout="0.8")
    examined.failed("tcp.timeout", 75)
    assert [each.result for each in examined.report.alternatives] == ["silent"]


def test_neighbours_are_left_alone_where_that_is_wished(
    examine: Examiner, neighbours: Neighbours
) -> None:
    with closed_port() as port, serving(smtp("STARTTLS")) as other:
        neighbours(other.port)
        examined = examine(f"127.0.0.1:{port}", *IN_CLEAR, "--no-alternatives")
    assert (other.connections, examined.report.alternatives) == (0, ())


def test_ipv6_that_swallows_packets_costs_no_time_out_and_is_told(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(smtp()) as place, black_hole("::1", place.port):
        names(monkeypatch, {HOST: ["::1", "127.0.0.1"]})
        start = time.monotonic()
        examined = examine(f"{HOST}:{place.port}", *IN_CLEAR)
        assert time.monotonic() - start < 4
    examined.warned("tcp.ipv6_broken")
    assert examined.stage("tcp").data.winner == "127.0.0.1"
    assert examined.stage("tcp").data.ipv6 == "broken"


def test_ipv6_that_refuses_is_told(examine: Examiner, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(smtp()) as place:
        names(monkeypatch, {HOST: ["::1", "127.0.0.1"]})
        examined = examine(f"{HOST}:{place.port}", *IN_CLEAR)
    examined.warned("tcp.ipv6_broken")
    results = {each.address: each.result for each in examined.stage("tcp").data.attempts}
    assert results == {"::1": "refused", "127.0.0.1": "connected"}


def test_one_of_several_addresses_is_dead(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(smtp()) as place, black_hole("127.0.0.2", place.port):
        names(monkeypatch, {HOST: ["127.0.0.2", "127.0.0.1"]})
        examined = examine(f"{HOST}:{place.port}", *IN_CLEAR)
    examined.warned("tcp.one_address_dead")


def after_a_lost_packet(examine: Examiner, monkeypatch: pytest.MonkeyPatch) -> Examined:
    door = Event()
    opening = Timer(0.3, door.set)
    with lossy_port(smtp(), door) as place:
        names(monkeypatch, {HOST: ["127.0.0.1"]}, asked=opening.start)
        examined = examine(f"{HOST}:{place.port}", *IN_CLEAR)
        opening.join()
    return examined


def test_a_packet_that_had_to_be_sent_again_is_packet_loss(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The kernel waits 1 second; what else a busy machine adds is not the network's, and a very
    # busy one may lose the second packet too.
    monkeypatch.setattr("nexomailer_cli.probe.step_network.RETRANSMISSION_MS", ((950, 4000),))
    tries = (after_a_lost_packet(examine, monkeypatch) for _ in range(3))
    found = next((each for each in tries if _has_lost_a_packet_only(each)), None)
    assert found is not None
    found.warned("tcp.packet_loss")


def _has_lost_a_packet_only(examined: Examined) -> bool:
    failed = any(each.startswith("fail:") for each in examined.ids)
    return "warn:tcp.packet_loss" in examined.ids and not failed


def test_an_address_of_another_machine_cannot_be_the_source(examine: Examiner) -> None:
    with serving(smtp()) as place:
        configure(
            examine.folder,
            provider("main", place.port, starttls="never", source_address="203.0.113.9"),
        )
        examined = examine("main")
    examined.failed("tcp.bad_source", 78)
    assert place.connections == 0


# What no loopback can do (N1 needs routes, and those a network namespace) is injected where
# the engine connects; what it makes of an errno is all the same to it.
UNREACHABLE = {
    "ENETUNREACH": ("tcp.unreachable", 69),
    "EHOSTUNREACH": ("tcp.no_route", 69),
    "EACCES": ("tcp.denied_locally", 69),
    "EPERM": ("tcp.denied_locally", 69),
    "EMFILE": ("tcp.no_local_port", 75),
    "EINVAL": ("tcp.failed", 69),
}


@pytest.mark.parametrize("code", UNREACHABLE)
def test_it_is_known_why_an_address_cannot_be_reached(
    code: str, examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(socket.socket):
        def connect_ex(self, address: object, /) -> int:
            return int(getattr(errno, code))

    system = SimpleNamespace(**{**vars(socket), "socket": Refusing})
    monkeypatch.setattr("nexomailer_cli.transport.race.socket", system)
    names(monkeypatch, {HOST: ["192.0.2.7"]})
    examined = examine(f"{HOST}:587")
    examined.failed(*UNREACHABLE[code])
    assert [each.errno for each in examined.stage("tcp").data.attempts] == [code]


def test_a_domain_that_takes_no_mail_says_so(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with name_server({"lab.example MX": ("0 .",)}) as resolver:
        monkeypatch.setattr("dns.resolver.Resolver", lambda: resolver)
        result = examine.run("lab.example", "--mx")
    assert result.exit_status == 68
    assert [each["id"] for each in result.json["findings"]] == ["dns.null_mx"]


def test_a_slip_in_the_name_of_a_known_service_is_seen(
    examine: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {"smtp.gmial.com": socket.EAI_NONAME})
    examined = examine("smtp.gmial.com:587")
    assert "did you mean smtp.gmail.com?" in examined.stage("dns").notes
