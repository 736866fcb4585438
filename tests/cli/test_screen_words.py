"""Small words of the screen: times, sizes, places, chains."""

from __future__ import annotations

import msgspec
import pytest

from nexomailer_cli.cli import screen_words as words
from nexomailer_cli.cli.screen_chain import certificate_data, chain_lines
from nexomailer_cli.cli.screen_page import Page
from nexomailer_cli.cli.screen_ready import ready_rows
from nexomailer_cli.cli.screen_verdict import verdict_of
from nexomailer_cli.probe.report import Alternative
from nexomailer_cli.probe.stage import BannerStage, Status
from nexomailer_cli.probe.stage_data import CertificateData, TrustSource
from tests.cli import screen_examples as examples


@pytest.mark.parametrize(
    ("milliseconds", "told"),
    [
        *((None, ""), (0, ""), (0.3, "<1 ms"), (0.9, "<1 ms"), (1.0, "1 ms"), (11.2, "11 ms")),
        *((999.4, "999 ms"), (999.6, "1.0 s"), (1234, "1.2 s"), (10_000, "10.0 s")),
    ],
)
def test_a_time(milliseconds: float | None, told: str) -> None:
    assert words.duration(milliseconds) == told


@pytest.mark.parametrize(
    ("count", "told"),
    [
        *((999, "999 octets"), (1024, "1.0 KiB"), (35882577, "34.2 MiB"), (2**31, "2.0 GiB")),
        (2**45, "32768.0 GiB"),
    ],
)
def test_a_size(count: int, told: str) -> None:
    assert words.octets(count) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(1, "1 second"), (45, "45 seconds"), (900, "15 minutes"), (3600, "1 hour")],
)
def test_how_long_to_wait(seconds: int, told: str) -> None:
    assert words.lasting(seconds) == told


def test_what_is_examined_is_named_with_what_it_is_called_elsewhere() -> None:
    about = msgspec.structs.replace(
        examples.target("bücher.example", 465, "implicit", provider="main"),
        ascii_host="xn--bcher-kva.example",
        via="mx",
    )
    assert words.titled(about) == (
        "test-connection main: bücher.example:465 (xn--bcher-kva.example)  implicit TLS, "
        "a mail exchanger"
    )
    assert words.place("2001:db8::1", 25) == "[2001:db8::1]:25"


def test_another_port_is_told_with_what_it_speaks() -> None:
    about = examples.target("a.test")
    secure = Alternative(
        port=465,
        security="implicit",
        result="open",
        speaks="tls",
        tls_version="TLSv1.2",
        certificate=False,
    )
    assert words.tried(secure, about) == "465 open (TLS 1.2, certificate not valid)"
    silent = Alternative(port=25, security="starttls", result="silent", speaks=None)
    assert words.tried(silent, about) == "25 silent"


def chain(**changes: object) -> list[str]:
    data = certificate_data(examples.wrong_name())
    assert data
    changed: CertificateData = msgspec.structs.replace(data, **changes)
    return list(chain_lines(changed))


def test_a_root_that_nobody_has_seen_is_not_called_trusted() -> None:
    assert len(chain()) == 3
    assert len(chain(trusted_otherwise=False)) == len(chain(trusted_otherwise=None)) == 2
    own = TrustSource(kind="ca_file", path="/etc/own.pem", roots=1)
    assert chain(trust=own)[-1] == "   trusted root: ISRG Root X1 (in /etc/own.pem)"


def test_a_chain_without_end_is_cut_short() -> None:
    data = certificate_data(examples.wrong_name())
    assert data
    lines = chain(chain=data.chain * 5, trusted_otherwise=None)
    assert lines[6:] == ["   … 4 more certificates: see --json"]


def test_a_certificate_without_a_common_name_is_called_something() -> None:
    data = certificate_data(examples.wrong_name())
    assert data
    leaf = msgspec.structs.replace(
        data.chain[0], subject={}, dns_names=("a.test",), key=None, signature=None, days_left=-1
    )
    root = msgspec.structs.replace(data.chain[1], subject={"OU": "x"}, self_issued=True)
    assert chain(chain=(leaf, root), trusted_otherwise=None) == [
        "0  a.test · expired 1 day ago",
        "1  OU=x · RSA 2048 · SHA-256 · self-issued · 480 days left",
    ]


def test_a_server_that_announces_nothing_has_only_a_time() -> None:
    bare = msgspec.structs.replace(examples.ready_to_send(), capabilities=examples.NOTHING)
    assert [label for label, _ in ready_rows(bare)] == ["Time"]
    none = msgspec.structs.replace(examples.NOTHING, before_tls=("REQUIRETLS",))
    bare = msgspec.structs.replace(bare, capabilities=none, stages=())
    rows = dict(ready_rows(bare))
    assert rows["Can"] == (
        "required TLS · without pipelining, 8-bit, UTF-8 addresses, chunking, DSN",
    )
    assert rows["Time"] == ("579 ms total",)


def test_a_trouble_that_passes_says_when_and_where_to_read_on() -> None:
    report = examples.app_password()
    finding = msgspec.structs.replace(
        report.findings[0], retry_after_s=900, docs=("https://docs.test/a",)
    )
    lines = verdict_of(msgspec.structs.replace(report, findings=(finding,)), Page()).lines(Page())
    shown = [line.strip() for line in lines]
    assert "This usually passes within 15 minutes." in shown
    assert "See     https://docs.test/a" in shown


def test_a_server_that_talks_without_end_is_cut_short() -> None:
    from nexomailer_cli.cli.screen_stages import line_of

    notes = tuple(f"line {number}" for number in range(40))
    stage = BannerStage(status=Status.UNKNOWN, summary="s", notes=notes, reason="it was late")
    lines = line_of(stage, Page())
    assert len(lines) == 14
    assert "it was late" in lines[1]
    assert "… 29 more lines: -v shows them" in lines[-1]
    assert len(line_of(stage, Page(is_verbose=True))) == 42
