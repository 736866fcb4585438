"""Times `test-connection` next to swaks doing the same: EHLO, STARTTLS, AUTH, QUIT.

    python3 bench/probe.py [--rounds N] [--no-setup]

Prints the section that it is in bench/RESULTS.md, which `oneshot.py` writes.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import contenders
import report
import servers
from setting import prepared
from submission import submission

if TYPE_CHECKING:
    from stopwatch import Stopwatch

SECTION = """
## An examination, {title}

{figures}
"""


def measured(stopwatch: Stopwatch, place: contenders.Place, rounds: int) -> dict[str, report.Runs]:
    """Return the runs with each kind of TLS; the certificate of the servers has to be there."""
    with submission(place.work / servers.CERTIFICATE, host=servers.HOST) as ports:
        return {
            each: stopwatch.rounds(
                (contenders.bare(place), *contenders.probes(place, each, port)), rounds
            )
            for each, port in ports.items()
        }


def sections(probes: dict[str, report.Runs]) -> str:
    """Return the tables, as they stand on the page of results."""
    return "".join(
        SECTION.format(title=report.TITLES[each], figures=report.figures(runs, report.SWAKS))
        for each, runs in probes.items()
    )


def main() -> None:
    """Set up, measure, print."""
    place, stopwatch, rounds = prepared(__doc__)
    servers.make_certificate(place.work, place.python)
    probes = measured(stopwatch, place, rounds)
    sys.stdout.write(f"{report.aims(report.probe_aims(probes))}\n{sections(probes)}")


if __name__ == "__main__":
    main()
