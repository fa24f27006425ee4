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
    """Draw how many times as fast as ``baseline`` each implementation is, a group of bars a shape, as PNG or SVG.

    The axis is logarithmic and the bars begin at 1: twice as fast is as long as half as fast, the other way.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes half a second to import, and only drawing needs it
    from matplotlib.ticker import FuncFormatter  # noqa: PLC0415

    others = [m.implementation for m in comparisons[0].measurements if m.implementation != baseline]
    figure = Figure(figsize=(8, 1.2 + 0.26 * len(comparisons) * (len(others) + 0.6)), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    height = 0.8 / max(1, len(others))
    for index, implementation in enumerate(others):
        colour, label = f"C{index}", short_name(implementation)
        for row, comparison in enumerate(comparisons):
            ratio = comparison.ratio(baseline, implementation)
            if ratio is None:
                continue
            middle, least, most = ratio
            place = row + index * height
            axes.barh(place, middle - 1, left=1, height=height * 0.9, color=colour, label=label)
            axes.plot([least, most], [place, place], color="0.2", linewidth=1)
            faster = middle >= 1
            axes.annotate(
                f"{middle:.2f}×",
                (max(middle, most) if faster else min(middle, least), place),
                (4 if faster else -4, 0),
                textcoords="offset points",
                ha="left" if faster else "right",
                va="center",
                fontsize=8,
            )
            label = "_again"  # one entry in the legend for all bars of a colour
    axes.axvline(1, color="0.3", linewidth=1)
    axes.set_yticks([row + height * (len(others) - 1) / 2 for row in range(len(comparisons))])
    axes.set_yticklabels([comparison.shape.name for comparison in comparisons])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(f"times as fast as {short_name(baseline)}; thin line: least to most over rounds")
    if others:
        figure.legend(loc="outside upper left", ncols=len(others), frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=150)
