"""Draws a benchmark: how far every implementation is from the limit of matrix products, shape by shape."""

from __future__ import annotations

from pathlib import Path

from timernn_suite.speed.bench import Bench, times_limit
from timernn_suite.speed.bench_text import label, sizes

MARKERS = "osD^vPX*<>"


def draw(bench: Bench, path: Path, kind: str) -> None:
    """Draw the time over the limit as a ``kind`` of picture, ``"png"`` or ``"svg"``; a line from least to most."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes half a second to import, and only drawing needs it
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415

    names = bench.implementations
    step = 0.7 / max(1, len(names))
    figure = Figure(figsize=(8.5, 1.5 + len(bench.comparisons) * (0.25 + 0.1 * len(names))), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    for index, name in enumerate(names):
        drawn = [(row, times_limit(comparison, name)) for row, comparison in enumerate(bench.comparisons)]
        known = [(row + (index - (len(names) - 1) / 2) * step, ratio) for row, ratio in drawn if ratio is not None]
        places = [place for place, _ in known]
        colour, marker = f"C{index % 10}", MARKERS[index % len(MARKERS)]
        axes.hlines(places, [r[1] for _, r in known], [r[2] for _, r in known], color=colour, linewidth=1.2)
        middles = [ratio[0] for _, ratio in known]
        axes.plot(middles, places, linestyle="", marker=marker, color=colour, markersize=6, label=label(name))
    for row in range(1, len(bench.comparisons)):
        axes.axhline(row - 0.5, color="0.9", linewidth=0.8)
    axes.axvline(1, color="0.3", linewidth=1.2)
    axes.set_yticks(range(len(bench.comparisons)))
    axes.set_yticklabels(
        [
            sizes(comparison) if "," in comparison.shape.name else f"{comparison.shape.name}\n{sizes(comparison)}"
            for comparison in bench.comparisons
        ],
        fontsize=8,
    )
    axes.set_ylim(len(bench.comparisons) - 0.5, -0.5)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=30))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", alpha=0.25)
    axes.set_xlabel(
        "time / limit of the matrix products (logarithmic; 1 is the limit; line: least to most over rounds)"
    )
    figure.legend(loc="outside upper left", ncols=min(5, max(1, len(names))), frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, format=kind, dpi=150)
