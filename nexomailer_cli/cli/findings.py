"""How a finding is told to a person; the words are those of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nexomailer_cli.probe.diagnosis import Finding


def finding_lines(
    finding: Finding, indented: Callable[[str], str], remark: str = ""
) -> Iterator[str]:
    """Yield what stands below the title: why, the fix, and the id with a remark behind it."""
    if finding.meaning:
        yield indented(f"Why: {finding.meaning}")
    yield indented(f"Fix: {finding.fix}")
    yield f"  ({finding.id}{remark})"
