"""Bytes that nobody would write, led by which code they reach.

    python -m tests.fuzz TARGET FOLDER SECONDS

Begins with `corpus/TARGET`; what reaches further goes to FOLDER, and so does what brings
something up: put that into the corpus with the mending. Needs atheris (`make fuzz`).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import atheris

CORPUS = Path(__file__).parent / "corpus"

atheris.enabled_hooks.add("str")
with atheris.instrument_imports(include=["nexomailer_cli"]):
    from tests.fuzz.targets import TARGETS

    # What is imported only when it is needed is needed by these.
    for file in CORPUS.glob("*/*"):
        TARGETS[file.parent.name](file.read_bytes())

MOST_OCTETS = 4096
MOST_SECONDS = 5  # for one input
MOST_MEGABYTES = 1024


def main(name: str, folder: str, seconds: str) -> None:
    """Go on until the time is over, or something comes up."""
    found = Path(folder) / name
    found.mkdir(parents=True, exist_ok=True)
    words = found.with_suffix(".words")
    words.write_text("".join(f'"{each}"\n' for each in sorted(_words(name))))
    options = [
        f"-dict={words}",
        f"-max_total_time={int(seconds)}",
        f"-max_len={MOST_OCTETS}",
        f"-timeout={MOST_SECONDS}",
        f"-rss_limit_mb={MOST_MEGABYTES}",
        f"-artifact_prefix={found}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(found), str(CORPUS / name)], TARGETS[name])
    atheris.Fuzz()


def _words(name: str) -> set[str]:
    """Return words to put together, so that none has to be found letter by letter."""
    texts = (file.read_text("utf-8", "ignore") for file in (CORPUS / name).iterdir())
    return {word for text in texts for word in re.findall(r"[A-Za-z0-9_.-]{2,40}", text)}


if __name__ == "__main__":
    main(*sys.argv[1:])
