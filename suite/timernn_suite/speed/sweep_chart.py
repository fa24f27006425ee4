"""Draws cost curves: time a token against each size, memory against T, and memory over its yardstick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from timernn_suite.speed.bench_chart import MARKERS
from timernn_suite.speed.bench_text import label


def draw(curves: Mapping[str, Any], path: Path, kind: str) -> None:
    """Draw all curves as a ``kind`` of picture, ``"png"`` or ``"svg"``, on logarithmic axes."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes half a second to import, and only drawing needs it

    figure = Figure(figsize=(10.5, 6.4), layout="constrained")
    grid = figure.subplots(2, 3)
    panels = list(grid.flat)
    base = curves["base"]
    for axes, (size, curve) in zip(panels, curves["time"].items(), strict=False):
        others = ", ".join(f"{key}={value}" for key, value in base.items() if key != size)
        _frame(axes, curve["values"], size, f"µs a token; {others}")
        for index, (name, points) in enumerate(curve["microseconds_per_token"].items()):
            _line(axes, index, name, curve["values"], [point and point[0] for point in points])
    memory = curves["memory"]
    lengths, allowed = memory["values"], memory["yardstick_kib"]
    held, over = panels[-2:]
    _frame(held, lengths, "T", "MiB of one forward and backward")
    _frame(over, lengths, "T", "memory / yardstick")
    held.plot(lengths, [kib / 1024 for kib in allowed], color="0.3", linestyle="--", label="yardstick")
    over.axhline(1, color="0.3", linestyle="--")
    for index, (name, points) in enumerate(memory["peak_kib"].items()):
        # A process may need no new memory at all for a short sequence; a logarithm has no place for that.
        known = [kib if kib and kib > 0 else None for kib in points]
        _line(held, index, name, lengths, [kib and kib / 1024 for kib in known])
        _line(over, index, name, lengths, [kib and kib / of for kib, of in zip(known, allowed, strict=True)])
    handles, labels = held.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=6, frameon=False)
    figure.savefig(path, format=kind, dpi=150)


def _frame(axes: Any, values: Sequence[int], size: str, title: str) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator  # noqa: PLC0415

    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(values)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(size)
    axes.set_title(title, loc="left", fontsize=9)
    axes.grid(alpha=0.25)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _line(axes: Any, index: int, name: str, values: Sequence[int], heights: Sequence[float | None]) -> None:
    drawn = [(value, height) for value, height in zip(values, heights, strict=True) if height is not None]
    style = {"color": f"C{index % 10}", "marker": MARKERS[index % len(MARKERS)], "markersize": 5, "linewidth": 1.2}
    axes.plot([value for value, _ in drawn], [height for _, height in drawn], label=label(name), **style)
