"""What a server that works can do: its limits, its extensions, its speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexomailer_cli.cli.screen_words import duration, name_of, octets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nexomailer_cli.probe.report import Capabilities, Report

_LIMITS = {
    "RCPTMAX": "recipients per message",
    "MAILMAX": "messages per connection",
    "RCPTDOMAINMAX": "domains per message",
}
# Those that a mail may miss are named also where they are not offered.
_EXPECTED = {
    "PIPELINING": "pipelining",
    "8BITMIME": "8-bit",
    "SMTPUTF8": "UTF-8 addresses",
    "CHUNKING": "chunking",
    "DSN": "DSN",
}
_RARE = {
    "BINARYMIME": "binary content",
    "REQUIRETLS": "required TLS",
    "FUTURERELEASE": "later delivery",
    "DELIVERBY": "delivery deadlines",
}


def ready_rows(report: Report) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the rows of a verdict: label and text."""
    capabilities = report.capabilities
    limits = " · ".join(_limits(capabilities))
    if limits:
        yield "Limits", (limits,)
    announced = capabilities.after_tls
    if announced is None:
        announced = capabilities.before_tls
    if announced is not None:
        yield "Can", (_abilities(announced),)
    yield "Time", (" · ".join(_times(report)),)


def _limits(capabilities: Capabilities) -> Iterator[str]:
    if capabilities.size_limit:
        yield f"{octets(capabilities.size_limit)} per message (SIZE {capabilities.size_limit})"
    for keyword, limit in capabilities.limits.items():
        yield f"{limit} {_LIMITS.get(keyword, keyword)}"


def _abilities(announced: tuple[str, ...]) -> str:
    keywords = {line.split()[0].upper() for line in announced if line.strip()}
    every = _EXPECTED | _RARE
    present = ", ".join(words for keyword, words in every.items() if keyword in keywords)
    missing = ", ".join(words for keyword, words in _EXPECTED.items() if keyword not in keywords)
    return " · ".join(each for each in (present, f"without {missing}" if missing else "") if each)


def _times(report: Report) -> Iterator[str]:
    yield f"{duration(report.duration_ms) or '0 ms'} total"
    trip = next((stage.rtt_ms for stage in report.stages if stage.rtt_ms), None)
    if trip:
        yield f"round trip {duration(trip)}"
    waits = [(stage.server_ms, stage.id) for stage in report.stages if stage.server_ms]
    longest, identity = max(waits, default=(0.0, ""))
    if longest >= 1:
        yield f"slowest answer: {name_of(identity)} ({duration(longest)})"
