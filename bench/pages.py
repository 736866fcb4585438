"""bench/RESULTS.md: every bench keeps its own part of it, and its figures for the picture."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
FIGURES = HERE / ".work" / "figures"
PICTURE = "results.svg"

_TOP = f"""\
# Results

![The figures below as bars]({PICTURE})

`make bench` makes all of this; `bench/README.md` says what is measured and how. Every part says
when and where it was measured: ratios are those within one round, absolute times are that
machine's.
"""
# In the order in which they are read.
_ORDER = ("Results", "Bulk runs", "A long wire", "Many rows", "One-shot commands", "Composing")


def keep(part: str) -> None:
    """Put a part, which begins with its heading, in the place of its predecessor."""
    parts = {"Results": _TOP}
    if RESULTS.exists():
        found = re.split(r"^(?=# )", RESULTS.read_text(), flags=re.MULTILINE)
        parts |= {_heading(each): each for each in found if _heading(each) in _ORDER[1:]}
    parts[_heading(part)] = part
    text = "\n".join(parts[name].strip() + "\n" for name in _ORDER if name in parts)
    RESULTS.write_text(text)


def _heading(part: str) -> str:
    return part.partition("\n")[0].removeprefix("# ")


def keep_figures(name: str, figures: Any) -> None:
    """Keep what `picture.py` draws."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    (FIGURES / f"{name}.json").write_text(json.dumps(figures, indent=1))


def figures(name: str) -> Any:
    """Return what was kept, or `None`."""
    file = FIGURES / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None
