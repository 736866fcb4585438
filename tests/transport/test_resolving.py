"""From a name to addresses: as sending does it, but never for longer than there is time."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest

from nexomailer_cli.errors import TransportError
from nexomailer_cli.smtp.outcome import Phase
from nexomailer_cli.transport import resolving
from nexomailer_cli.transport.resolving import Address, Resolved, resolve
from tests.support.lab.names import SEAM, names

PATIENCE = 8.0
ANY = socket.AF_UNSPEC


def failed(host: str, seconds: float = PATIENCE) -> TransportError:
    with pytest.raises(TransportError) as caught:
        resolve(host, 25, ANY, seconds)
    return caught.value


def test_addresses_come_in_the_order_of_the_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, {"mail.test": ["::1", "192.0.2.1", "192.0.2.2", "192.0.2.1"]})
    resolved = resolve("mail.test", 25, ANY, PATIENCE)
    assert [each.text for each in resolved.addresses] == ["::1", "192.0.2.1", "192.0.2.2"]
    assert [each.is_six for each in resolved.addresses] == [True, False, False]
    assert [each.is_loopback for each in resolved.addresses] == [True, False, False]
    assert resolved.canonical == "mail.test"


def test_one_family_may_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, {"mail.test": ["::1", "192.0.2.1"]})
    resolved = resolve("mail.test", 25, socket.AF_INET, PATIENCE)
    assert [each.text for each in resolved.addresses] == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
)
def test_an_address_is_nothing_to_ask_anybody_for(
    host: str, family: socket.AddressFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "getaddrinfo", None)
    monkeypatch.setattr(threading, "Thread", None)
    resolved = resolve(host, 25, ANY, 0)
    (address,) = resolved.addresses
    assert (address.family, address.place[:2]) == (family, (host, 25))


def test_an_address_with_a_scope_is_one_of_this_machine_or_not() -> None:
    address = Address(socket.AF_INET6, ("fe80::1%eth0", 25, 0, 2))
    assert (address.text, address.is_loopback) == ("fe80::1%eth0", False)


@pytest.mark.parametrize("host", ["1.2.3.4.5", "999.1.1.1"])
def test_what_only_looks_like_an_address_is_asked_for(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {host: socket.EAI_NONAME})
    assert failed(host).reason == "EAI_NONAME"


def test_a_resolver_out_of_order_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    door = threading.Event()
    names(monkeypatch, {"mail.test": ["192.0.2.1"]}, asked=lambda: door.wait(PATIENCE))
    start = time.monotonic()
    error = failed("mail.test", 0.1)
    assert time.monotonic() - start < PATIENCE
    door.set()
    assert (error.reason, error.phase) == ("EAI_AGAIN", Phase.CONNECT)
    assert "did not answer for mail.test" in str(error)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "no"), "EAI_NONAME"),
        (UnicodeError("label too long"), "bad-name"),
        (OSError(24, "Too many open files"), "EAI_FAIL"),
    ],
)
def test_what_goes_wrong_in_asking_has_a_reason(
    error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(SEAM, fail)
    assert failed("mail.test").reason == reason


def test_the_canonical_name_is_harmless_and_may_be_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(name: str) -> Any:
        place = ("192.0.2.1", 25)
        return lambda *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, name, place)]

    monkeypatch.setattr(SEAM, answer("evil\x1b[2J.test"))
    canonical = resolve("mail.test", 25, ANY, PATIENCE).canonical
    assert canonical is not None
    assert "\x1b" not in canonical
    monkeypatch.setattr(SEAM, answer(""))
    address = Address(socket.AF_INET, ("192.0.2.1", 25))
    assert resolve("mail.test", 25, ANY, PATIENCE) == Resolved((address,))
