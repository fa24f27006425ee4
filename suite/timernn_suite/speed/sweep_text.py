"""Cost curves and memory as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timernn_suite.speed.bench_text import label, number

TIME = "Microseconds a token of forward and backward (median of the rounds) while one size changes, from {base}."
MEMORY = (
    "MiB that one forward and backward takes at most in a fresh process, inputs and outputs included, and in brackets "
    "how many times the yardstick that is: inputs and outputs (xs, hs, dhs, dxs, weights, gradients), one copy of xs, "
    "and 2.2 times hs. What an implementation sets up on its first call of a size, compiled code too, counts."
)


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(corner: str, columns: list[str], rows: list[list[str]]) -> str:
    return "\n".join([_row([corner, *columns]), "|" + "---|" * (1 + len(columns)), *map(_row, rows)])


def markdown(curves: Mapping[str, Any]) -> list[str]:
    """Return the parts of a report that show the curves; none if there are none."""
    if not curves:
        return []
    base = ", ".join(f"{key}={value}" for key, value in curves["base"].items())
    parts = ["## Cost curves", TIME.format(base=base)]
    for size, curve in curves["time"].items():
        rows = [
            [label(name), *("failed" if point is None else number(point[0]) for point in points)]
            for name, points in curve["microseconds_per_token"].items()
        ]
        parts.append(_table(size, [f"{value:,}" for value in curve["values"]], rows))
    memory = curves["memory"]
    yardstick = memory["yardstick_kib"]
    rows = [["yardstick", *(number(kib / 1024) for kib in yardstick)]]
    for name, points in memory["peak_kib"].items():
        pairs = zip(points, yardstick, strict=True)
        shown = ["–" if kib is None else f"{number(kib / 1024)} ({kib / allowed:.2f}×)" for kib, allowed in pairs]
        rows.append([label(name), *shown])
    parts += ["## Memory", MEMORY, _table("T", [f"{value:,}" for value in memory["values"]], rows)]
    return parts + [f"- {label_}: {error}" for label_, error in memory["errors"].items()]
