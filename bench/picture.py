"""Draws bench/results.svg from the figures that the benches have kept.

bench/.work/peers/bin/python bench/picture.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pages
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, THEIRS, BARE = "#2a6f97", "#b8bcc2", "#d9dce1"
TITLES = {
    "plain": "Bulk, in clear: messages a second",
    "tls": "Bulk, over TLS: messages a second",
    "latency": "Bulk over 50 ms: messages a second",
    "scale": "Bulk: CPU µs a row (and MiB)",
    "send": "One message with STARTTLS: milliseconds",
    "compose": "Composing on one core: messages a second",
}


def main() -> None:
    """Draw one panel for each bench."""
    # Text stays text, and the same figures give the same file.
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "nexomailer", "font.size": 9}
    panels = {name: bars for name in TITLES if (bars := bars_of(name))}
    rows = (len(panels) + 1) // 2
    picture = Figure(figsize=(12, 2.6 * rows), layout="constrained")
    axes = picture.subplots(rows, 2, squeeze=False).flat
    for each, (name, bars) in zip(axes, panels.items(), strict=False):
        draw(each, TITLES[name], bars)
    for each in list(axes)[len(panels) :]:
        each.set_axis_off()
    picture.savefig(pages.HERE / pages.PICTURE, metadata={"Date": None})


def bars_of(name: str) -> dict[str, float]:
    """Return the bars of a panel, none where nothing was measured."""
    found: dict[str, Any] = pages.figures("bulk" if name in ("plain", "tls") else name) or {}
    if name in ("plain", "tls", "send"):
        return dict(found.get("starttls" if name == "send" else name, {}))
    if name == "latency":
        return {
            f"{who}: {where}": rate for where, each in found.items() for who, rate in each.items()
        }
    if name == "scale":
        return {f"{int(rows):,} rows, {mib:.0f} MiB": cpu for rows, (cpu, mib) in found.items()}
    return dict(found)


def draw(axes: Axes, title: str, bars: dict[str, float]) -> None:
    """Draw one panel: a bar for each, with its number behind it."""
    names = list(reversed(bars))
    drawn = axes.barh(names, [bars[name] for name in names], color=[color(name) for name in names])
    axes.bar_label(drawn, fmt="{:,.0f}", padding=3)
    axes.set_title(title, loc="left", fontweight="bold")
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(bottom=False, labelbottom=False, left=False)
    axes.margins(x=0.12)


def color(name: str) -> str:
    """Return a colour that tells us from others."""
    if name.startswith("python"):
        return BARE
    others = ("nodemailer", "smtp-source", "aiosmtplib", "mailmerge", "msmtp", "swaks", "curl")
    return THEIRS if name.startswith(others) else OURS


if __name__ == "__main__":
    main()
