"""The questions that `bulk` asks before it sends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nexomailer_cli.errors import UsageError

if TYPE_CHECKING:
    from nexomailer_cli.cli.output import Output


def confirm(question: str, option: str, output: Output, *, as_json: bool) -> None:
    """Ask; raise UsageError where nobody can answer or the answer is no.

    `option` is what answers yes beforehand. With `--json` a program is at the other end.
    """
    if sys.stdin is None or not sys.stdin.isatty() or as_json:
        raise UsageError(question, hint=f"Nothing was sent. {option} answers yes.")
    output.ask(f"{question} [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("Nothing was sent.")
