"""Shows a speed comparison: a table for the terminal, Markdown for a report, and a chart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from timernn_suite.speed.compare import Comparison, Measurement


def short_name(implementation: str) -> str:
    """Return a name that fits a column: ``module:Class`` and ``peer:module`` lose their module path."""
    last = implementation.rpartition(":")[2].rpartition(".")[2]
    return last.removesuffix("Backend").lower() or implementation


def _cell(comparison: Comparison, measured: Measurement, baseline: str) -> str:
    if measured.error is not None:
        return "failed"
    ratio = comparison.ratio(baseline, measured.implementation)
    if ratio is None or measured.implementation == baseline:
        return f"{measured.milliseconds:.3g} ms"
    return f"{measured.milliseconds:.3g} ms, {ratio[0]:.2f}× ({ratio[1]:.2f}–{ratio[2]:.2f})"


def rows(comparisons: Sequence[Comparison], baseline: str) -> list[list[str]]:
    """Return the table's rows: shape, sizes, then milliseconds and the speed relative to ``baseline``."""
    made = []
    for comparison in comparisons:
        request = comparison.shape.as_request()
        sizes = ",".join(f"{key}={request[key]}" for key in ("N", "T", "D", "H", "V") if key in request)
        cells = [_cell(comparison, measured, baseline) for measured in comparison.measurements]
        made.append([comparison.shape.name, sizes, *cells])
    return made


def headings(comparisons: Sequence[Comparison]) -> list[str]:
    """Return the headings to `rows`."""
    return ["shape", "sizes", *(short_name(measured.implementation) for measured in comparisons[0].measurements)]


def table(comparisons: Sequence[Comparison], baseline: str) -> Table:
    """Return a table for the terminal."""
    made = Table(
        *headings(comparisons),
        title=f"Median milliseconds, and how many times as fast as {short_name(baseline)} (least–most over rounds)",
        title_justify="left",
    )
    for row in rows(comparisons, baseline):
        made.add_row(*row)
    return made


def markdown(comparisons: Sequence[Comparison], baseline: str) -> str:
    """Return the same table as Markdown."""
    lines = [headings(comparisons), ["---"] * len(headings(comparisons)), *rows(comparisons, baseline)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def chart(comparisons: Sequence[Comparison], baseline: str, path: Path) -> None:
    """Draw how many times as fast as ``baseline`` each implementation is, a group of bars a shape, as PNG or SVG."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes half a second to import, and only drawing needs it

    others = [m.implementation for m in comparisons[0].measurements if m.implementation != baseline]
    figure = Figure(figsize=(8, 0.6 + 0.32 * len(comparisons) * (len(others) + 0.6)), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / max(1, len(others))
    for index, implementation in enumerate(others):
        ratios = [comparison.ratio(baseline, implementation) for comparison in comparisons]
        places = [row + index * height for row, ratio in enumerate(ratios) if ratio is not None]
        drawn = [ratio for ratio in ratios if ratio is not None]
        spread = [[mid - low for mid, low, _ in drawn], [high - mid for mid, _, high in drawn]]
        bars = axes.barh(
            places,
            [mid for mid, _, _ in drawn],
            height=height * 0.9,
            xerr=spread,
            label=short_name(implementation),
            error_kw={"elinewidth": 1, "alpha": 0.6},
        )
        axes.bar_label(bars, labels=[f"{mid:.2f}×" for mid, _, _ in drawn], padding=6, fontsize=8)
    axes.axvline(1, color="0.3", linestyle="--", linewidth=1, label=short_name(baseline))
    axes.set_yticks([row + height * (len(others) - 1) / 2 for row in range(len(comparisons))])
    axes.set_yticklabels([comparison.shape.name for comparison in comparisons])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(f"times as fast as {short_name(baseline)}; the line at each bar's end is least to most over rounds")
    axes.legend(loc="lower right", frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=150)
