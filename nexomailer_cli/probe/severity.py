"""How bad a finding is; apart from the report, which is long to load and rarely wanted."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is."""

    FAIL = "fail"  # mail cannot be sent like this, or would leak
    WARN = "warn"  # it works, but slowly, insecurely, or not for long
    INFO = "info"
